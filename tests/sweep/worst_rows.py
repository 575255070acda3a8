"""Print the gaps where the published sweeps found each framework furthest off, as the module that two families read.

python tests/sweep/worst_rows.py --write
"""

from __future__ import annotations

import re
from pathlib import Path

import click

from conformance.sweep import finished
from reference.formats import FORMATS

ROOT = Path(__file__).parents[2]
FRAMEWORKS = ("jax", "tensorflow", "torch")
"""Those that the main job asks: a sweep of another one adds a line to the table, and no question to every run."""

MODULE = ROOT / "conformance" / "cases" / "_worst.py"

HEAD = '''"""Gaps d of the rows [0, -d] where a published sweep found a framework furthest off, by question and format.

Made by `python tests/sweep/worst_rows.py --write` from reports/sweeps; do not edit.
"""
'''


def gaps() -> dict[str, dict[str, list[str]]]:
    """``forward`` or the name of the cotangent → format → gaps as hex floats, from the smallest up."""
    found: dict[str, dict[str, set[float]]] = {
        name: {format: set() for format in FORMATS} for name in ("forward", "one-hot", "ones")
    }
    for file in sorted((ROOT / "reports" / "sweeps").glob("*/sweep.json")):
        for result in finished.read(file).results:
            if result.kind == "gaps" and result.dtype in FORMATS and re.split("[:@]", result.target)[0] in FRAMEWORKS:
                _, _, cotangent = result.question.partition(", ")
                of = found[cotangent or "forward"][result.dtype]
                lanes = (lane for placement in result.lanes for lane in placement)
                of.update(abs(float.fromhex(x)) for lane in lanes for worst in lane.worst.values() for x in worst.row)
    return {
        name: {format: [gap.hex() for gap in sorted(of - {0.0})] for format, of in formats.items()}
        for name, formats in found.items()
    }


def module() -> str:
    """The source."""
    lines = [HEAD, "GAPS: dict[str, dict[str, tuple[str, ...]]] = {"]
    for name, formats in gaps().items():
        lines.append(f'    "{name}": {{')
        for format, of in formats.items():
            lines += [f'        "{format}": (', *(f'            "{gap}",' for gap in of), "        ),"]
        lines.append("    },")
    return "\n".join([*lines, "}", ""])


@click.command(help=__doc__.replace("\n\n    python", "\n\n\b\n    python"))
@click.option("--write", is_flag=True, help=f"Write {MODULE.relative_to(ROOT)}.")
def main(*, write: bool) -> None:
    if write:
        MODULE.write_text(module())
    else:
        click.echo(module(), nl=False)


if __name__ == "__main__":
    main()
