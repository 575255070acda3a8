"""What was handed over stands in the record bit for bit, in little room, or not at all."""

from __future__ import annotations

import json

import numpy as np
import pytest

from conformance.record.exhibit import FEW, MOST, bits_of, exhibit_as_text, exhibit_from_text, runs_of
from conformance.values import Exhibit, Inputs
from reference.formats import FORMATS

RNG = np.random.default_rng(0)


def back(x: np.ndarray, **others: np.ndarray) -> Inputs:
    read = exhibit_from_text(exhibit_as_text(Exhibit(Inputs(x, "float32", **others), 3, 2)))
    assert read is not None
    assert read.inputs is not None
    assert (3, 2, "float32") == (read.rows, read.place, read.inputs.dtype)
    return read.inputs


@pytest.mark.parametrize(
    "x",
    [
        np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 0.1]),
        np.array(2.5),
        np.zeros((0, 3)),
        np.zeros((2, 0)),
        np.where(np.arange(70) == 69, 0.0, -np.inf),
        np.full((3, 1, 4), -1.5),
        np.asfortranarray(RNG.normal(size=(17, 9))),
        np.broadcast_to(RNG.normal(size=(1, 300)), (4, 300)),
        *(format.quantise(RNG.normal(size=500) * 100) for format in FORMATS.values()),
        RNG.normal(size=500) * 1e300,
    ],
    ids=lambda x: f"{x.shape} {x.ravel()[:1]}",
)
def test_an_array_comes_back_as_the_same_bits(x: np.ndarray) -> None:
    got = back(x, operand=x[..., :1] if x.ndim else x, cotangent=x)

    for due, read in ((x, got.x), (x[..., :1] if x.ndim else x, got.operand), (x, got.cotangent)):
        assert read is not None
        assert due.shape == read.shape
        assert np.ascontiguousarray(due).tobytes() == np.ascontiguousarray(read).tobytes()


def test_a_row_of_few_numbers_takes_little_room_however_long_it_is() -> None:
    masked = np.full(200_000, -np.inf)
    masked[131_072] = 0.0
    texts = [exhibit_as_text(Exhibit(Inputs(x, "float32"))) for x in (np.zeros(128_256), masked)]

    assert max(map(len, texts)) < 250
    assert ("0x0.0p+0*128256",) == tuple(json.loads(texts[0])["x"]["runs"])
    assert ((-np.inf, 131_072), (0.0, 1), (-np.inf, 68_927)) == runs_of(masked)


def test_many_runs_become_the_bits_of_the_narrowest_float() -> None:
    assert 2 * FEW == sum(count for _, count in runs_of(np.repeat(np.arange(FEW, dtype=float), 2)))
    assert () == runs_of(np.arange(FEW + 1, dtype=float))
    kinds = {"float16": "<f2", "bfloat16": "<f4", "float32": "<f4", "float64": "<f8"}
    assert kinds == {
        name: bits_of(FORMATS[name].quantise(RNG.normal(size=100) * (1e3 if name == "float16" else 1e5)))[0]
        for name in kinds
    }


def test_what_takes_too_much_room_is_left_out_and_its_company_is_not() -> None:
    noise = FORMATS["float32"].quantise(RNG.normal(size=2**16))

    text = exhibit_as_text(Exhibit(Inputs(noise, "float32"), 7, 6))

    assert len(text) < 100 < MOST
    read = exhibit_from_text(text)
    assert read is not None
    assert (None, 7, 6) == (read.inputs, read.rows, read.place)
    assert text == exhibit_as_text(read)


def test_nothing_is_no_exhibit() -> None:
    assert exhibit_from_text("") is None
