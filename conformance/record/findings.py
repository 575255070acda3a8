"""The findings of a record: what its observations show, gathered over cases."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import pandas as pd

from conformance.record.rows import findings_of
from conformance.values import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from conformance.record.schema import Record
    from conformance.values import Finding

PLACE = ("framework", "variant", "mode", "device", "op", "way", "dtype", "family", "kind")
"""What makes two findings the same one, in every run and at every version."""

MEASURED = ("accuracy", "loose")
"""The kinds of finding that say how large an error is; of the others the error over the bound says nothing."""

_SEVERITIES = tuple(Severity)

_DTYPES = {
    "id": "str", "target": "str", "name": "str", "version": "str", "framework": "str", "variant": "str", "mode": "str",
    "device": "str", "control": "bool", "op": "str", "way": "str", "dtype": "str", "family": "str", "kind": "str",
    "severity": "str", "cases": "int64", "worst": "float64", "detail": "str", "witness": "object", "case": "str",
    "case_id": "str", "size": "int64", "rows": "object",
}  # fmt: skip
_CACHE: WeakKeyDictionary[Record, pd.DataFrame] = WeakKeyDictionary()


def finding_id(**place: str) -> str:
    """12 hexadecimal digits that name a finding, from the columns :data:`PLACE` by their names.

    Neither its severity nor the version of the framework is in it, so that a finding that grows worse, or that a new
    release still shows, keeps its id.
    """
    digest = hashlib.blake2b(digest_size=6)
    for name in PLACE:
        text = place[name].encode("utf-8", "backslashreplace")
        digest.update(len(text).to_bytes(8, "little"))
        digest.update(text)
    return digest.hexdigest()


def findings(record: Record) -> pd.DataFrame:
    """One row a finding, computed once for each record.

    Columns
    -------
    id
        See :func:`finding_id`; with ``version`` it names one row.
    target, name, version, framework, variant, mode, device, control
        Of the target; ``name`` is how it is called in this record.
    op, way, dtype, family, kind
        What was asked, and which check was broken.
    severity
        The worst among its cases.
    cases
        How many observations show it.
    worst
        Of a kind of :data:`MEASURED`, the largest error over the stable bound among them; else NaN.
    detail, witness, case, case_id
        Of the smallest observation of that severity: by how many logits its array has, and then by name.  ``witness`` is
        a :class:`~conformance.values.Witness`, or None where no lane shows it.
    size
        How many logits its array has.
    rows
        The index labels of those observations, a tuple, the smallest first.

    Controls come last, violations come first, then what is largest.
    """
    if record not in _CACHE:
        _CACHE[record] = _findings(record)
    return _CACHE[record].copy()


def size_of(row: Mapping[Any, Any]) -> int:
    """How many logits the array of an observation has."""
    return math.prod(int(size) for size in row["shape"].split("×") if size)


class _Shown(NamedTuple):
    """A finding of one observation; sorted by their rank, the one to show comes first."""

    rank: tuple[Any, ...]
    finding: Finding
    row: Mapping[Any, Any]
    label: Any


def _findings(record: Record) -> pd.DataFrame:
    observations = record.observations[record.observations["witness"] != ""]
    places: dict[tuple[str, ...], list[_Shown]] = {}
    for label, row in zip(observations.index, observations.to_dict("records"), strict=True):
        for finding in findings_of(row):
            place = (row["version"], *(row[name] for name in PLACE[:-1]), finding.kind)
            places.setdefault(place, []).append(_Shown(_rank(finding, row), finding, row, label))
    names = {(str(target), target.version): name for target, name in record.names.items()}
    gathered = sorted((_gathered(group, names) for group in places.values()), key=_order)
    return pd.DataFrame(gathered, columns=list(_DTYPES)).astype(_DTYPES)


def _gathered(group: list[_Shown], names: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """The row of a finding, from all its observations."""
    group.sort(key=lambda shown: shown.rank)
    finding, row = group[0].finding, group[0].row
    place = {name: row[name] for name in PLACE[:-1]} | {"kind": finding.kind}
    return {
        **place,
        **{name: row[name] for name in ("target", "version", "control", "case", "case_id")},
        "id": finding_id(**place),
        "name": names.get((row["target"], row["version"]), row["target"]),
        "severity": str(finding.severity),
        "cases": len(group),
        "worst": _worst(group) if finding.kind in MEASURED else math.nan,
        "detail": finding.detail,
        "witness": finding.witness,
        "size": size_of(row),
        "rows": tuple(shown.label for shown in group),
    }


def _worst(group: Iterable[_Shown]) -> float:
    return max((ratio for shown in group if (ratio := shown.row["error_over_bound"]) >= 0), default=math.nan)


def _rank(finding: Finding, row: Mapping[Any, Any]) -> tuple[Any, ...]:
    """The worst severity first, then the smallest array, then the first name, and of equals the one that was kept."""
    return -_SEVERITIES.index(finding.severity), size_of(row), row["case"], not row["inputs"]


def _order(finding: Mapping[str, Any]) -> tuple[Any, ...]:
    size = math.inf if math.isnan(finding["worst"]) else finding["worst"]
    severity = _SEVERITIES.index(Severity(finding["severity"]))
    last = (finding["target"], finding["version"], *(finding[name] for name in PLACE[4:]))
    return (finding["control"], -severity, -size, *last)
