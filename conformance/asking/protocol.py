"""Messages between the suite and a worker: one line of JSON, and arrays as raw little-endian bytes behind it.

``docs/protocol.md`` describes every message, for those who write a worker in another language.  A line is ASCII, so that
any text survives it, lone surrogates included.  Its key ``arrays`` lists the arrays that follow, each with its dtype (the
framework's name for it), its storage (NumPy's name of the type whose bytes are sent), its shape and its count of bytes.
"""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    Array = tuple[str, np.ndarray]
    Message = dict[str, Any]

VERSION = 1
"""Of the messages; a worker that speaks another one is not asked."""

LONGEST_LINE = 2**20
"""Bytes; a longer line is no message."""

STORAGES = frozenset(
    (
        *("float16", "float32", "float64", "complex64", "complex128", "bool"),
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    )
)
"""NumPy's names of the types whose bytes can be sent."""

LARGEST = 2**33
"""Bytes of one array; a description of a larger one is no message."""


class ProtocolError(Exception):
    """What arrived is no message; the text says why, in one line."""


def encode(message: Message, arrays: Iterable[Array] = ()) -> list[bytes]:
    """A message as the pieces of bytes to be written one after the other.

    Parameters
    ----------
    message
        What JSON can hold; NaN and infinities are none of it.
    arrays
        (dtype, array) each; the array in its storage dtype, of any layout and byte order.
    """
    listed, pieces = [], []
    for dtype, array in arrays:
        if array.dtype.name not in STORAGES:
            raise ProtocolError(f"an array of {array.dtype} cannot be sent")
        plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(array.shape)
        listed.append(
            {"dtype": dtype, "storage": plain.dtype.name, "shape": list(plain.shape), "bytes": int(plain.nbytes)}
        )
        pieces.append(plain.tobytes())
    line = json.dumps({**message, "arrays": listed}, ensure_ascii=True, allow_nan=False)
    return [line.encode("ascii") + b"\n", *pieces]


class Decoder:
    """Messages from bytes that arrive in pieces of any size."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._head: Message | None = None

    def feed(self, data: bytes) -> None:
        """Take more bytes."""
        self._bytes += data

    @property
    def empty(self) -> bool:
        """Whether nothing of a message is there."""
        return self._head is None and not self._bytes

    @property
    def needed(self) -> int:
        """How many more bytes the message in hand needs at least."""
        if self._head is None:
            return 1
        return max(0, sum(int(entry["bytes"]) for entry in self._head["arrays"]) - len(self._bytes))

    def message(self) -> tuple[Message, list[Array]] | None:
        """The next message with its arrays, or None until enough bytes are there.

        Raises
        ------
        ProtocolError
            If the bytes are no message.
        """
        if self._head is None:
            end = self._bytes.find(b"\n", 0, LONGEST_LINE)
            if end < 0:
                if len(self._bytes) >= LONGEST_LINE:
                    raise ProtocolError(f"a line of more than {LONGEST_LINE} bytes")
                return None
            line = bytes(self._bytes[:end])
            del self._bytes[: end + 1]
            self._head = _head(line)
        if self.needed:
            return None
        head, self._head = self._head, None
        arrays, at = [], 0
        for entry in head.pop("arrays"):
            piece = bytes(self._bytes[at : at + entry["bytes"]])
            at += entry["bytes"]
            array = np.frombuffer(piece, np.dtype(entry["storage"]).newbyteorder("<")).reshape(entry["shape"])
            arrays.append((entry["dtype"], array if sys.byteorder == "little" else array.astype(entry["storage"])))
        del self._bytes[:at]
        return head, arrays


def _head(line: bytes) -> Message:
    """The line of a message, once it is known to be one."""
    shown = ascii(line[:80].decode("latin-1"))
    try:
        head = json.loads(line)
    except (ValueError, RecursionError):
        raise ProtocolError(f"no line of JSON: {shown}") from None
    if not isinstance(head, dict) or not isinstance(head.get("type"), str):
        raise ProtocolError(f"a line of JSON without a type: {shown}")
    arrays = head.setdefault("arrays", [])
    if not isinstance(arrays, list):
        raise ProtocolError(f"arrays is no list: {shown}")
    for entry in arrays:
        _refuse_bad_array(entry)
    return head


def _refuse_bad_array(entry: Any) -> None:
    try:
        shape, size, storage = entry["shape"], entry["bytes"], entry["storage"]
        right = storage in STORAGES and isinstance(entry["dtype"], str) and isinstance(shape, list)
        right = right and all(type(n) is int and 0 <= n <= LARGEST for n in [size, *shape]) and len(shape) <= 32
        right = right and size == math.prod(shape) * np.dtype(storage).itemsize
    except (KeyError, TypeError, ValueError):
        right = False
    if not right:
        raise ProtocolError(f"no description of an array: {ascii(entry)[:120]}")


def receive(stream: Any) -> tuple[Message, list[Array]] | None:
    """The next message of a blocking binary stream; None at its end.

    Raises
    ------
    ProtocolError
        If the stream holds something else, or ends within a message.
    """
    decoder = Decoder()
    line = stream.readline(LONGEST_LINE)
    if not line:
        return None
    decoder.feed(line)
    while True:
        found = decoder.message()
        if found is not None:
            return found
        data = stream.read(decoder.needed)
        if not data:
            raise ProtocolError("the stream ended within a message")
        decoder.feed(data)
