"""Messages come back as they were sent, in pieces of any size, and nothing else is a message."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from conformance.asking import protocol
from conformance.asking.protocol import Decoder, ProtocolError, encode, receive

STORED = [
    *(f"float{n}" for n in (16, 32, 64)),
    *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64)),
    "bool",
    "complex64",
]
TEXTS = st.text(st.characters(codec=None), max_size=20)  # lone surrogates too
ARRAYS = st.sampled_from(STORED).flatmap(
    lambda name: hnp.arrays(name, hnp.array_shapes(min_dims=0, min_side=0, max_dims=3))
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(TEXTS.filter(lambda key: key not in ("type", "arrays")), JSON, max_size=4),
    st.lists(ARRAYS, max_size=3),
    st.integers(1, 40),
)
def test_what_is_sent_arrives(body: dict[str, object], arrays: list[np.ndarray], step: int) -> None:
    message = {"type": "call", **body}
    data = b"".join(encode(message, [(f"dtype{i}", array) for i, array in enumerate(arrays)])) * 2
    decoder, found = Decoder(), []

    for start in range(0, len(data), step):
        decoder.feed(data[start : start + step])
        while (one := decoder.message()) is not None:
            found.append(one)

    assert 2 == len(found)
    for got, back in found:
        assert message == got
        assert [(f"dtype{i}", a.dtype, a.shape, a.tobytes()) for i, a in enumerate(arrays)] == [
            (dtype, a.dtype, a.shape, a.tobytes()) for dtype, a in back
        ]


def test_byte_order_and_layout_do_not_travel() -> None:
    array = np.arange(12, dtype=">f4").reshape(3, 4).T

    [line, data] = encode({"type": "call"}, [("float32", array)])

    assert array.astype("<f4").tobytes(order="C") == data
    assert {"dtype": "float32", "storage": "float32", "shape": [4, 3], "bytes": 48} == json.loads(line)["arrays"][0]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"hello\n", "no line of JSON"),
        (b'"text"\n', "without a type"),
        (b'{"id": 1}\n', "without a type"),
        (b'{"type": 3}\n', "without a type"),
        (b'{"type": "call", "arrays": 3}\n', "arrays is no list"),
        (b'{"type": "call", "arrays": [3]}\n', "no description"),
        (
            b'{"type": "call", "arrays": [{"dtype": "f", "storage": "float32", "shape": [2], "bytes": 9}]}\n',
            "no description",
        ),
        (
            b'{"type": "call", "arrays": [{"dtype": "f", "storage": "float32", "shape": [-2], "bytes": -8}]}\n',
            "no description",
        ),
        (
            b'{"type": "call", "arrays": [{"dtype": "f", "storage": "object", "shape": [1], "bytes": 8}]}\n',
            "no description",
        ),
        (
            b'{"type": "call", "arrays": [{"dtype": "f", "storage": "float33", "shape": [1], "bytes": 8}]}\n',
            "no description",
        ),
        (
            b'{"type": "call", "arrays": [{"dtype": 1, "storage": "uint8", "shape": [1], "bytes": 1}]}\n',
            "no description",
        ),
        (
            b'{"type": "call", "arrays": [{"dtype": "f", "storage": "uint8", "shape": [true], "bytes": 1}]}\n',
            "no description",
        ),
        (b"\xff\xfe\n", "no line of JSON"),
        (b"x" * (protocol.LONGEST_LINE + 1), "a line of more than"),
    ],
)
def test_what_is_no_message_is_refused_in_one_line(data: bytes, why: str) -> None:
    decoder = Decoder()
    decoder.feed(data)

    with pytest.raises(ProtocolError, match=why) as caught:
        decoder.message()

    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_a_stream_that_ends_within_a_message_is_no_message() -> None:
    [line, data] = encode({"type": "call"}, [("float64", np.zeros(4))])

    assert receive(io.BytesIO(b"")) is None
    for cut in (line[:-1], line, line + data[:-1]):
        with pytest.raises(ProtocolError):
            receive(io.BytesIO(cut))


@pytest.mark.parametrize("array", [np.array([object()]), np.array(["text"]), np.array(["2026-11-26"], "datetime64[D]")])
def test_an_array_of_no_numbers_cannot_be_sent(array: np.ndarray) -> None:
    with pytest.raises(ProtocolError, match="cannot be sent"):
        encode({"type": "answered"}, [("object", array)])
