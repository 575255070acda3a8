"""The search around the worst rows of a sample: their neighbours are asked of every target.

A sample of evenly spread rows meets an exponential everywhere and each rounding once.  Around the row where a lane of some
target is worst the gap, and with it the error of the exponential, hardly changes, while the roundings behind it fall
every way; another target often is worst there too, since they share few exponentials.  What is found is a lower bound
still, and a higher one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.sweep.plan import Shard

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conformance.sweep.block import Question
    from conformance.sweep.plan import Plan
    from conformance.sweep.rows import Rows
    from conformance.sweep.shards import Swept


def around_the_worst(plan: Plan, shards: Iterable[Swept]) -> list[Shard]:
    """A shard for each row that is the worst of a lane, by any measure; none of rows of which all were asked.

    Parameters
    ----------
    shards
        All of the plan's, finished; those of a search among them do not count.
    """
    worst: dict[tuple[Rows, Question], dict[tuple[str, str, int, str], tuple[float, int]]] = {}
    for one in shards:
        shard = plan.shard(one.shard)
        if shard is None or shard.around is not None or shard.rows.exhaustive:
            continue
        found = worst.setdefault((shard.rows, shard.question), {})
        for target, placements in one.tallies.items():
            for placement, tally in placements.items():
                for k, lane in enumerate(tally.lanes):
                    for measure, (error, number, _) in lane.worst.items():
                        key = (target, placement, k, measure)
                        # Of equal errors the smallest row, in whatever order the shards come.
                        found[key] = max(found.get(key, (0.0, 0)), (error, -number))
    searched = [
        Shard(rows, question, 0, 1, number)
        for (rows, question), found in worst.items()
        for number in sorted({-least for _, least in found.values()})
    ]
    return sorted(searched, key=lambda shard: shard.id)
