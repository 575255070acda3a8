"""What the exit status says; a script can use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conformance.reporting import Reading

OK, FINDINGS, USAGE, INCOMPLETE, MISTAKE = 0, 1, 2, 3, 70


def status_of(reading: Reading) -> int:
    """The status of a run that ended with this."""
    if not reading.record.complete or (reading.record.observations["outcome"] == "not_asked").any():
        return INCOMPLETE
    return FINDINGS if reading.failed else OK
