"""What is said of one kernel: a grade a dtype, then each finding in a sentence, with its smallest witness and a command."""

from __future__ import annotations

import re
import shlex
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table
from rich.text import Text

from conformance.frameworks.base import call
from conformance.record import rows as read
from conformance.record.findings import size_of
from conformance.record.typed import printable
from conformance.reporting import summary as sentences
from conformance.reporting import tables
from conformance.reporting.frames import dicts
from conformance.reporting.scripts import literal
from conformance.reporting.terminal import STYLES, count, figure, inconsistencies, say, style_of
from conformance.values import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import pandas as pd
    from rich.console import Console

    from conformance.reporting.reading import Reading
    from conformance.values import Numbers, Witness

_LONGEST = 400
"""Characters of an array's source that one would still copy; the place of the kernel's file comes on top."""

_LARGEST = 2**18
"""Numbers of an array that are looked at: equal ones take no room in a command."""

_SHOWN = 12
"""Findings that are printed."""

_SHORT = ("float32", "float16")
"""Dtypes of NumPy that need fewer decimals than float64."""

_TRACE = 6
"""Lines of a traceback that are printed."""


@dataclass(frozen=True)
class Grading:
    """How a kernel does in a dtype.

    Attributes
    ----------
    grade
        The worst; empty where no number could be graded.
    questions
        How many were asked.
    violations, degraded, policy
        How many of them have that severity.
    worst_ulp, worst_over_bound
        The largest error, in units in the last place and over the bound of the grade *stable*; NaN without numbers.
    unsupported
        Why it cannot take the dtype; empty where it can.
    """

    grade: str
    questions: int
    violations: int
    degraded: int
    policy: int
    worst_ulp: float
    worst_over_bound: float
    unsupported: str


@dataclass(frozen=True)
class Told:
    """One kind of finding in one dtype, at its smallest case.

    Attributes
    ----------
    cases
        How many cases show it.
    detail
        What is wrong there, in one sentence.
    lane
        Its witness: ``index``, ``got``, ``true``, ``bound``; empty where there are no numbers.
    trace
        The lines of a traceback.
    ledger
        The entries that know it, of some of its cases at least.
    command
        Shows it again.
    """

    kind: str
    severity: str
    dtype: str
    cases: int
    family: str
    case: str
    detail: str
    lane: Mapping[str, float]
    trace: tuple[str, ...]
    ledger: tuple[str, ...]
    command: str


