"""A run that is killed at whatever moment, and resumed, ends in the report of a run that was left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from commands import Bench

KILLS = 50
SEEDS = (20261126, 20261127)
"""Of two processes that each see half of the kills."""

PROGRAM = Path(__file__).with_name("killed.py")
KINDS = {"time", "task", "publishing", "discarding"}


def test_fifty_kills_change_nothing(bench: Bench) -> None:
    """That no process and no temporary file is left, the bench looks after."""
    halves = []
    for seed in SEEDS:
        folder = bench.folder / str(seed)
        folder.mkdir()
        arguments = (str(folder), str(KILLS // len(SEEDS)), str(seed))
        halves.append(bench.start(*arguments, program=(str(PROGRAM),)))

    told = [process.communicate(timeout=600) for process in halves]

    assert [0] * len(SEEDS) == [process.returncode for process in halves], told
    seen = [json.loads(out) for out, _ in told]
    assert [] == [wrong for half in seen for wrong in half["wrong"]]
    # There are violations that no ledger knows: the report has something to lose.
    assert [[1]] * len(SEEDS) == [half["statuses"] for half in seen]
    assert all(216 == half["rows"] and half["violated"] > 0 for half in seen)
    assert KILLS == sum(sum(half["kills"].values()) for half in seen)
    assert KINDS == {kind for half in seen for kind in half["kills"]}, seen
    assert sum(half["resumed"] for half in seen) >= 15, seen  # with finished tasks in the journal
