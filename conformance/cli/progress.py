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

        def watch(done: int, known: int, now: str) -> None:
            nonlocal told
            self.bar.update(row, completed=done, total=known or None, description=now)
            if not console.is_terminal and time.monotonic() - told > _NOW_AND_THEN:
                told = time.monotonic()
                click.echo(f"{told - start:4.0f} s: {done} of {known} tasks done, now {now}", err=True)

        return watch

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self.bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def __exit__(self, *_: object) -> None:
        self.bar.stop()


_NOW_AND_THEN = 30.0
"""Seconds between two lines of progress in a log."""
