"""What does a person see at the end of a run?  A table of targets, then what is unexpected, worst first."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from conformance.record import rows as read
from conformance.record.findings import size_of
from conformance.reporting import escape, tables
from conformance.reporting import summary as sentences
from conformance.reporting.controls import not_caught
from conformance.reporting.frames import dicts
from conformance.reporting.scripts import script_of
from conformance.values import Grade, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from rich.console import Console

    from conformance.reporting.reading import Reading
    from conformance.values import Finding, Judgement, Witness

STYLES: dict[str, str] = {
    Grade.EXACT: "green",
    Grade.FAITHFUL: "green",
    Grade.STABLE: "green",
    Grade.LOOSE: "yellow",
    Grade.DIVERGENT: "red",
    "": "dim",
}
_SHOWN = 12
"""Faults that are printed."""

_NEW = 6
"""Unexpected findings that are printed: their faults stand above."""

_WHOLE = 3
"""How many findings a failing test shows with their figures."""


def summary(reading: Reading, console: Console) -> None:
    """Print the faults, a table of the targets, what is unexpected, what was not answered and what the tier does not prove."""
    record = reading.record
    _faults(reading, console)
    console.print(_table(reading))
    _unanswered(reading, console)
    _unexpected(reading, console)
    for why in dict.fromkeys(record.absent.values()):
        names = [name for name, other in record.absent.items() if other == why]
        say(console, f"not asked: {', '.join(names)} ({why})")
    say(console, f"not proved by the tier {reading.tiers}: {reading.proves_not}")
    if not record.complete:
        say(console, ("incomplete: the run was interrupted; this is what was done", "bold red"))


def _unanswered(reading: Reading, console: Console) -> None:
    """What the controls are caught at, and what got no answer: the loud outcomes a line each, the others counted."""
    controls = reading.targets[reading.targets["control"]]
    if len(controls):
        caught = f"{controls['violation'].sum():,}"
        say(console, (f"textbook controls: {len(controls)}, whose mistakes are caught in {caught} rows", "dim"))
    for row in dicts(reading.unanswered):
        if row["outcome"] in tables.LOUD:
            say(console, (f"{row['outcome'].replace('_', ' ')} ", "bold red"), sentences.unanswered(row))
    unsupported = reading.unanswered[~reading.unanswered["outcome"].isin(tables.LOUD)]
    if len(unsupported):
        say(console, (f"unsupported: {unsupported['questions'].sum():,} questions; the report says why", "dim"))


def _unexpected(reading: Reading, console: Console) -> None:
    """The first findings that nobody knows, policies that differ within a framework, and entries that are stale."""
    unexpected = reading.unexpected
    for finding in dicts(unexpected.head(_NEW)):
        way = "" if finding["way"] == "plain" else f" {finding['way']}"
        where = f"{finding['name']} {finding['op']}{way} {finding['dtype']} {finding['family']}"
        head = "unexpected " if finding["problem"] == "unknown" else f"{finding['problem']} "
        say(console, (head, "bold red"), (where, "bold"), f" {finding['kind']}: {finding['detail']}")
    if len(unexpected) > _NEW:
        say(console, f"… and {len(unexpected) - _NEW} more unexpected findings, in the report")
    if lines := inconsistencies(reading):
        failing = Severity.DEGRADED in reading.failing
        shown = lines if failing else [f"inconsistent: {len(lines)} policy questions, each answered in several ways"]
        for line in shown:
            say(console, line)
    for stale in reading.stale:
        say(console, ("stale ", "bold red"), f"ledger entry {stale}")


def _faults(reading: Reading, console: Console) -> None:
    """The faults that break the contract, worst first, a line each; the others counted."""
    found = reading.faults
    violated = [fault for fault in found if fault.violated]
    for fault in violated[:_SHOWN]:
        new = "" if fault.known else "new: "
        text = Text.assemble(("✗ ", "red"), (f"{fault.framework}: ", "bold"), (new, "bold red"), fault.title)
        text.append(f" ({', '.join(fault.values('mode'))})", "dim")
        text.truncate(console.width, overflow="ellipsis")
        console.print(text)
    more = [f"{len(violated) - _SHOWN} more faults"] if len(violated) > _SHOWN else []
    if mild := len(found) - len(violated):
        more.append(f"{mild} that {'is' if mild == 1 else 'are'} legal, and worse than a user would expect")
    if more:
        say(console, (f"{'and ' if violated else ''}{', and '.join(more)}; the report has them", "dim"))


def worst_row(console: Console, *, where: str, asked: int, length: int, judgement: Judgement, script: str = "") -> None:
    """Print the worst row of a hunt: what is wrong there, and the program that asks it alone.

    Parameters
    ----------
    where
        Target, op and dtype.
    asked, length
        How many rows of how many logits were asked.
    judgement
        Of the worst of them.
    """
    say(
        console,
        f"{where}: {asked:,} rows of {length} asked; the worst is {judgement.grade or 'not gradable'}, "
        f"{figure(judgement.max_ulp)} ulp, {figure(judgement.error_over_bound)} × the stable bound",
        soft=True,
    )
    for finding in judgement.findings:
        say(
            console,
            (f"{finding.severity} {finding.kind}", style_of(finding.severity)),
            f": {finding.detail}",
            soft=True,
        )
    if script:
        console.print(Text(f"\n{escape.program(script)}"), soft_wrap=True)


def explain(reading: Reading, observations: pd.DataFrame, command: str = "") -> str:
    """Failing observations for a failing test: the worst findings whole, the others counted, and how to see one again.

    Parameters
    ----------
    observations
        Some of those of the reading's record, with their index.
    command
        Asks again; by default it is the run of the worst observation's family.
    """
    ordered = observations.sort_values("error_over_bound", ascending=False, na_position="first")
    told: dict[tuple[str, ...], list[str]] = {}
    cases: Counter[tuple[str, ...]] = Counter()
    scripts = []
    for i, (label, row) in enumerate(zip(ordered.index, dicts(ordered), strict=True)):
        place = tuple(row[name] for name in ("target", "op", "way", "dtype", "family"))
        for finding, entry in zip(read.findings_of(row), reading.known.ids[label], strict=True):
            text = script_of(reading.record, row, finding)
            if text:
                scripts.append((size_of(row), i, text))
            key = (*place, finding.kind, entry)
            cases[key] += 1
            if key not in told:
                told[key] = _told(row, finding, entry)
        for kind in not_caught(row) if row["control"] else ():
            line = escape.printable(f"{_where(row)}: {kind} must be caught, and was not")
            told.setdefault((*place, kind, "not caught"), [line])
            cases[(*place, kind, "not caught")] += 1
    lines = [f"{len(ordered)} of its cases diverge; worst first", ""]
    for key in list(told)[:_WHOLE]:
        head, *figures = told[key]
        lines += [f"{head}  ({cases[key]} cases)" if cases[key] > 1 else head, *figures]
    if more := list(told)[_WHOLE:]:
        families = Counter(key[4] for key in more)
        counted = ", ".join(f"{count} in {family}" for family, count in families.items())
        lines.append(escape.printable(f"and {len(more)} more findings: {counted}"))
    if scripts:
        lines += ["", "reproduce the smallest of them with:", "", escape.program(min(scripts)[2])]
    worst = ordered.iloc[0]
    options = " ".join(f"--{name} {worst[name]}" for name in ("tier", "target", "op", "dtype", "family"))
    lines.append(escape.printable(command or f"conformance run {options}"))
    return "\n".join(lines)


def inconsistencies(reading: Reading) -> list[str]:
    """A line for each policy question that a framework answers in several ways, and no entry knows of."""
    return [
        escape.printable(
            f"inconsistent {policy.framework}: {policy.question} is "
            + ", ".join(f"{answer} in {_places(places)}" for answer, places in policy.answers.items())
        )
        for policy in reading.inconsistent
    ]


def say(console: Console, *parts: str | tuple[str, str], soft: bool = False) -> None:
    """Print texts, or texts and their styles, as one line: no markup, and nothing that moves the cursor.

    ``soft`` leaves it to the terminal to break a line that is too long, so that it can be copied whole.
    """
    pairs = [(part, "") if isinstance(part, str) else part for part in parts]
    console.print(Text.assemble(*((escape.printable(text), style) for text, style in pairs)), soft_wrap=soft)


def _text(text: str, style: str = "") -> Text:
    return Text(escape.printable(text), style=style)


def style_of(severity: str) -> str:
    """How a finding of a severity is printed."""
    return "bold red" if severity == Severity.VIOLATION else "yellow"


def _places(places: Sequence[str]) -> str:
    return places[0] if len(places) == 1 else f"{places[0]} and {len(places) - 1} more"


def figure(value: float) -> str:
    """A number in three digits; a dash for none."""
    return "—" if math.isnan(value) else f"{value:.3g}"


def _table(reading: Reading) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=0,
        title=f"tier {reading.tiers}, {reading.rows:,} observations, {reading.seconds:.0f} s",
        title_justify="left",
    )
    table.add_column("target", overflow="fold")
    table.add_column("cases", justify="right")
    table.add_column("worst")
    for name in ("violated", "new", "degraded", "policy"):
        table.add_column(name, justify="right")
    for row in dicts(reading.targets[~reading.targets["control"]]):
        table.add_row(
            _text(row["name"]),
            f"{row['cases']:,}",
            Text(row["grade"] or "—", style=STYLES[row["grade"]]),
            count(row["violation"], "red"),
            count(row["unexpected"], "bold red"),
            count(row["degraded"], "yellow"),
            count(row["policy"], ""),
        )
    return table


def count(n: int, style: str) -> Text:
    """A count; a dim dot for zero."""
    return Text(f"{n:,}" if n else "·", style=style if n else "dim")


def _told(row: Mapping[str, Any], finding: Finding, entry: str) -> list[str]:
    """One finding of a failing test, and its figures."""
    known = f"  [ledger: {entry}]" if entry else ""
    line = f"{_where(row)}: {finding.kind} ({finding.severity}): {finding.detail}{known}"
    return [escape.printable(line), *_figures(finding.witness), *_trace(finding)]


def _trace(finding: Finding) -> list[str]:
    """Where an exception was raised, or a process was when it crashed."""
    return [f"    {escape.printable(line)}" for line in finding.trace]


def _where(row: Mapping[str, Any]) -> str:
    return f"{row['dtype']} {row['family']}/{row['case']}"


def _figures(witness: Witness | None) -> list[str]:
    """The lane of a witness as a small table: a head, the numbers in hex, and in decimal."""
    if not witness:
        return []
    heads = ("index", "logit", "got", "true", "bound")
    numbers = (witness.logit, witness.got, witness.expected, witness.bound)
    hexes, decimals = [value.hex() for value in numbers], [f"{value:.9g}" for value in numbers]
    lines = (heads, (str(witness.index), *hexes), ("", *decimals))
    width = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["    " + "  ".join(text.rjust(w) for text, w in zip(line, width, strict=True)) for line in lines]
