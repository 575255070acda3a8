"""What does a person see at the end of a run?  A table of targets, then what is unexpected, worst first."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from conformance.reporting import tables

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from conformance.record import Record

_STYLES = {"exact": "green", "faithful": "green", "stable": "green", "loose": "yellow", "divergent": "red", "": "dim"}
_SHOWN = 12


def summary(record: Record, console: Console) -> None:
    """Print the summary table, the unexpected findings and what the tier does not prove."""
    console.print(_table(record))
    unexpected = tables.unexpected(record)
    own = unexpected[~unexpected["control"]]
    for finding in own.head(_SHOWN).to_dict("records"):
        where = f"{finding['target']} {finding['op']} {finding['dtype']} {finding['family']}"
        console.print(
            Text.assemble(("unexpected ", "bold red"), (where, "bold"), f" {finding['kind']}: {finding['detail']}")
        )
    if len(own) > _SHOWN:
        console.print(f"… and {len(own) - _SHOWN} more unexpected findings, in the report", highlight=False)
    for line in inconsistencies(record):
        console.print(line, highlight=False, markup=False)
    for name in record.footer["stale_ledger"]:
        console.print(
            Text.assemble(("stale ", "bold red"), f"ledger entry {name}: its finding is gone; delete or narrow it")
        )
    for name, why in record.header["plan"]["absent"].items():
        console.print(f"not asked: {name} ({why})", highlight=False)
    console.print(
        f"not proved by the tier {record.header['tier']}: {record.header['tier_proves_not']}", highlight=False
    )
    if not record.footer["complete"]:
        console.print(Text("incomplete: the run was interrupted; this is what was done", style="bold red"))


def verdict(record: Record, failures: pd.DataFrame, unsupported: dict[str, str], console: Console) -> None:
    """Print what is said of one kernel: a line a dtype, then each kind of finding with its smallest witness."""
    (target,) = record.header["plan"]["targets"]
    rows, found = record.observations, tables.findings(record)
    console.print(
        f"{target['framework']} ({target['mode']} {target['version']}, {target['device']}): "
        f"{', '.join(record.header['plan']['ops'])}, tier {record.header['tier']}, {len(rows):,} questions, "
        f"{record.footer['seconds']:.1f} s",
        highlight=False,
    )
    table = Table(box=box.SIMPLE_HEAD, padding=0)
    for name in ("dtype", "worst grade", "violations", "degraded", "policy", "worst ulp", "worst ÷ bound"):
        table.add_column(name, justify="left" if name in ("dtype", "worst grade") else "right")
    for dtype, mine in rows.groupby("dtype", sort=False):
        if dtype in unsupported:
            table.add_row(str(dtype), Text("unsupported", style="dim"))
            continue
        counts = mine["severity"].value_counts()
        grade = tables.worst(mine["grade"], tables.GRADES)
        table.add_row(
            str(dtype),
            Text(grade or "—", style=_STYLES[grade]),
            _count(int(counts.get("violation", 0)), "red"),
            _count(int(counts.get("degraded", 0)), "yellow"),
            _count(int(counts.get("policy", 0)), ""),
            _number(mine["max_ulp"].max()),
            _number(mine["error_over_bound"].max()),
        )
    console.print(table)
    for why in dict.fromkeys(unsupported.values()):
        console.print(f"unsupported: {why}", style="dim", highlight=False, markup=False, soft_wrap=True)
    # The same defect shows in many dtypes and families: once each kind, at its shortest row.
    shown = found.groupby(["kind", "severity"], sort=False)
    for (kind, severity), group in shown:
        first = group.iloc[int(group["witness"].map(_size).to_numpy().argmin())]
        where = f"{first['dtype']} {first['family']}/{first['case']}"
        style = "bold red" if severity == "violation" else "yellow"
        more = f" ({group['cases'].sum()} cases)" if group["cases"].sum() > 1 else ""
        console.print(
            Text.assemble((f"{severity} {kind}", style), f"{more}: {first['detail']}; {where}"), soft_wrap=True
        )
        if "index" in first["witness"]:
            for line in _witness(first["witness"]):
                console.print(line, highlight=False, markup=False, soft_wrap=True)
    for line in inconsistencies(record):
        console.print(Text(line, style="yellow"), soft_wrap=True)
    console.print(_outcome(record, failures, unsupported))
    if failures.empty:
        console.print(
            f"not proved by the tier {record.header['tier']}: {record.header['tier_proves_not']}", highlight=False
        )


def _outcome(record: Record, failures: pd.DataFrame, unsupported: dict[str, str]) -> Text:
    if not record.footer["complete"]:
        return Text("incomplete: the check was interrupted; this is what was done", style="bold red")
    if len(unsupported) == len(record.header["plan"]["dtypes"]):
        return Text("failed: it answered in no dtype", style="bold red")
    if failures.empty:
        return Text("passed", style="bold green")
    return Text(f"failed: {', '.join(dict.fromkeys(failures['kind']))}", style="bold red")


def quarry(kept: dict[str, Any], console: Console) -> None:
    """Print the worst row of a hunt, as it is kept: what is wrong there, and the program that asks it alone."""
    console.print(
        f"{kept['target']} {kept['op']} {kept['dtype']}: {kept['asked']:,} rows of {len(kept['row'])} asked; the worst "
        f"is {kept['grade'] or 'not gradable'}, {_number(kept['max_ulp'])} ulp, "
        f"{_number(kept['error_over_bound'])} × the stable bound",
        highlight=False,
        soft_wrap=True,
    )
    for said in kept["findings"]:
        style = "bold red" if said["severity"] == "violation" else "yellow"
        line = Text.assemble((f"{said['severity']} {said['kind']}", style), f": {said['detail']}")
        console.print(line, soft_wrap=True)
    console.print(f"\n{kept['script']}", highlight=False, markup=False, soft_wrap=True)


def inconsistencies(record: Record) -> list[str]:
    """A line for each policy question that a framework answers in several ways."""
    table = tables.policies(record)
    return [
        f"inconsistent {row['framework']}: {row['question']} is "
        + ", ".join(f"{choice} in {_places(places)}" for choice, places in row["choices"].items())
        for row in table[table["inconsistent"]].to_dict("records")
    ]


def _places(places: list[str]) -> str:
    return places[0] if len(places) == 1 else f"{places[0]} and {len(places) - 1} more"


def _number(value: float) -> str:
    return "—" if math.isnan(value) else f"{value:.3g}"


def _size(witness: dict[str, Any]) -> int:
    row = witness.get("input", ())
    return len(row) if isinstance(row, list) else int(row["omitted"]) if row else 0


def _table(record: Record) -> Table:
    header = record.header
    seconds = record.footer["seconds"]
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=0,
        title=f"tier {header['tier']}, {record.footer['rows']:,} observations, {seconds:.0f} s",
        title_justify="left",
    )
    table.add_column("target", no_wrap=True)
    table.add_column("cases", justify="right")
    table.add_column("worst")
    for name in ("violated", "new", "degraded", "policy"):
        table.add_column(name, justify="right")
    rows = tables.targets(record).to_dict("records")
    for i, row in enumerate(rows):
        after = rows[i + 1] if i + 1 < len(rows) else None
        table.add_row(
            Text(row["target"], style="dim" if row["control"] else ""),
            f"{row['cases']:,}",
            Text(row["grade"] or "—", style=_STYLES[row["grade"]]),
            _count(row["violation"], "dim" if row["control"] else "red"),
            _count(row["unexpected"], "bold red"),
            _count(row["degraded"], "yellow"),
            _count(row["policy"], ""),
            end_section=after is not None and row["control"] and not after["control"],
        )
    return table


def _count(n: int, style: str) -> Text:
    return Text(f"{n:,}" if n else "·", style=style if n else "dim")


def explain(observations: pd.DataFrame, command: str = "") -> str:
    """Failing observations for a failing test: worst first, a table of witnesses, and how to reproduce the shortest.

    ``command`` asks again; by default it is the run of the worst observation's family.
    """
    ordered = observations.sort_values("error_over_bound", ascending=False, na_position="first")
    lines = [f"{len(ordered)} of its cases diverge; worst first", ""]
    for row in ordered.head(_SHOWN).to_dict("records"):
        for said in json.loads(row["witness"]):
            known = f"  [ledger: {row['ledger']}]" if row["ledger"].strip(";") else ""
            where = f"{row['dtype']} {row['family']}/{row['case']}"
            lines.append(f"{where}: {said['kind']} ({said['severity']}): {said['detail']}{known}")
            if "index" in said:
                lines += _witness(said)
    scripts = [said["script"] for text in ordered["witness"] for said in json.loads(text) if said.get("script")]
    if scripts:
        lines += ["", "reproduce the shortest of them with:", "", scripts[0]]
    worst = ordered.iloc[0]
    options = " ".join(f"--{name} {worst[name]}" for name in ("tier", "target", "op", "dtype", "family"))
    lines.append(command or f"conformance run {options}")
    return "\n".join(lines)


def _witness(said: dict[str, Any]) -> list[str]:
    row = said["input"]
    logit = row[said["index"]] if isinstance(row, list) else f"({row['omitted']} logits)"
    heads = ("index", "logit", "got", "true", "bound")
    values = (str(said["index"]), logit, said["got"], said["expected"], said["bound"])
    decimal = ("", *(_decimal(value) for value in values[1:]))
    width = [max(map(len, column)) for column in zip(heads, values, decimal, strict=True)]
    return [
        "    " + "  ".join(text.rjust(w) for text, w in zip(line, width, strict=True))
        for line in (heads, values, decimal)
    ]


def _decimal(text: str) -> str:
    try:
        return f"{float.fromhex(text):.9g}"
    except ValueError:
        return ""
