"""Who rejects which kernel?  The suite's smoke tier, and the published tests, on every planted kernel.

python tests/kernels/kill_matrix.py --write docs/kill-matrix.md
python tests/kernels/kill_matrix.py --alone docs/families.md
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click
import published
from planted import Kernel, kernels

import conformance
from conformance import cases
from conformance.api import FRAMEWORKS_ALONE


@dataclass(frozen=True)
class Verdict:
    """What the suite says of one kernel in one dtype."""

    rejected: bool
    families: tuple[str, ...]
    """Those that reject it, the one with most such cases first."""
    kinds: tuple[str, ...]
    rows: tuple[str, ...]
    """The questions that reject it, each under the first of its names."""


@cache
def judge(kernel: Kernel, dtype: str) -> Verdict:
    """Check a kernel in the smoke tier, in this process.

    Findings that are merely degraded reject a kernel only where nothing else can: a kernel whose mistake is that
    it depends on the call.
    """
    result = conformance.check(kernel.function, op=kernel.op, dtypes=[dtype])
    found = result.findings if kernel.name.startswith("unrepeatable") else result.failures
    families = Counter(dict(found.groupby("family")["cases"].sum()))
    asked = result.record.observations
    bad = asked[asked["severity"].isin(set(found["severity"]))].drop_duplicates("case_id")
    return Verdict(
        rejected=not found.empty,
        families=tuple(str(name) for name, _ in families.most_common()),
        kinds=tuple(dict.fromkeys(found["kind"])),
        rows=tuple(f"{family} {case}" for family, case in zip(bad["family"], bad["case"], strict=True)),
    )


def table() -> str:
    """The page's tables, as Markdown."""
    planted = kernels()
    head = ["kernel", "op", "dtypes", "this suite, by family", *published.JUDGES]
    rows = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    said_of: dict[bool, Counter[tuple[str, str]]] = {backward: Counter() for backward in (False, True)}
    notes = []
    for kernel in planted.wrong:
        verdicts = [judge(kernel, dtype) for dtype in kernel.dtypes]
        all_rejected = all(verdict.rejected for verdict in verdicts)
        # The families that reject it in every dtype: one of them would have been enough.
        enough = [name for name in verdicts[0].families if all(name in verdict.families for verdict in verdicts)]
        shown = ", ".join(enough[:3]) or ", ".join(dict.fromkeys(v.families[0] for v in verdicts if v.families))
        others = dict(published.verdicts(kernel))
        said_of[kernel.backward].update({"this suite": "rejects" if all_rejected else "passes", **others}.items())
        cells = [kernel.name, kernel.op, _dtypes(kernel.dtypes), f"**{shown}**" if all_rejected else "**SURVIVES**"]
        rows.append("| " + " | ".join([*cells, *("" if said == "passes" else said for said in others.values())]) + " |")
        notes.append(f"- **{kernel.name}**: {kernel.why}")
    honest = [kernel for kernel in planted.honest if any(judge(kernel, dtype).rejected for dtype in kernel.dtypes)]
    wrong = {backward: sum(kernel.backward is backward for kernel in planted.wrong) for backward in said_of}
    counts = [
        f"| {name} | {' | '.join(_share(said_of[backward], name, wrong[backward]) for backward in wrong)} |"
        for name in ("this suite", *published.JUDGES)
    ]
    return "\n".join(
        [
            f"{len(planted.wrong)} wrong kernels; {len(planted.honest)} honest ones, of which {len(honest)} are rejected.",
            "",
            f"| who | rejects, of the {wrong[False]} wrong functions | share | of the {wrong[True]} wrong vjps | share |",
            "|---|--:|--:|--:|--:|",
            *counts,
            "",
            *rows,
            "",
            "## What each of them does wrong",
            "",
            *notes,
            "",
            "## The honest ones",
            "",
            *(f"- **{kernel.name}**: {kernel.why}" for kernel in planted.honest),
        ]
    )


def alone() -> str:
    """Which kernels each family rejects that no other does, as Markdown; each asked in one dtype, float32 if it may."""
    found: dict[str, list[str]] = {name: [] for name in sorted(cases.families()) if name not in FRAMEWORKS_ALONE}
    for kernel in kernels().wrong:
        families = judge(kernel, kernel.first).families
        if len(families) == 1:
            found[families[0]].append(kernel.name)
    lines = [f"| {name} | {len(names)} | {', '.join(names)} |" for name, names in found.items()]
    return "\n".join(["| family | kernels | which no other family rejects |", "|---|--:|---|", *lines])


def _share(said: Counter[tuple[str, str]], who: str, of: int) -> str:
    """How many of the kernels somebody rejects, and which share of them; two cells."""
    rejects = said[who, "rejects"]
    return "not asked |" if said[who, "not asked"] == of else f"{rejects} | {rejects / of:.0%}"


def _dtypes(names: tuple[str, ...]) -> str:
    return "all" if len(names) == 4 else ", ".join(names)


def _put(page: Path, section: str, text: str) -> None:
    """Replace what stands between the marks of a section."""
    marked = f"<!-- {section} -->\n\n{text}\n\n<!-- /{section} -->"
    pattern = f"<!-- {section} -->.*<!-- /{section} -->"
    page.write_text(re.sub(pattern, lambda _: marked, page.read_text(), flags=re.DOTALL))


_PAGE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(help=__doc__.replace("\n\n    python", "\n\n\b\n    python"))
@click.option("--write", type=_PAGE, help="page to put the tables in")
@click.option(
    "--alone", "families_page", type=_PAGE, help="page to put in which kernels each family alone rejects, and no more"
)
def main(write: Path | None, families_page: Path | None) -> None:
    if families_page:
        _put(families_page, "alone", alone())
        return
    start = time.perf_counter()
    text = table()
    click.echo(text)
    click.echo(f"{time.perf_counter() - start:.0f} s", err=True)
    if write:
        _put(write, "matrix", text)
    sys.exit("SURVIVES" in text)


if __name__ == "__main__":
    main()