@dataclass(frozen=True)
class Verdict:
    """What is said of one kernel.

    Attributes
    ----------
    outcome
        ``passed``, or why it did not, in a line.
    dtypes
        Dtype → how it does there.
    findings
        Violations first.
    not_asked
        What was left out of the questions and why, a phrase each.
    skipped
        Check that the user has skipped → how many cases break it.
    unanswered
        Questions that got no answer, a sentence each.
    inconsistent
        Policy questions that it answers in several ways, a sentence each.
    stale
        Ledger entries whose finding was looked for and is gone, a sentence each.
    proves_not
        What a clean verdict does not prove.
    """

    kernel: str
    passed: bool
    outcome: str
    op: str
    framework: str
    version: str
    device: str
    tier: str
    questions: int
    seconds: float
    dtypes: Mapping[str, Grading]
    findings: tuple[Told, ...]
    not_asked: tuple[str, ...]
    skipped: Mapping[str, int]
    unanswered: tuple[str, ...]
    inconsistent: tuple[str, ...]
    stale: tuple[str, ...]
    proves_not: str

    def as_json(self) -> dict[str, Any]:
        """As JSON has it; numbers that are not finite are texts."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def verdict(
    reading: Reading,
    *,
    passed: bool,
    rejecting: Sequence[str],
    unsupported: Mapping[str, str],
    skipped: Collection[str],
    again: Callable[[Mapping[str, Any]], str],
) -> Verdict:
    """Make the verdict on the only kernel of a record.

    Parameters
    ----------
    rejecting
        The kinds of finding for which it is rejected.
    unsupported
        Dtype → why it cannot take it.
    skipped
        Checks whose findings the user does not want.
    again
        The command that shows a row of the record's findings again.
    """
    record, rows = reading.record, reading.record.observations
    (target,) = record.targets
    found = reading.findings
    told = [
        _told(rows, group, again)
        for kind, group in _by_dtype(found, record.dtypes)
        if kind not in skipped
    ]  # fmt: skip
    return Verdict(
        kernel=printable(target.framework),
        passed=passed,
        outcome=_outcome(reading, rejecting, unsupported, passed=passed),
        op=", ".join(record.ops),
        framework=target.mode,
        version=printable(target.version),
        device=printable(target.device),
        tier=reading.tiers,
        questions=len(rows),
        seconds=reading.seconds,
        dtypes={dtype: _grading(rows[rows["dtype"] == dtype], unsupported.get(dtype, "")) for dtype in record.dtypes},
        findings=tuple(told),
        not_asked=tuple(phrase for part in record.parts for phrase in part.header.plan.not_asked),
        skipped={kind: int(found.loc[found["kind"] == kind, "cases"].sum()) for kind in skipped},
        unanswered=tuple(
            printable(sentences.unanswered(row)) for row in dicts(reading.unanswered) if row["outcome"] in tables.LOUD
        ),
        inconsistent=tuple(inconsistencies(reading)),
        stale=tuple(printable(f"stale ledger entry {stale}") for stale in reading.stale),
        proves_not=reading.proves_not,
    )


def show(said: Verdict, console: Console) -> None:
    """Print a verdict: of one dtype with few findings on one screen."""
    dtypes = ", ".join(said.dtypes)
    alone = " alone (--dtype all asks every one it takes)" if len(said.dtypes) == 1 else ""
    say(console, f"{said.kernel}: {said.op} in {dtypes}{alone}", soft=True)
    say(
        console,
        f"{said.framework} {said.version} on {said.device}, tier {said.tier}, {said.questions:,} questions, "
        f"{said.seconds:.1f} s",
    )
    console.print(_table(said.dtypes))
    for why in dict.fromkeys(one.unsupported for one in said.dtypes.values() if one.unsupported):
        say(console, (f"unsupported: {why}", "dim"), soft=True)
    for sentence in said.unanswered:
        say(console, (sentence, "bold red"), soft=True)
    if said.not_asked:
        say(console, (f"not asked: {'; '.join(said.not_asked)}", "dim"))
    for one in said.findings[:_SHOWN]:
        _show(one, console)
    if len(said.findings) > _SHOWN:
        say(console, f"… and {len(said.findings) - _SHOWN} more kinds of finding; --json has them all")
    for line in said.inconsistent:
        say(console, (line, "yellow"), soft=True)
    for line in said.stale:
        say(console, (line, "bold red"), soft=True)
    for kind, cases in said.skipped.items():
        say(console, f"skipped: {kind}, which {cases:,} cases break")
    say(console, (said.outcome, "bold green" if said.passed else "bold red"))
    if said.passed:
        say(console, f"not proved by the tier {said.tier}: {said.proves_not}")


def command(
    program: tuple[str, str, str, str] | tuple[()],
    x: Numbers,
    g: Numbers | None = None,
    *,
    dtype: str,
    axis: int,
    device: str,
) -> str:
    """A command that asks one array of one kernel, with its framework and nothing of this suite, from any folder.

    Parameters
    ----------
    program
        The four texts of :class:`conformance.frameworks.base.Program`; empty where there is none.
    x
        The logits, or what a vjp is handed in their place, representable in ``dtype``.
    g
        The cotangent of a vjp.

    Returns
    -------
    str
        Empty where the kernel cannot be imported, or the arrays take more room than one would copy.
    """
    if not program or program[0].startswith("#") or x.size > _LARGEST:
        return ""
    setup, array, define, numbers = program
    given = {"x": x} if g is None else {"x": x, "g": g}
    made = [
        f"{name} = {array.format(values=_short(_nested(one), dtype), dtype=dtype, device=device)}"
        for name, one in given.items()
    ]
    if sum(map(len, made)) > _LONGEST:
        return ""
    texts = [setup, define, numbers, *made, f"print(numbers({call(list(given), axis)})[1])"]
    lines = [line for text in texts for line in text.splitlines() if line.strip()]
    simple = not any(line.startswith((" ", "@", "def ", "with ", "for ", "if ", "class ")) for line in lines)
    text = ("; " if simple else "\n").join(lines)
    if '"' not in text:  # in single quotes for the shell, double ones need no escapes
        text = text.replace("'", '"')
    return f"python -c {shlex.quote(text)}"


def _nested(x: Numbers) -> str:
    """Source of a nested list."""
    if x.ndim == 0:
        return literal([(float(x), 1)]).removeprefix("[").removesuffix("]")
    if x.ndim == 1:
        # As text, because 0.0 equals -0.0.
        return literal([(float(text), len(list(same))) for text, same in groupby(map(repr, x.tolist()))])
    return f"[{', '.join(_nested(part) for part in x)}]"


def _short(values: str, dtype: str) -> str:
    """The same source with the shortest decimals that the dtype tells apart."""
    if dtype not in _SHORT:
        return values
    kind = np.dtype(dtype).type

    def shorter(match: re.Match[str]) -> str:
        exact = float(match[0])
        text = str(kind(exact))
        return text if float(kind(float(text))) == exact else match[0]

    return re.sub(r"\d+\.\d+(e[+-]?\d+)?", shorter, values)


def _by_dtype(found: pd.DataFrame, dtypes: Sequence[str]) -> list[tuple[str, pd.DataFrame]]:
    """(kind, its findings) in each dtype: violations first, in the order of the dtypes."""
    return [
        (str(kind), group)
        for severity in reversed(Severity)
        for dtype in dtypes
        for kind, group in found[(found["severity"] == severity) & (found["dtype"] == dtype)].groupby(
            "kind", sort=False
        )
    ]


def _told(rows: pd.DataFrame, group: pd.DataFrame, again: Callable[[Mapping[str, Any]], str]) -> Told:
    first = min(dicts(group), key=lambda finding: (size_of(rows.loc[finding["rows"][0]]), finding["case"]))
    shown = read.findings_of(rows.loc[first["rows"][0]].to_dict())
    return Told(
        kind=first["kind"],
        severity=first["severity"],
        dtype=first["dtype"],
        cases=int(group["cases"].sum()),
        family=first["family"],
        case=first["case"],
        detail=printable(first["detail"]),
        lane=_lane(first["witness"]),
        trace=next((finding.trace for finding in shown if finding.kind == first["kind"]), ()),
        ledger=tuple(dict.fromkeys(name for names in group["ledger"] for name in names.split(";") if name)),
        command=again(first),
    )


def _lane(witness: Witness | None) -> dict[str, float]:
    if witness is None:
        return {}
    return {"index": witness.index, "got": witness.got, "true": witness.expected, "bound": witness.bound}


def _grading(rows: pd.DataFrame, unsupported: str) -> Grading:
    severities = rows["severity"].value_counts()
    return Grading(
        grade=tables.worst(rows["grade"], tables.GRADES),
        questions=len(rows),
        violations=int(severities.get(Severity.VIOLATION, 0)),
        degraded=int(severities.get(Severity.DEGRADED, 0)),
        policy=int(severities.get(Severity.POLICY, 0)),
        worst_ulp=float(rows["max_ulp"].max()),
        worst_over_bound=float(rows["error_over_bound"].max()),
        unsupported=printable(unsupported),
    )


def _outcome(reading: Reading, rejecting: Sequence[str], unsupported: Mapping[str, str], *, passed: bool) -> str:
    if not reading.record.complete:
        return "incomplete: the check was interrupted; this is what was done"
    if len(unsupported) == len(reading.record.dtypes):
        return "failed: it answered in no dtype"
    if passed:
        return "passed"
    why = [*dict.fromkeys(rejecting), *["a stale entry"] * bool(reading.stale)]
    return f"failed: {', '.join(why) or 'not everything was answered'}"


def _table(dtypes: Mapping[str, Grading]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("dtype", "worst grade", "violations", "degraded", "policy", "worst ulp", "worst ÷ bound"):
        table.add_column(name, justify="left" if name in ("dtype", "worst grade") else "right", header_style="dim")
    for dtype, mine in dtypes.items():
        if mine.unsupported:
            table.add_row(dtype, Text("unsupported", style="dim"))
            continue
        table.add_row(
            dtype,
            Text(mine.grade or "—", style=STYLES[mine.grade]),
            count(mine.violations, "red"),
            count(mine.degraded, "yellow"),
            count(mine.policy, ""),
            figure(mine.worst_ulp),
            figure(mine.worst_over_bound),
        )
    return table


def _show(one: Told, console: Console) -> None:
    """A finding in three lines: what is wrong, where, and how to see it again."""
    cases = f"{one.cases} cases" if one.cases > 1 else "1 case"
    head = (f"{one.severity} {one.kind}", style_of(one.severity))
    known = f" [ledger: {', '.join(one.ledger)}]" if one.ledger else ""
    say(console, head, f" in {one.dtype}, {cases}{known}: {one.detail}", soft=True)
    lane = ", ".join(f"{name} {value:.9g}" for name, value in one.lane.items())
    say(console, f"  {one.family}/{one.case}{': ' if lane else ''}{lane}", soft=True)
    for line in one.trace[-_TRACE:]:
        say(console, f"  {line}", soft=True)
    say(console, (f"  {one.command}", "dim"), soft=True)


def _plain(value: Any) -> Any:
    """What JSON can hold."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and value - value != 0:
        return str(value)
    return value
