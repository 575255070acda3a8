"""The questions of a record as a table that a page carries: a row each, a column a target; compressed, as base64.

The bytes are gzip's.  Inside are the length of a JSON object in four bytes, that object, and one array behind the other, all
little-endian and the widest first: ``case`` (uint32, a place in the list of the object), ``gap`` (float32, NaN where no
logit is finite), ``n`` (uint32, the length of a row); for each target ``over`` and ``ulp`` (uint16: the :func:`code` of the
error over the bound and in ulp); ``op``, ``dtype``, ``family``, ``way`` (uint8, places in
lists); for each target ``state`` (uint8: a place in :data:`STATES`) and ``bits`` (uint8: equal numbers are equal bits, 0 is
no answer).
"""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from conformance.record import printable
from conformance.reporting.frames import names, nonfinite
from conformance.values import Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from conformance.record import Record

STATES = ("not asked", "unsupported", "rejected", "fine", "degraded", "violation")
"""What became of a question, by its number; rejected is an error that was raised and is no fault."""

INFINITE, NONFINITE, NONE = 0xFFFD, 0xFFFE, 0xFFFF
"""Codes of no error in [0, 2⁶⁴): one beyond it; of an answer that is not finite where the truth is, or the reverse; no error."""

_ROW = ["op", "dtype", "family", "way", "case"]


def packed(record: Record) -> str:
    """The table, without the controls."""
    rows = record.observations
    rows = rows[~rows["control"].astype(bool)]
    rows = rows.assign(name=names(record, rows))
    targets = [(target, name) for target, name in record.names.items() if not target.control]
    number = rows.groupby(_ROW, sort=False).ngroup().to_numpy()
    first = ~pd.Series(number).duplicated().to_numpy()
    count = int(first.sum())
    told: dict[str, Any] = {
        "count": count,
        "states": STATES,
        "targets": [
            {"name": name, "framework": target.framework, "variant": target.variant, "release": target.version,
             "mode": target.mode, "device": target.device}
            for target, name in targets
        ],
    }  # fmt: skip
    columns: list[NDArray[Any]] = []
    for column in _ROW:
        codes, values = pd.factorize(rows[column][first])
        told[column] = [str(value) for value in values]
        columns.append(codes.astype(np.uint32 if column == "case" else np.uint8))
    columns += [rows["logit_gap"][first].to_numpy(np.float32), lengths(rows[first])]
    places = {printable(name): place for place, (_, name) in enumerate(targets)}
    who = rows["name"].map(printable).map(places).to_numpy(np.intp)
    answers: list[NDArray[Any]] = [
        codes_of(rows[column], rows["findings"]) for column in ("error_over_bound", "max_ulp")
    ]
    for cells in (*answers, _states(rows), _bits(rows, number)):
        table = np.full((len(targets), count), NONE if cells.dtype == np.uint16 else 0, cells.dtype)
        table[who, number] = cells
        columns.append(table.reshape(-1))
    head = json.dumps(told, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 4)  # arrays of four bytes stand at multiples of four
    ordered = sorted(columns, key=lambda column: -column.itemsize)
    body = b"".join(column.astype(column.dtype.newbyteorder("<")).tobytes() for column in ordered)
    return base64.b64encode(gzip.compress(len(head).to_bytes(4, "little") + head + body, 9, mtime=0)).decode()


def _states(rows: pd.DataFrame) -> NDArray[np.uint8]:
    """The place in :data:`STATES` of each observation."""
    found = np.full(len(rows), STATES.index("fine"), np.uint8)
    # Where an error is due, as beside an axis that there is not, it is no choice, and as fine as an answer.
    rejected = (rows["outcome"] == "raised") & (rows["choices"] != "")
    found[rejected.to_numpy()] = STATES.index("rejected")
    for severity in (Severity.DEGRADED, Severity.VIOLATION):
        found[(rows["severity"] == severity).to_numpy()] = STATES.index(str(severity))
    for outcome in ("unsupported", "not_asked"):
        found[(rows["outcome"] == outcome).to_numpy()] = STATES.index(outcome.replace("_", " "))
    return found


def _bits(rows: pd.DataFrame, number: NDArray[Any]) -> NDArray[np.uint8]:
    """For each observation which of the different answers to its question it is, from 1 on; 0 without an answer."""
    answered = (rows["digest"] != "").to_numpy()
    mine = pd.DataFrame({"number": number[answered], "digest": rows["digest"][answered].to_numpy()})
    different = mine.drop_duplicates()
    order = different.groupby("number").cumcount() + 1
    ranked = mine.merge(different.assign(order=order), on=["number", "digest"], how="left")["order"]
    found = np.zeros(len(rows), np.uint8)
    found[answered] = ranked.clip(upper=255).to_numpy()
    return found


def codes_of(errors: pd.Series, findings: pd.Series) -> NDArray[np.uint16]:
    """The codes of the errors of answers with such findings: :data:`NONFINITE`, or that of the error."""
    return np.where(nonfinite(findings), np.uint16(NONFINITE), code(errors.to_numpy(np.float64)))


def code(errors: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Sixteen bits of each error, in the order of the errors: 0 is no error, else seven bits of an exponent, then nine of a fraction.

    They are the smallest number (1 + f/512)·2^(e − 63) that is not below the error, so that none moves across a power of two,
    or to zero; what is below 2⁻⁶³ is above it by one step.  NaN is :data:`NONE`, from 2⁶⁴ on all is :data:`INFINITE`.
    """
    mantissa, exponent = np.frexp(np.where(np.isfinite(errors), errors, 0.0))
    found = np.ceil((2 * mantissa - 1) * 512) + (exponent.astype(np.int64) - 1 + 63) * 512
    found = np.where(errors > 0, np.clip(found, 1, INFINITE), 0)
    found = np.where(np.isinf(errors), INFINITE, found)
    return np.where(np.isnan(errors), NONE, found).astype(np.uint16)


def lengths(rows: pd.DataFrame) -> NDArray[np.uint32]:
    """How many numbers a row has along its axis: 1 of a scalar, 0 along an axis that there is not."""
    asked = rows[["shape", "axis"]].drop_duplicates()
    found = {}
    for shape, axis in zip(asked["shape"], asked["axis"], strict=True):
        sizes = [int(size) for size in shape.split("×")] if shape else [1]
        found[shape, axis] = sizes[axis] if -len(sizes) <= axis < len(sizes) else 0
    return np.array([found[pair] for pair in zip(rows["shape"], rows["axis"], strict=True)], np.uint32)
