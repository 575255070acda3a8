"""Badges for a README: a picture for each framework and op, which says in how many ways it is wrong."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from conformance.reporting.escape import printable
from conformance.values import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.reporting.reading import Reading

_LETTER = 7
"""About the width of a letter, in pixels; the text is squeezed or stretched to what is left for it."""


def badges(reading: Reading) -> Mapping[str, str]:
    """File name → SVG, one for each framework that was asked (at each version, where there are several) and op.

    It counts the kinds of violation, whatever the ledger knows of them: a way of being wrong shows in many dtypes, modes
    and families.  An op of which no question was answered has none.
    """
    record = reading.record
    own = record.observations[~record.observations["control"] & (record.observations["outcome"] == "answered")]
    found = reading.own[reading.own["severity"] == Severity.VIOLATION]
    subject = ["framework", "variant", "version"]
    several = Counter(zip(*(own[subject].drop_duplicates()[name] for name in subject[:2]), strict=True))
    made = {}
    for (framework, variant, version, op), _ in own.groupby([*subject, "op"], sort=True):
        mine = found[(found[[*subject, "op"]] == [framework, variant, version, op]).all(axis=1)]
        wrong = mine["kind"].nunique()
        name = f"{framework}:{variant}" if variant else str(framework)
        if several[framework, variant] > 1:
            name = f"{name}@{version}"
        file = re.sub(r"[^A-Za-z0-9_.+-]+", "-", f"{name}-{op}").lstrip(".")
        made[f"{file}.svg"] = _svg(f"{name} {op}", f"{wrong} wrong" if wrong else "right", "#c33" if wrong else "#2a2")
    return made


def _svg(label: str, value: str, color: str) -> str:
    label, value = printable(label), printable(value)
    left, right = (len(text) * _LETTER + 10 for text in (label, value))
    said = quoteattr(f"{label}: {value}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label={said}>'
        f'<rect width="{left}" height="20" fill="#444"/><rect x="{left}" width="{right}" height="20" fill="{color}"/>'
        '<g fill="#fff" font-family="Verdana,sans-serif" font-size="11">'
        f'<text x="5" y="14" textLength="{left - 10}">{escape(label)}</text>'
        f'<text x="{left + 5}" y="14" textLength="{right - 10}">{escape(value)}</text></g></svg>\n'
    )
