"""Run the examples of a page about reading a record, and put what they print below them.

python tests/reporting/reading_page.py --write docs/reading.md
"""

from __future__ import annotations

import doctest
import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import click
import pandas as pd

ROOT = Path(__file__).parents[2]


def computed(page: str) -> str:
    """The page with what each example prints now; the examples of a page share their names."""
    names: dict[str, object] = {}
    return re.sub(r"(?<=```python\n)>>>.*?(?=```)", lambda block: _run(block[0], names), page, flags=re.DOTALL)


def _run(block: str, names: dict[str, object]) -> str:
    lines = []
    for example in doctest.DocTestParser().get_examples(block):
        printed = io.StringIO()
        with redirect_stdout(printed), pd.option_context("display.width", 120):
            exec(compile(example.source, "<page>", "single"), names)  # noqa: S102 - what the page shows
        first, *more = example.source.rstrip("\n").split("\n")
        lines += [f">>> {first}", *(f"... {line}" for line in more)]
        lines += [line.rstrip() for line in printed.getvalue().rstrip("\n").split("\n") if line]
    return "\n".join(lines) + "\n"


@click.command(help=__doc__.replace("\n\n    python", "\n\n\b\n    python"))
@click.option("--write", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="page to bring up to date")
def main(write: Path | None) -> None:
    page = (write or ROOT / "docs" / "reading.md").read_text()
    click.echo(computed(page)) if not write else write.write_text(computed(page))


if __name__ == "__main__":
    main()
