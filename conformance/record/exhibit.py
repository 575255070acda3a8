"""What was handed over where a finding showed, as the text of one column: JSON, its numbers as runs or compressed.

Numbers stand as runs of equal ones where there are few, ``0x0.0p+0*1000``, and otherwise as their bits in the narrowest
float of NumPy's that holds them all, compressed and in base64.  What takes too much room even so is left out: it can be
made again from the family, the case, the format and the seed.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from conformance.record.typed import WrongData, from_json, shown, to_json
from conformance.values import Exhibit, Inputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.values import Numbers

FEW = 64
"""Runs of equal numbers that are written one by one."""

MOST = 2**16
"""Characters of an exhibit that is kept."""

_LARGEST = 2**26
"""Numbers of an array that is kept, or believed when it is read."""

_KINDS = ("<f2", "<f4", "<f8")
"""Floats that bits are kept in, the narrowest first."""


@dataclass(frozen=True)
class _StoredArray:
    """An array in JSON: its runs, or the kind of its bits and the bits."""

    shape: tuple[int, ...]
    runs: tuple[str, ...]
    kind: str
    bits: str


@dataclass(frozen=True)
class _StoredExhibit:
    """An exhibit in JSON."""

    dtype: str
    rows: int
    place: int
    x: _StoredArray | None
    operand: _StoredArray | None
    cotangent: _StoredArray | None


def exhibit_as_text(exhibit: Exhibit) -> str:
    """JSON of an exhibit, without its arrays where they take more than :data:`MOST` characters or are too large."""
    inputs, bare = exhibit.inputs, _StoredExhibit("", exhibit.rows, exhibit.place, None, None, None)
    if inputs is not None and inputs.x.size <= _LARGEST:
        arrays = (_stored(part) for part in (inputs.x, inputs.operand, inputs.cotangent))
        text = _json(_StoredExhibit(inputs.dtype, exhibit.rows, exhibit.place, *arrays))
        if len(text) <= MOST:
            return text
    return _json(bare)


def _json(stored: _StoredExhibit) -> str:
    return json.dumps(to_json(_StoredExhibit, stored), ensure_ascii=False)


def exhibit_from_text(text: str) -> Exhibit | None:
    """The exhibit again; None of the empty text.

    Raises
    ------
    WrongData
        If the text says something else.
    """
    if not text:
        return None
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        raise WrongData(f"inputs: {shown(text)} is no JSON") from None
    stored = from_json(_StoredExhibit, read, "inputs")
    if stored.x is None:
        return Exhibit(None, stored.rows, stored.place)
    others = (None if part is None else _array(part) for part in (stored.operand, stored.cotangent))
    return Exhibit(Inputs(_array(stored.x), stored.dtype, *others), stored.rows, stored.place)


def runs_of(values: Numbers) -> tuple[tuple[float, int], ...]:
    """(number, how often) of the runs of equal bits of an array in C order; empty where there are more than FEW."""
    flat = np.ascontiguousarray(values, np.float64).ravel()
    bits = flat.view(np.int64)  # zeros have signs
    starts = np.flatnonzero(np.concatenate([[True], bits[1:] != bits[:-1]])) if flat.size else np.empty(0, np.int64)
    if len(starts) > FEW:
        return ()
    counts = np.diff([*starts, flat.size])
    return tuple(zip(flat[starts].tolist(), counts.tolist(), strict=True))


def bits_of(values: Numbers) -> tuple[str, str]:
    """NumPy's name of the narrowest float that holds every number of an array, and their bits in it, in C order."""
    flat = np.ascontiguousarray(values, np.float64).ravel()
    with np.errstate(over="ignore"):
        kind = next(kind for kind in _KINDS if np.array_equal(flat.astype(kind).astype("<f8"), flat, equal_nan=True))
    return kind, base64.b64encode(zlib.compress(flat.astype(kind).tobytes(), 9)).decode()


def _stored(values: Numbers | None) -> _StoredArray | None:
    if values is None:
        return None
    runs = runs_of(values)
    if runs or not values.size:
        written = tuple(value.hex() if count == 1 else f"{value.hex()}*{count}" for value, count in runs)
        return _StoredArray(values.shape, written, "", "")
    return _StoredArray(values.shape, (), *bits_of(values))


def _array(stored: _StoredArray) -> Numbers:
    size = math.prod(stored.shape)
    if any(length < 0 for length in stored.shape) or size > _LARGEST:
        raise WrongData(f"inputs: a shape is wanted, not {shown(stored.shape)}")
    flat = _unpacked(stored, size) if stored.kind else _repeated(stored.runs, size)
    return flat.reshape(stored.shape)


def _unpacked(stored: _StoredArray, size: int) -> Numbers:
    if stored.kind not in _KINDS:
        raise WrongData(f"inputs: one of {', '.join(_KINDS)} is wanted, not {shown(stored.kind)}")
    wanted = size * np.dtype(stored.kind).itemsize
    try:
        unpacking = zlib.decompressobj()
        data = unpacking.decompress(base64.b64decode(stored.bits, validate=True), wanted + 1)
    except (ValueError, binascii.Error, zlib.error):
        raise WrongData(f"inputs: {shown(stored.bits)} are no compressed bits") from None
    if len(data) != wanted:
        raise WrongData(f"inputs: {size} numbers are wanted, and other bits are there")
    return np.frombuffer(data, stored.kind).astype(np.float64)


def _repeated(runs: Sequence[str], size: int) -> Numbers:
    """An array of runs; it takes no memory of its own where it is one run."""
    values, counts = [], []
    for run in runs:
        text, star, count = run.partition("*")
        values.append(number(text, "inputs"))
        counts.append(1 if not star else int(count) if count.isdecimal() else 0)
        if not counts[-1]:
            raise WrongData(f"inputs: a number, or number*times, is wanted, not {shown(run)}")
    if sum(counts) != size:
        raise WrongData(f"inputs: {size} numbers are wanted, not {sum(counts)}")
    if len(values) == 1:
        return np.broadcast_to(np.float64(values[0]), (size,))
    return np.repeat(np.array(values, np.float64), counts)


def number(text: str, where: str) -> float:
    """The number that a hexadecimal text says.

    Raises
    ------
    WrongData
        If it says none; the message names the place.
    """
    try:
        return float.fromhex(text)
    except (ValueError, OverflowError):
        raise WrongData(f"{where}: a hexadecimal number is wanted, not {shown(text)}") from None
