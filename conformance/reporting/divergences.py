"""The file ``divergences.csv``: one row a finding of the frameworks' own functions, for a spreadsheet.

It has the same bytes whenever a record is read with the same ledger, and the same columns where there is no finding:
two of them can be compared line by line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.reporting.escape import cell

if TYPE_CHECKING:
    from conformance.reporting.reading import Reading

COLUMNS = (
    "id",
    "severity",
    "target",
    "version",
    "op",
    "way",
    "dtype",
    "family",
    "kind",
    "cases",
    "worst",
    "case",
    "detail",
    "ledger",
)
"""``worst`` is the largest error over the stable bound, ``case`` and ``detail`` are those of the finding's witness."""


def table(reading: Reading) -> str:
    """The text of the file.  What a control is there to show is in the observations."""
    found = reading.own[list(COLUMNS)].copy()
    for name in COLUMNS:
        if name not in ("cases", "worst"):
            found[name] = [cell(str(value)) for value in found[name]]
    return str(found.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
