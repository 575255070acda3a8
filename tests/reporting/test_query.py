"""The module of the page that reads addresses has tests in its own language; Node runs them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.mark.skipif(shutil.which("node") is None, reason="node, which runs JavaScript, is not installed")
def test_what_an_address_means() -> None:
    file = Path(__file__).with_name("query.test.mjs")

    done = subprocess.run(["node", "--test", str(file)], capture_output=True, text=True, check=False)  # noqa: S603, S607

    assert 0 == done.returncode, done.stdout
    assert "# tests 3" in done.stdout
