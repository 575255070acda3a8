"""The kernels under softmax-conformance: its pytest plugin brings the fixture ``conformance``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import tiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.api import Result

KNOWN = Path(__file__).parents[1] / "known.toml"


def test_softmax(conformance: Callable[..., Result]) -> None:
    """What is known does not fail the test, and anything else does."""
    conformance(tiles.softmax, dtypes=["float32"], ledger=KNOWN)
