"""What is known already: findings as data, in TOML files, strict both ways on the platform they were seen on.

A finding that no entry knows is unexpected, and an entry whose finding was looked for and is gone is *stale* and must
go.  On another platform both are remarks, because kernels dispatch on the instruction set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.ledger.entry import BadLedger, Entry, Fault, files, own, read
from conformance.ledger.known import Known, Stale
from conformance.ledger.names import Names, check, known_names

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = [
    "BadLedger",
    "Entry",
    "Fault",
    "Known",
    "Names",
    "Stale",
    "check",
    "files",
    "known_names",
    "load",
    "own",
    "read",
]


def load(paths: Iterable[str | Path] = (), *, builtin: bool = True) -> tuple[Entry, ...]:
    """The entries of the project's own ledger and of the user's, of which every one can match something.

    Parameters
    ----------
    paths
        The user's files.
    builtin
        Whether the project's own is among them.

    Raises
    ------
    BadLedger
        In one line, naming file, entry and field.
    """
    entries = read((own() if builtin else {}) | files(paths))
    check(entries, known_names())
    return entries
