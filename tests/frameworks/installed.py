"""The frameworks that are installed here."""

from __future__ import annotations

import pytest

from conformance import frameworks


def load(name: str) -> frameworks.Adapter:
    try:
        return frameworks.load(name)
    except ImportError as error:
        pytest.skip(f"{name} is not installed: {error}")
