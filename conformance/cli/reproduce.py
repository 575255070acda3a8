"""``conformance reproduce``: a script that shows one finding of a record again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conformance.cli.options import Folder
from conformance.cli.status import OK

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from conformance.record import Record
    from conformance.values import Exhibit

EXAMPLES = """
\b
Examples:
  conformance reproduce 0123456789ab > fault.py && python fault.py
  conformance reproduce 0123456789ab@0.4.30        of that version, where the record has several
  conformance reproduce 0123456789ab --issue       a report for the framework's tracker, in Markdown
The script needs the framework and NumPy, holds the input, prints answer, truth and bound, and exits with status 1 while
the fault is there and with 0 once it is gone.  Ids stand in divergences.csv and on the page.
"""


@click.command(epilog=EXAMPLES)
@click.argument("finding", metavar="ID[@VERSION]")
@click.option("--record", type=Folder(), default=Path("reports/latest"), show_default=True,
              help="Folder of a report, or its Parquet file.")  # fmt: skip
@click.option("--issue", is_flag=True, help="Print a report for the framework's tracker, in Markdown.")
def reproduce(finding: str, record: Path, *, issue: bool) -> int:
    """Print a script that shows the finding ID again, with its framework and NumPy and nothing of this suite."""
    from conformance import record as records
    from conformance.judgement.checks import rule_of
    from conformance.reporting import escape
    from conformance.reporting.issues import markdown
    from conformance.reporting.scripts import script_of
    from conformance.values import Finding, Severity

    read = records.read(records.record_file(record))
    found = _chosen(records.findings(read), finding, record)
    row = read.observations.loc[found["rows"][0]].to_dict()
    said = Finding(found["kind"], Severity(found["severity"]), found["detail"], found["witness"])
    text = script_of(read, row, said, exhibit_for(read, row))
    if not text:
        raise click.UsageError(_without_script(found))
    click.echo(markdown(read, row, said, text, rule_of(said.kind)) if issue else escape.program(text), nl=False)
    return OK


def _chosen(findings: pd.DataFrame, name: str, record: Path) -> dict[Any, Any]:
    """The finding of an id; of several versions, the one that is named or else the last."""
    import difflib

    id_, _, version = name.partition("@")
    same = findings[findings["id"] == id_]
    if same.empty:
        near = difflib.get_close_matches(id_, list(dict.fromkeys(findings["id"])), n=3, cutoff=0.0)
        raise click.UsageError(f"{record} has no finding {id_!r}; the nearest ids: {', '.join(near) or 'none'}")
    versions = list(same["version"])
    if version and version not in versions:
        raise click.UsageError(f"{record} has the finding {id_} at {', '.join(versions)}, not at {version!r}")
    found: dict[Any, Any] = same[same["version"] == (version or _last(versions))].iloc[0].to_dict()
    return found


def _last(versions: list[str]) -> str:
    """The last of some versions; what is no version by Python's rules comes first."""
    from packaging.version import InvalidVersion, Version

    def order(text: str) -> tuple[bool, Version]:
        try:
            return True, Version(text)
        except InvalidVersion:
            return False, Version("0")

    return max(versions, key=order)


def exhibit_for(record: Record, row: Mapping[Any, Any]) -> Exhibit | None:
    """What was handed over; from family, seed and format where the record has no room for it.

    Raises
    ------
    click.UsageError
        If this suite does not ask that question: its id, a hash of every bit that is handed over, is not among them.
    """
    import json
    from dataclasses import replace

    from conformance import cases
    from conformance.asking.narrowing import fitted
    from conformance.asking.saved import saved
    from conformance.frameworks.contract import Contract
    from conformance.record import exhibit_of
    from conformance.reporting.scripts import part_of
    from conformance.values import Tier
    from reference.formats import FORMATS
    from reference.ops import OPS

    kept = exhibit_of(row)
    if kept is None or kept.inputs is not None:
        return kept
    part, target = part_of(record, row)
    plan = part.header.plan
    of = (target.framework, target.variant, target.version)
    promised = next(one.contract for one in part.header.subjects if (one.framework, one.variant, one.version) == of)
    contract = Contract.of(json.loads(promised or "{}"))
    # Arrays of other dtypes ride with float32.
    format, tier = FORMATS.get(row["dtype"], FORMATS["float32"]), Tier[row["tier"].upper()]
    families = {row["family"]} & set(cases.families())
    asked = cases.cases(format, (OPS[row["op"]],), families=families, tier=tier, seed=plan.seed)
    asked = [fitted(case, contract) for case in asked]
    asked = [saved(case) if contract.saved else case for case in asked]
    case = next((case for case in asked if case.id == row["case_id"]), None)
    if case is None:
        raise click.UsageError(
            f"the array of {row['family']}/{row['case']} is too large for the record, and softmax-conformance "
            f"{record.suite_version} with the questions {plan.questions} has to make it again; this one asks others"
        )
    return replace(kept, inputs=case.inputs)


def _without_script(found: Mapping[Any, Any]) -> str:
    if found["control"]:
        return (
            f"{found['id']} is of the textbook control {found['mode']}, whose formula stands in "
            "conformance/frameworks/controls.py; scripts call functions of frameworks"
        )
    return f"{found['id']} is a {found['kind']} finding, and its record holds no program that shows it"
