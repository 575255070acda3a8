"""Frames of a record, as its readers need them: rows as dictionaries, and the names of targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from conformance.record import Record


def dicts(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame, each by the names of its columns."""
    rows: list[Any] = frame.to_dict("records")
    return rows


def names(record: Record, rows: pd.DataFrame) -> pd.Series:
    """How the target of each row is called here, with its version where the same one stands here at another.

    ``rows`` has the columns ``target`` and ``version``; the answer has their index.
    """
    called = {(str(target), target.version): name for target, name in record.names.items()}
    pairs = zip(rows["target"], rows["version"], strict=True)
    return pd.Series([called.get(pair, pair[0]) for pair in pairs], rows.index, dtype="str")
