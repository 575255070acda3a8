"""The report for machines that know JUnit's XML: a test case for each target × op × dtype × family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from conformance.reporting.escape import printable
from conformance.reporting.frames import counted, dicts, names
from conformance.reporting.terminal import inconsistencies
from conformance.values import Severity

if TYPE_CHECKING:
    import pandas as pd

    from conformance.reporting.reading import Reading

_PLACE = ["name", "op", "dtype", "family"]


def xml(reading: Reading) -> str:
    """The file: failures are what makes the exit status 1, so that known findings are none.

    A case whose every question is unsupported is skipped, one that holds a question that was not asked is an error.
    """
    rows = reading.record.observations
    rows = rows.assign(name=names(reading.record, rows))
    unexpected: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for one in dicts(reading.unexpected):
        unexpected.setdefault(tuple(one[name] for name in _PLACE), []).append(one)
    suite = ET.Element("testsuite", name="softmax-conformance", timestamp=reading.record.started[:19])
    for place, mine in rows.groupby(_PLACE, sort=False):
        target, op, dtype, family = (printable(str(name)) for name in place)
        seconds = f"{float(mine['seconds'].sum()):.3f}"
        case = ET.SubElement(suite, "testcase", classname=target, name=f"{op} {dtype} {family}", time=seconds)
        _outcome(case, mine, unexpected.pop(place, []))
    for stale in reading.stale:
        _failed(suite, "ledger", printable(stale.entry.id), "stale", printable(str(stale)))
    if Severity.DEGRADED in reading.failing:
        for line in inconsistencies(reading):
            _failed(suite, "policies", line.partition(":")[0], "inconsistent", line)
    suite.set("tests", str(len(suite)))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))
    ET.indent(suite)
    return "<?xml version='1.0' encoding='utf-8'?>\n" + ET.tostring(suite, encoding="unicode") + "\n"


def _outcome(case: ET.Element, rows: pd.DataFrame, unexpected: list[dict[str, Any]]) -> None:
    """What a test case ended with; nothing where it passed."""
    if unexpected:
        lines = [_line(one) for one in unexpected]
        failure = ET.SubElement(case, "failure", type=unexpected[0]["kind"], message=lines[0])
        failure.text = "\n".join(lines)
    silent = rows[rows["outcome"] == "not_asked"]
    if len(silent):
        why = printable(silent["reason"].iloc[0])
        ET.SubElement(case, "error", type="not_asked", message=f"{counted(len(silent), 'question')} not asked: {why}")
    elif not unexpected and (rows["outcome"] == "unsupported").all():
        ET.SubElement(case, "skipped", message=printable(rows["reason"].iloc[0]) or "unsupported")


def _line(one: dict[str, Any]) -> str:
    head = "" if one["problem"] == "unknown" else f"{one['problem']}: "
    way = "" if one["way"] == "plain" else f"{one['way']} "
    return printable(f"{head}{one['kind']} ({one['severity']}): {way}{one['family']}/{one['case']}: {one['detail']}")


def _failed(suite: ET.Element, classname: str, name: str, kind: str, message: str) -> None:
    case = ET.SubElement(suite, "testcase", classname=classname, name=name, time="0.000")
    ET.SubElement(case, "failure", type=kind, message=message)
