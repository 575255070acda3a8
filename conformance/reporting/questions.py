"""The questions of a record as a table that a page carries: a row each, a column a target; compressed, as base64.

The bytes are gzip's.  Inside are the length of a JSON object in four bytes, that object, and one array behind the other, all
little-endian: ``op``, ``dtype``, ``family``, ``way`` (uint8, places in the lists of the object), ``case`` (uint32, likewise);
then for each target ``state`` (uint8: a place in :data:`STATES`), ``bits`` (uint8: equal numbers are equal bits, 0 is no
answer) and ``over`` (uint16: the bits of the error over the bound as float16, NaN where there is none).
"""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from conformance.record import printable
from conformance.reporting.frames import names
from conformance.values import Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from conformance.record import Record

STATES = ("not asked", "unsupported", "fine", "degraded", "violation")
"""What became of a question, by its number."""

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
    places = {printable(name): place for place, (_, name) in enumerate(targets)}
    who = rows["name"].map(printable).map(places).to_numpy(np.intp)
    for cells, dtype in ((_states(rows), np.uint8), (_bits(rows, number), np.uint8), (_over(rows), np.uint16)):
        table = np.full((len(targets), count), _NAN if dtype is np.uint16 else 0, dtype)
        table[who, number] = cells
        columns.append(table.reshape(-1))
    head = json.dumps(told, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 4)  # arrays of four bytes stand at multiples of four
    ordered = sorted(columns, key=lambda column: -column.itemsize)
    body = b"".join(column.astype(column.dtype.newbyteorder("<")).tobytes() for column in ordered)
    return base64.b64encode(gzip.compress(len(head).to_bytes(4, "little") + head + body, 9, mtime=0)).decode()


_NAN = int(np.float16(np.nan).view(np.uint16))


def _states(rows: pd.DataFrame) -> NDArray[np.uint8]:
    """The place in :data:`STATES` of each observation."""
    found = np.full(len(rows), STATES.index("fine"), np.uint8)
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


def _over(rows: pd.DataFrame) -> NDArray[np.uint16]:
    """The bits of the error over the bound as float16; what is beyond its range is infinite."""
    with np.errstate(over="ignore"):
        return rows["error_over_bound"].to_numpy(np.float64).astype(np.float16).view(np.uint16)
