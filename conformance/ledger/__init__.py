"""What is known already: findings as data, in TOML files, strict both ways on the platform they were seen on.

A violation that no entry knows is unexpected, and an entry whose finding was looked for and is gone is *stale* and must
go.  On another platform both are remarks, because kernels dispatch on the instruction set.
"""

from __future__ import annotations

from conformance.ledger.entry import BadLedger, Entry, read, read_files
from conformance.ledger.known import Known, Stale
from conformance.ledger.names import Names, check, known_names

__all__ = ["BadLedger", "Entry", "Known", "Names", "Stale", "check", "known_names", "load", "read", "read_files"]


def load() -> tuple[Entry, ...]:
    """The project's own ledger, of which every entry can match something.

    Raises
    ------
    BadLedger
        In one line, naming file, entry and field.
    """
    entries = read()
    check(entries, known_names())
    return entries
