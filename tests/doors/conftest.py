"""Commands run as a user runs them: in processes of their own, with plugins in the place of frameworks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from commands import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A place where commands run; at the end nothing that they started is left."""
    place = Bench.at(tmp_path)
    yield place
    left = place.left()
    place.end()
    assert [] == left
