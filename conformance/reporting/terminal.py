"""What does a person see at the end of a run?  A table of targets, then what is unexpected, worst first."""

from __future__ import annotations

import json
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


def explain(observations: pd.DataFrame) -> str:
    """Failing observations for a failing test: worst first, a table of witnesses, and how to reproduce the worst."""
    ordered = observations.sort_values("error_over_bound", ascending=False, na_position="first")
    lines = [f"{len(ordered)} of its cases diverge; worst first", ""]
    for row in ordered.head(_SHOWN).to_dict("records"):
        for said in json.loads(row["witness"]):
            known = f"  [ledger: {row['ledger']}]" if row["ledger"].strip(";") else ""
            lines.append(f"{row['case']}: {said['kind']} ({said['severity']}): {said['detail']}{known}")
            if "index" in said:
                lines += _witness(said)
    first = json.loads(ordered["witness"].iloc[0])[0]
    if first.get("script"):
        lines += ["", "reproduce the worst with:", "", first["script"]]
    worst = ordered.iloc[0]
    options = " ".join(f"--{name} {worst[name]}" for name in ("tier", "target", "op", "dtype", "family"))
    lines.append(f"conformance run {options}")
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
