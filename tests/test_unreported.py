"""Each script of docs/unreported.md shows what the page says, where its framework is installed."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "unreported.md"
ENTRY = re.compile(
    r"<!-- (?P<name>\w+): exit status (?P<status>-?\d+) -->\n\n```python\n(?P<script>.*?)```(\n\n```text\n(?P<output>.*?)```)?",
    re.DOTALL,
)
ENTRIES = [match.groupdict() for match in ENTRY.finditer(PAGE.read_text())]


def test_there_are_ten() -> None:
    assert 10 <= len(ENTRIES) == len({entry["name"] for entry in ENTRIES}) == PAGE.read_text().count("```python")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["name"])
def test_a_script_shows_what_the_page_says(entry: dict[str, str], tmp_path: Path) -> None:
    needed = re.findall(r"^(?:import|from) (\w+)", entry["script"], re.MULTILINE)
    needed += re.findall(r'KERAS_BACKEND"\] = "(\w+)"', entry["script"])
    absent = [name for name in needed if importlib.util.find_spec(name) is None]
    if absent:
        pytest.skip(f"{', '.join(absent)} is not installed")

    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-W", "ignore", "-c", entry["script"]],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )

    assert int(entry["status"]) == done.returncode, done.stderr[-2000:]
    if entry["output"]:
        assert entry["output"] == done.stdout
