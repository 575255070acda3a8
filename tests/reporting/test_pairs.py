"""Two targets side by side in the page, against the comparison that the command makes of the same record."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pandas as pd
from test_query import node, run

from conformance.reporting.comparison import compare
from conformance.reporting.questions import code, packed

if TYPE_CHECKING:
    from conformance.record import Record
    from conformance.reporting import Reading


def told(record: Record, a: str, b: str) -> dict[str, Any]:
    """What is due of two targets: figures by op and dtype, and how many questions each pair of verdicts has."""
    rows = compare(record, a, b).rows
    answered = (rows["digest_first"] != "") & (rows["digest_second"] != "")
    over = {
        side: pd.Series(code(rows[f"error_over_bound_{side}"].to_numpy(float)).astype(float))
        .mask(rows[f"error_over_bound_{side}"].isna())
        .mask(rows[f"findings_{side}"].str.contains("nonfinite"), math.inf)
        for side in ("first", "second")
    }
    facts = pd.DataFrame(
        {
            "op": rows["op"],
            "dtype": rows["dtype"],
            "answered": answered,
            "same": rows["same_bits"],
            "wrong_a": rows["severity_first"] == "violation",
            "wrong_b": rows["severity_second"] == "violation",
            "closer_a": over["first"] < over["second"],
            "closer_b": over["second"] < over["first"],
        }
    )
    sums = facts.groupby(["op", "dtype"]).sum().reset_index()
    states = [
        rows[f"severity_{side}"]
        .where(rows[f"severity_{side}"].isin(["violation", "degraded"]), "fine")
        .mask(rows[f"choices_{side}"].str.contains("=rejects"), "rejected")
        for side in ("first", "second")
    ]
    pairs = pd.Series(list(zip(*states, strict=True)), dtype=object)
    other = pairs[[one != other for one, other in pairs]].value_counts()
    counts = [[op, dtype, *map(int, figures)] for op, dtype, *figures in sums.itertuples(index=False)]
    return {"a": a, "b": b, "counts": counts, "verdicts": [[*pair, int(count)] for pair, count in other.items()]}


@node
def test_the_page_compares_two_targets_as_the_command_does(small: Reading) -> None:
    record = small.record
    names = [record.names[target] for target in record.targets if not target.control]
    due = [told(record, a, b) for a, b in combinations(names, 2)]

    assert len(due) > 2
    assert any(one["verdicts"] for one in due)
    run("pairs", PACKED={"data": packed(record), "due": due})
