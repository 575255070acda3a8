"""The pictures of errors count what the record holds: JavaScript's bins against pandas', from the record itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from test_query import node, run

from conformance.reporting.questions import packed

if TYPE_CHECKING:
    from conformance.reporting import Reading

# Edges in powers of two: of the lowest bin, of the highest, and how many powers a bin has.
BINS = {"gap": (-10, 12, 2), "n": (0, 18, 1), "over": (-8, 12, 1), "ulp": (-8, 15, 1)}
COLUMNS = {"gap": "logit_gap", "n": "length", "over": "error_over_bound", "ulp": "max_ulp"}


def places(name: str, numbers: pd.Series) -> pd.Series:
    """The exponent of the upper edge of each number's bin."""
    low, high, step = BINS[name]
    exponents = [low - step, *range(low, high + 1, step), high + step]
    limits = [-np.inf, 0.0, *(2.0**e for e in range(low, high + 1, step)), np.inf]
    return pd.cut(numbers, limits, labels=exponents).astype(object)


def counted(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Of each target, op and dtype what its pictures have to say."""
    rows = rows[~rows["control"].astype(bool) & (rows["digest"] != "")]
    axes = zip(rows["shape"].str.split("×"), rows["axis"], strict=True)
    rows = rows.assign(length=[int(sizes[axis]) if sizes[0] else 1 for sizes, axis in axes])
    none = rows["findings"].str.contains("nonfinite")
    over = rows["error_over_bound"].mask(none)  # that of its other lanes says nothing of such an answer
    rows = rows.assign(none=none, error_over_bound=over)[none | over.notna()]
    due = []
    for (target, op, dtype), mine in rows.groupby(["target", "op", "dtype"]):
        cells = {}
        for cause in ("gap", "n"):
            for error in ("over", "ulp"):
                y = places(error, mine[COLUMNS[error]]).where(~mine["none"], "none")
                x = places(cause, mine[COLUMNS[cause]])
                keys = (x.astype(str) + " " + y.astype(str))[x.notna() & y.notna()]
                cells[f"{cause} {error}"] = {str(key): int(count) for key, count in keys.value_counts().items()}
        due.append(
            {
                "target": target, "op": op, "dtype": dtype, "cells": cells, "answers": len(mine),
                "beyond": int((mine["error_over_bound"] > 1).sum()), "none": int(mine["none"].sum()),
            }
        )  # fmt: skip
    return due


@node
def test_cells_and_totals_are_those_of_the_record(small: Reading) -> None:
    rows = small.record.observations
    due = counted(rows)

    assert len(due) > 5
    assert any(one["beyond"] for one in due)
    assert "# fail 0" in run("errors", PACKED={"data": packed(small.record), "due": due})
