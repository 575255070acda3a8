"""Options that several commands have, and the kinds of value that click does not know."""

from __future__ import annotations

import math
import os
import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from conformance.values import GATES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.asking.connections import Limits
    from conformance.record import Record
    from conformance.reporting.blocks import Block

_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


class Seconds(click.ParamType[float]):
    """A finite number of seconds, at least ``least``."""

    name = "SECONDS"

    def __init__(self, least: float) -> None:
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number."""
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not math.isfinite(seconds) or seconds < self.least:
            self.fail(f"{value!r} is no number of seconds from {self.least:g} on", param, ctx)
        return seconds


class Size(click.ParamType[int]):
    """An amount of memory: 8G, 512M, or bytes."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of bytes."""
        text = str(value).strip().lower().removesuffix("ib").removesuffix("b")
        number, unit = (text[:-1], text[-1]) if text[-1:].isalpha() else (text, "")
        try:
            size = float(number) * _UNITS[unit]
        except (ValueError, KeyError):
            size = math.nan
        if not math.isfinite(size) or size < 2**26:
            self.fail(f"{value!r} is no amount of memory from 64M on; for example 8G", param, ctx)
        return int(size)


class WorkerProgram(click.ParamType[tuple[str, tuple[str, ...]]]):
    """A framework and the command line of its worker: ``tfjs=node worker.js``."""

    name = "NAME=COMMAND"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, tuple[str, ...]]:
        """(framework, command line); the program is looked for, and not started."""
        framework, _, line = str(value).partition("=")
        if not re.fullmatch(r"[\w.-]+", framework, re.ASCII) or not line.strip():
            self.fail(f"{value!r} is no NAME=COMMAND; for example 'tfjs=node worker.js'", param, ctx)
        try:
            command = tuple(shlex.split(line))
        except ValueError as error:
            self.fail(f"{line!r} is no command line: {error}", param, ctx)
        if not command or shutil.which(command[0]) is None:
            self.fail(f"{framework}: there is no such program: {line!r}", param, ctx)
        return framework, command


class Folder(click.Path):
    """A folder to be written; the empty name is none."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        if not str(value).strip():
            self.fail("a folder has a name", param, ctx)
        return super().convert(value, param, ctx)


class File(Folder):
    """A file to be written."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        if not str(value).strip():
            self.fail("a file has a name", param, ctx)
        path = super().convert(value, param, ctx)
        if path.is_dir():
            self.fail(f"{path} is a folder", param, ctx)
        return path


def many(flag: str, name: str, metavar: str, text: str) -> Callable[..., Any]:
    """An option that may be given several times."""
    return click.option(flag, name, multiple=True, metavar=metavar, help=f"{text}  May be repeated.")


def limits(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options ``--timeout`` and ``--memory``."""
    function = click.option("--memory", type=Size(), default=None, help="Memory that a worker may take, 8G say; "
                            "40% of the machine's by default.")(function)  # fmt: skip
    return click.option("--timeout", type=Seconds(1), default=120.0, show_default=True,
                        help="Seconds that one array of questions may take.")(function)  # fmt: skip


def gate(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options ``--ledger``, ``--no-builtin-ledger`` and ``--fail-on``: what is known, and what must be."""
    for option in (
        click.option("--fail-on", type=click.Choice([str(gate) for gate in GATES]), default="violation", show_default=True,
                     help="The mildest finding that makes the status 1 where no ledger knows it."),
        click.option("--no-builtin-ledger", is_flag=True, help="Leave out the project's own list of known findings."),
        click.option("--ledger", "ledgers", multiple=True, type=File(), metavar="FILE",
                     help="Known findings of your own, as TOML.  May be repeated."),
    ):  # fmt: skip
        function = option(function)
    return function


RECORD = click.argument("record", type=Folder(), default=Path("reports/latest"), metavar="[RECORD]")
"""The folder of a report or its Parquet file; ``reports/latest`` where none is named."""


def selection(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options ``--op``, ``--dtype`` and ``--family`` of a command that reads a record."""
    for option in (
        many("--family", "families", "FAMILY", "Only these adversarial rows."),
        many("--dtype", "dtypes", "DTYPE", "Only these dtypes."),
        many("--op", "ops", "OP", "Only these ops."),
    ):
        function = option(function)
    return function


def narrowed(record: Record, ops: Sequence[str], dtypes: Sequence[str], families: Sequence[str]) -> Record:
    """The record with the observations of these alone; of all, where none is named.

    Raises
    ------
    UnknownName
        Naming what the record has.
    """
    from dataclasses import replace

    from conformance.asking import plan

    rows = record.observations
    for column, chosen in (("op", ops), ("dtype", dtypes), ("family", families)):
        plan.check_names(column, chosen, sorted(set(record.observations[column])))
        if chosen:
            rows = rows[rows[column].isin(list(chosen))]
    return replace(record, observations=rows)


def said(what: Sequence[Block], markdown: Path | None) -> None:
    """Print blocks, or write them as Markdown into a file."""
    from conformance.record.disk import write_whole
    from conformance.reporting import blocks

    if markdown is None:
        blocks.terminal(what, Console())
    else:
        write_whole(markdown, blocks.markdown(what).encode())
        click.echo(f"written: {markdown}")


def merged(parts: Sequence[Path]) -> Record:
    """One record of several, each a file or the folder of a report."""
    from conformance import record

    files = [record.record_file(part) for part in parts]
    return record.merge([(str(file), record.read(file)) for file in files])


def chosen_limits(timeout: float, memory: int | None) -> Limits:
    """The limits that these options mean."""
    from conformance.asking.connections import Limits, default_memory

    return Limits(seconds=timeout, memory=memory or default_memory())


def check_writable(out: Path) -> None:
    """Find out before a run of minutes, and not after it."""
    try:
        out.resolve().parent.mkdir(parents=True, exist_ok=True)
        probe = out.resolve().parent / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise click.UsageError(f"cannot write to {out}: {error.strerror}") from None
