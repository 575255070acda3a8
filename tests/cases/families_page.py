"""Print the table of families: how many rows each has in each tier, and why they are hard.

python tests/cases/families_page.py --write docs/families.md
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import click

from conformance.cases import cases, families
from conformance.values import Tier
from reference.formats import FORMATS
from reference.ops import SOFTMAX, SOFTMAX_VJP


def table(format: str = "float32") -> str:
    """Rows of each family in each tier, those of the lower tiers included, each asked for both functions, or for both vjps."""
    counts = {
        tier: Counter(c.family for c in cases(FORMATS[format], [SOFTMAX, SOFTMAX_VJP], tier=tier, seed=0))
        for tier in Tier
    }
    head = " | ".join(tier.name.lower() for tier in Tier)
    lines = [f"| family | {head} | why its rows are hard |", "|---|--:|--:|--:|---|"]
    for name, family in families().items():
        lines.append(f"| {name} | {' | '.join(f'{counts[tier][name]:,}' for tier in Tier)} | {family.reason} |")
    lines.append(f"| **all** | {' | '.join(f'**{sum(counts[tier].values()):,}**' for tier in Tier)} | |")
    return "\n".join(lines)


@click.command(help=__doc__.replace("\n\n    python", "\n\n\b\n    python"))
@click.option("--write", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="page to put the table in")
def main(write: Path | None) -> None:
    text = table()
    click.echo(text)
    if write:
        section = f"<!-- families -->\n\n{text}\n\n<!-- /families -->"
        page = re.sub(r"<!-- families -->.*<!-- /families -->", lambda _: section, write.read_text(), flags=re.DOTALL)
        write.write_text(page)


if __name__ == "__main__":
    main()
