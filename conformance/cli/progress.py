"""What is being asked just now, on stderr."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable


class progress:  # noqa: N801 - used as a function in a with statement
    """A bar with what is being asked, on stderr; where that is no terminal, a line now and then."""

    def __enter__(self) -> Callable[[int, int, str], None]:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        self.bar = Progress(
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.bar.start()
        row = self.bar.add_task("starting the workers", total=None)
        start = told = time.monotonic()
        first: int | None = None

        def watch(done: int, known: int, now: str) -> None:
            nonlocal told, first
            if known and first is None:
                first = done  # by the run that is resumed
            spent = time.monotonic() - start
            left = remaining(spent, done - (first or 0), known - done)
            self.bar.update(row, completed=done, total=known or None, description=f"{left}{now}")
            if not console.is_terminal and time.monotonic() - told > _NOW_AND_THEN:
                told = time.monotonic()
                click.echo(f"{spent:4.0f} s: {done} of {known} tasks done, {left}now {now}", err=True)

        return watch

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self.bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def __exit__(self, *_: object) -> None:
        self.bar.stop()


def remaining(spent: float, done: int, left: int) -> str:
    """How long the tasks that are left will take if they are like those that are done; empty before the first is done."""
    if not done or not left:
        return ""
    seconds = spent / done * left
    return f"about {seconds:.0f} s left, " if seconds < 100 else f"about {seconds / 60:.0f} min left, "


_NOW_AND_THEN = 30.0
"""Seconds between two lines of progress in a log."""
