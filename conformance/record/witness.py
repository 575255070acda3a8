"""Findings and their witnesses as the text of one column: JSON, with hexadecimal floats."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from conformance.record.exhibit import number
from conformance.record.typed import WrongData, from_json, shown, to_json
from conformance.values import Finding, Severity, Witness

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    """A witness in JSON; its floats are hexadecimal."""

    index: int
    logit: str
    got: str
    expected: str
    rest: str
    bound: str
    beside: int


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
        logit=float(witness.logit).hex(),
        got=float(witness.got).hex(),
        expected=float(witness.expected).hex(),
        rest=float(witness.rest).hex(),
        bound=float(witness.bound).hex(),
        beside=int(witness.beside),
    )


def _witness(stored: _StoredWitness | None) -> Witness | None:
    if stored is None:
        return None
    return Witness(
        index=stored.index,
        logit=number(stored.logit, "witness"),
        got=number(stored.got, "witness"),
        expected=number(stored.expected, "witness"),
        rest=number(stored.rest, "witness"),
        bound=number(stored.bound, "witness"),
        beside=stored.beside,
    )
