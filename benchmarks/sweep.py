"""Does the judge keep up with the judged?  Rows a second of the frameworks alone, of the judge alone, and of both.

    python benchmarks/sweep.py torch jax tensorflow
    python benchmarks/sweep.py torch/eager --op softmax --blocks 64

A few blocks of gaps of float32 around d = 1, in every placement, on one thread for each core: first the frameworks are asked and nobody
looks at the answers, then the answers of the first blocks are judged, then the sweep does both.  All in one run, after
everything has been compiled.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import click
import numpy as np

from conformance.asking.asker import told
from conformance.asking.connections import Limits
from conformance.record import this_machine
from conformance.sweep.block import Block
from conformance.sweep.plan import Shard, questions_of
from conformance.sweep.rows import BLOCK, rows_of
from conformance.sweep.run import Workers, answers, prepare, swept
from conformance.sweep.tally import tallied
from conformance.sweeping import Options, chosen_targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from conformance.sweep.run import Wanted
    from conformance.values import Numbers

KEPT = 4
"""Blocks whose answers are kept to be judged alone."""


class Bench:
    """The same blocks for everybody, and what is measured on them; every time is in seconds."""

    def __init__(self, wanted: Sequence[Wanted], op: str, blocks: int, jobs: int) -> None:
        rows = rows_of("gaps", "float32", 2**62)
        assert rows is not None
        self.wanted, self.rows, self.question = wanted, rows, questions_of((op,))[0]
        self.blocks, self.jobs = blocks, jobs
        self.kept: dict[int, list[Numbers]] = {}

    def shard(self, k: int) -> Shard:
        """The blocks of a thread; of number −1 those that everything is compiled with."""
        first, count = self.rows.blocks // 2, self.blocks
        if k < 0:
            return Shard(self.rows, self.question, first - KEPT, first)
        return Shard(self.rows, self.question, first + k * count, first + (k + 1) * count)

    def on_every_core(self, work: Callable[[Workers, int], None]) -> float:
        """Until ``work(workers, number of the thread)`` is done on each thread."""
        every = [Workers(Limits(), lambda: False) for _ in range(self.jobs)]
        with ThreadPoolExecutor(self.jobs) as threads:
            list(threads.map(lambda k: work(every[k], -1), range(self.jobs)))  # compile, and warm the caches
            start = time.perf_counter()
            list(threads.map(lambda k: work(every[k], k), range(self.jobs)))
            gone = time.perf_counter() - start
            list(threads.map(Workers.close, every))
        return gone

    def answers(self, workers: Workers, k: int, one: Wanted) -> Iterator[tuple[int, Numbers]]:
        """What a target answers to the blocks of a thread, in each placement, with the number of the block."""
        invitation, target = one
        for number in range(self.shard(k).first, self.shard(k).last):
            for placement in self.rows.placements:
                got = answers(workers.asker(invitation), target, self.shard(k), number, placement, defaultdict(float))
                if not isinstance(got, np.ndarray):
                    raise click.ClickException(f"{target}: {told(got)}")
                yield number, got

    def alone(self, one: Wanted) -> float:
        """A target, whose answers nobody looks at; those of the first blocks are kept."""

        def work(workers: Workers, k: int) -> None:
            for number, got in self.answers(workers, k, one):
                if k == 0 and number < self.shard(0).first + KEPT:
                    self.kept.setdefault(number, []).append(got)

        return self.on_every_core(work)

    def judge(self) -> float:
        """The judge, of the answers that were kept, again and again."""

        def work(_: Workers, k: int) -> None:
            best: defaultdict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
            for _turn in range(self.blocks // KEPT if k >= 0 else 1):
                for number, given in self.kept.items():
                    block = Block.of(self.question, self.rows, number)
                    prepare(block)
                    for place, got in enumerate(given):
                        lanes = tallied(block, got, best[place]).lanes
                        found = [lane.worst.get("over_bound", (0.0,))[0] for lane in lanes]
                        best[place] = list(map(max, best[place], found))

        return self.on_every_core(work)

    def both(self) -> float:
        """The sweep."""

        def work(workers: Workers, k: int) -> None:
            swept(self.shard(k), self.wanted, workers, "")

        return self.on_every_core(work)


@click.command()
@click.argument("targets", nargs=-1, required=True)
@click.option("--op", default="softmax", show_default=True)
@click.option("--blocks", default=32, show_default=True, help="Of 2^17 rows, for each thread; a multiple of 4.")
def main(targets: tuple[str, ...], op: str, blocks: int) -> None:
    """Print rows a second, a row being one in each placement."""
    jobs = os.cpu_count() or 1
    wanted, _ = chosen_targets(Options(targets, (), (op,), ("float32",), ("gaps",), (), None, "numpy", jobs, Limits()))
    bench = Bench(wanted, op, blocks, jobs)

    def told(name: str, seconds: float) -> None:
        click.echo(f"{name:48s} {jobs * blocks * BLOCK / seconds / 1e6:8.2f} million rows a second")

    frameworks = 0.0
    for one in wanted:
        frameworks += (alone := bench.alone(one))
        told(str(one[1]), alone)
    judge, both = bench.judge(), bench.both()
    told("all of them, one after the other", frameworks)
    told("the judge of all of them, truth included", judge)
    told("the sweep", both)
    click.echo(
        f"frameworks 1, judge {judge / frameworks:.2f}, sweep {both / frameworks:.2f}; {this_machine().cpu}, {jobs} cores"
    )


if __name__ == "__main__":
    main()
