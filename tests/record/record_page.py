"""Print the columns of a record as JSON Schema, or as a page: their types from the code, their meaning from reports/README.md.

python tests/record/record_page.py --write
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from conformance.record.files import WORDS
from conformance.record.schema import COLUMNS, SCHEMA

ROOT = Path(__file__).parents[2]
TYPES = {"string": "string", "bool": "boolean", "int64": "integer", "float64": "number", "float32": "number"}


def meanings() -> dict[str, str]:
    """Column → what it means, of the list in reports/README.md."""
    text = (ROOT / "reports" / "README.md").read_text()
    section = text.partition("## The columns of `observations.parquet`")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \| (.+) \|$", section, flags=re.MULTILINE)
    return {name: meaning for names, meaning in rows for name in re.findall(r"`(\w+)`", names)}


def schema() -> dict[str, Any]:
    """JSON Schema of one row."""
    told = meanings()
    properties: dict[str, Any] = {}
    for name, kind in COLUMNS.items():
        plain = told[name].replace("`", "").replace("\\|", "|")
        properties[name] = {"type": TYPES[kind], "description": plain}
        if name in WORDS:
            properties[name]["enum"] = sorted(WORDS[name])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A row of observations.parquet",
        "description": f"Schema {SCHEMA} of the record of softmax-conformance. A number that is not there is NaN.",
        "type": "object",
        "properties": properties,
        "required": list(COLUMNS),
        "additionalProperties": False,
    }


def page() -> str:
    """The page docs/record.md."""
    told = meanings()
    lines = [
        "# The columns of a record",
        "",
        "<!-- Made by `python tests/record/record_page.py --write` from reports/README.md; do not edit. -->",
        "",
        f"Schema {SCHEMA} of `observations.parquet`, one row for each target × op × dtype × case; [record.schema.json](record.schema.json) says the same for programs, and [reading.md](reading.md) how to read it. A number that is not there is NaN.",
        "",
        "| column | type | meaning |",
        "|---|---|---|",
        *(f"| `{name}` | {kind} | {told[name]} |" for name, kind in COLUMNS.items()),
    ]
    return "\n".join(lines) + "\n"


def files() -> dict[Path, str]:
    """Path → text of what is made."""
    return {
        ROOT / "docs" / "record.schema.json": json.dumps(schema(), indent=2, ensure_ascii=False) + "\n",
        ROOT / "docs" / "record.md": page(),
    }


@click.command(help=__doc__.replace("\n\n    python", "\n\n\b\n    python"))
@click.option("--write", is_flag=True, help="write them into docs")
def main(write: bool) -> None:
    for path, text in files().items():
        click.echo(text)
        if write:
            path.write_text(text)


if __name__ == "__main__":
    main()
