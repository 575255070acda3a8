"""Findings and their witnesses as the text of one column: JSON, with hexadecimal floats."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from conformance.record.typed import WrongData, from_json, shown, to_json
from conformance.values import Finding, Severity, Witness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@lru_cache(maxsize=2**16)  # the views of a record read the same few texts again and again
def findings_from_text(text: str) -> tuple[Finding, ...]:
    """The findings again.

    Raises
    ------
    WrongData
        If the text says something else.
    """
    if not text:
        return ()
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        raise WrongData(f"witness: {shown(text)} is no JSON") from None
    stored = from_json(tuple[_StoredFinding, ...], listed, "witness", defaults=True)
    return tuple(Finding(one.kind, one.severity, one.detail, _witness(one.witness), one.trace) for one in stored)


@dataclass(frozen=True)
class _StoredWitness:
    """A witness in JSON; numbers are hexadecimal, and a row is a list of ``number`` or ``number*times``."""

    index: int
    got: str
    expected: str
    bound: str
    length: int
    row: tuple[str, ...]
    x: tuple[str, ...]
    operand: tuple[str, ...]
    dtype: str
    way: str


@dataclass(frozen=True)
class _StoredFinding:
    """A finding in JSON."""

    kind: str
    severity: Severity
    detail: str
    witness: _StoredWitness | None
    trace: tuple[str, ...] = ()


def findings_as_text(findings: Sequence[Finding]) -> str:
    """JSON of findings; empty without any."""
    if not findings:
        return ""
    stored = tuple(_StoredFinding(f.kind, f.severity, f.detail, _stored(f.witness), f.trace) for f in findings)
    written = to_json(tuple[_StoredFinding, ...], stored)
    return json.dumps([{k: v for k, v in one.items() if k != "trace" or v} for one in written], ensure_ascii=False)


def _stored(witness: Witness | None) -> _StoredWitness | None:
    if witness is None:
        return None
    return _StoredWitness(
        index=int(witness.index),
        got=float(witness.got).hex(),
        expected=float(witness.expected).hex(),
        bound=float(witness.bound).hex(),
        length=int(witness.length),
        row=_runs(witness.row),
        x=_runs(witness.x),
        operand=_runs(witness.operand),
        dtype=witness.dtype,
        way=witness.way,
    )


def _witness(stored: _StoredWitness | None) -> Witness | None:
    if stored is None:
        return None
    row = _numbers(stored.row, stored.length)
    if row and len(row) != stored.length:
        raise WrongData(f"witness: a row of {stored.length} numbers is wanted, not one of {len(row)}")
    return Witness(
        index=stored.index,
        got=_number(stored.got),
        expected=_number(stored.expected),
        bound=_number(stored.bound),
        length=stored.length,
        row=row,
        x=_numbers(stored.x, stored.length),
        operand=_numbers(stored.operand, stored.length),
        dtype=stored.dtype,
        way=stored.way,
    )


def _runs(row: Sequence[float]) -> tuple[str, ...]:
    """``0x0.0p+0*1000`` for a thousand zeros, so that a long row of few numbers takes little room."""
    if not len(row):
        return ()
    values: NDArray[np.float64] = np.asarray(row, np.float64)
    bits = values.view(np.int64)  # zeros have signs
    starts = np.flatnonzero(np.concatenate([[True], bits[1:] != bits[:-1]]))
    counts = np.diff([*starts, len(values)])
    return tuple(
        value.hex() if count == 1 else f"{value.hex()}*{count}"
        for value, count in zip(values[starts].tolist(), counts.tolist(), strict=True)
    )


def _numbers(runs: Sequence[str], most: int) -> tuple[float, ...]:
    row: list[float] = []
    for run in runs:
        text, star, count = run.partition("*")
        times = 1 if not star else int(count) if count.isdecimal() else 0
        if not times or len(row) + times > most:
            raise WrongData(f"witness: a row of {most} numbers is wanted, not one with {shown(run)}")
        row += [_number(text)] * times
    return tuple(row)


def _number(text: str) -> float:
    try:
        return float.fromhex(text)
    except (ValueError, OverflowError):
        raise WrongData(f"witness: a hexadecimal number is wanted, not {shown(text)}") from None
