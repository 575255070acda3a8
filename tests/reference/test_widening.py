"""A truth is frozen: a wider one is another value, the first one stays as it is, and both give the same verdicts."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from certification import random_cotangent, random_rows

from reference.bounds import bounds
from reference.comparison import Bound
from reference.formats import EVERY_FORMAT, FLOAT8_FORMATS, FORMATS
from reference.question import Question
from reference.truth import OPS, Truth, truth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format

FLOAT64, FLOAT32 = FORMATS["float64"], FORMATS["float32"]
ARRAYS = ("high", "low", "exponent", "error", "undefined", "wide")
PARTS = ("high", "low", "exponent", "error")
EACH_OP = pytest.mark.parametrize("op", OPS)


def asked(op: str, format: Format) -> Truth:
    """Rows of which some are in doubt: ties, a power of two and its neighbours, and one that is not."""
    x = np.array([[0.0, 0.0, -np.inf], [1.0, 1.0 + 2.0**-52, -np.inf], [0.0, 1.0, 3.0], [0.0, 0.0, -60.0]])
    g = np.array([[1.0, 0.5, 0.0], [1.0, 2.0, 0.0], [1.0, 2.0, 4.0], [3.0, 1.0, 1.0]])
    return truth(op, x, format=format, cotangent=g if op.endswith("_vjp") else None)


def answers(said: Truth, format: Format) -> Iterator[np.ndarray]:
    """The rounded truth, its neighbours, numbers a unit and half a bound away, and no numbers."""
    near, ulp = said.rounded(format), said.ulp(format)
    yield from (near, near + ulp, near - ulp, said.nearest + ulp, np.zeros_like(near))
    yield np.where(np.arange(near.shape[-1]) % 3 == 0, near, [[np.inf], [-np.inf], [np.nan], [np.inf]][: len(near)])


def bits(said: Truth) -> list[bytes]:
    return [getattr(said, name).tobytes() for name in ARRAYS]


def verdicts(said: Truth, format: Format, got: np.ndarray, bound: Bound) -> list[bytes]:
    """All that can be asked, bit for bit, but shares: away from the boundary they are only as true as the truth."""
    found = [said.rounded(format), said.decided(format), said.ulp(format)]
    for share in (said.error_ulps(got, format), said.error_over(bound, got)):
        found += [share < 1, share <= 1, np.isnan(share)]
    return [part.tobytes() for part in found]


@EACH_OP
def test_nothing_of_a_truth_can_be_assigned_to(op: str) -> None:
    first = asked(op, FLOAT32)
    some = np.zeros(first.high.shape, bool)
    some[1] = True

    for said in (
        first,
        first.widened(some),
        first.widened(~first.undefined),
        truth("softmax", 0.5),
        asked(op, FLOAT64),
    ):
        for name in (field.name for field in fields(Truth)):
            with pytest.raises(FrozenInstanceError):
                setattr(said, name, None)
            with pytest.raises(FrozenInstanceError):
                delattr(said, name)
        for name in ARRAYS:
            with pytest.raises(ValueError, match="read-only"):
                getattr(said, name)[...] = 0
        with pytest.raises(AttributeError):
            said.escalated = 1  # type: ignore[misc]


@EACH_OP
@pytest.mark.parametrize("format", [FLOAT32, FLOAT64], ids=str)
def test_a_wider_truth_is_another_value_and_the_first_stays(op: str, format: Format) -> None:
    first = asked(op, format)
    if first.question is None:
        assert first is first.widened(~first.undefined) is first.decisive(format)
        return
    kept, parts = bits(first), [getattr(first, name) for name in ARRAYS]

    wider = first.widened(np.array([[True], [False], [True], [False]]))
    widest = wider.widened(~first.undefined)

    assert len({id(first), id(wider), id(widest)}) == 3
    assert (0, 2, 4) == (first.escalated, wider.escalated, widest.escalated)
    assert [True, False, True, False] == wider.wide.ravel().tolist()
    assert bits(wider) != kept
    assert bits(first) == kept
    assert all(getattr(first, name) is part for name, part in zip(ARRAYS, parts, strict=True))
    for name in PARTS:
        assert not np.shares_memory(getattr(first, name), getattr(wider, name))
    for said in (first, wider):
        for got in answers(said, format):
            verdicts(said, format, got, bounds("softmax", np.zeros((4, 3)), format=format))
            said.decisive(format).settled(got, format)
    assert bits(first) == kept


@EACH_OP
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("n", [5, 300])
def test_wide_rows_are_those_of_double_double_arithmetic_and_the_others_untouched(op: str, axis: int, n: int) -> None:
    rng = np.random.default_rng(0)
    shape = (2, n, 3) if axis == 1 else (n, 2, 3) if axis == 0 else (2, 3, n)
    x = rng.standard_normal(shape)
    g = rng.standard_normal(shape) if op.endswith("_vjp") else None
    first, widest = truth(op, x, axis, format=FLOAT32, cotangent=g), truth(op, x, axis, cotangent=g)
    lanes = np.zeros(shape, bool)
    lanes[0, 1, 2] = lanes[1, 0, 1] = lanes[1, 1, 1] = True
    rows = lanes.any(axis=axis, keepdims=True)

    some, everything = first.widened(lanes), first.widened(np.ones((), bool))

    assert (rows == some.wide).all()
    assert rows.sum() == some.escalated
    assert x.size // n == everything.escalated
    for name in PARTS:
        narrow, wide = getattr(first, name), getattr(widest, name)
        assert (np.where(rows, wide, narrow) == getattr(some, name)).all()
        assert (wide == getattr(everything, name)).all()
    assert (first.error != widest.error).any()


@EACH_OP
def test_what_is_wide_already_is_not_computed_again(op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = asked(op, FLOAT32)
    chosen = np.array([[True], [False], [False], [True]])
    some, everything = first.widened(chosen), first.widened(~first.undefined)
    given = truth(op, [0.0, 1.0], cotangent=[1.0, 2.0] if op.endswith("_vjp") else None)

    def refuse(*_: Any) -> None:
        raise AssertionError("nothing is computed again")

    monkeypatch.setattr(Question, "answer", refuse)
    assert first is first.widened(np.zeros(first.high.shape, bool))
    assert some is some.widened(chosen) is some.widened(chosen & [[True, False, False]])
    assert everything is everything.widened(chosen) is everything.widened(everything.wide)
    assert given is given.widened(np.ones(2, bool))
    assert 0 == given.escalated
    with pytest.raises(AssertionError, match="computed again"):
        some.widened(~chosen)


def test_an_array_without_an_axis_or_an_element_can_be_widened() -> None:
    for op in ("softmax", "log_softmax"):
        alone = truth(op, 3.0, format=FLOAT32)
        wider = alone.widened(np.ones((), bool))
        assert ((), (), 0, 1) == (alone.wide.shape, wider.high.shape, alone.escalated, wider.escalated)
        for shape in ((0,), (2, 0), (0, 2)):
            empty = truth(op, np.zeros(shape), format=FLOAT32)
            assert empty is empty.widened(np.ones((), bool)) is empty.decisive(FLOAT32)
            assert empty is empty.settled(np.zeros(shape), FLOAT32)


@pytest.mark.parametrize("dtype", EVERY_FORMAT)
@EACH_OP
def test_a_wider_truth_gives_the_same_verdicts(op: str, dtype: str) -> None:
    """On random rows and answers on and beside every boundary; nothing is computed again for them."""
    format, rng = EVERY_FORMAT[dtype], np.random.default_rng(0)
    counted = 0
    for x in random_rows(format, 300, rng):
        g = random_cotangent(x.shape, rng) if op.endswith("_vjp") else None
        said = truth(op, x, format=format, cotangent=g)
        decisive = said.decisive(format)
        stable = bounds(op, x, format=format, cotangent=g)
        one_ulp = Bound(np.zeros(x.shape), said.ulp(format))
        near = said.rounded(format)
        for got in (near, near + one_ulp.absolute, said.nearest - one_ulp.absolute, np.full(x.shape, np.inf)):
            for bound in (stable, one_ulp):
                settled = decisive.settled(got, bound, format)
                due = verdicts(said, format, got, bound)
                assert due == verdicts(decisive, format, got, bound)
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(Question, "answer", None)  # no wider truth can be computed
                    assert due == verdicts(settled, format, got, bound)
                counted += settled.escalated
        assert not said.escalated
    assert counted or truth(op, [0.0], format=format, cotangent=None if g is None else [1.0]).question is None


def test_a_decisive_truth_knows_the_last_place_too() -> None:
    """p of the first is an ulp, by the cheapest speed, of a power of two: which is rounded alike from either side of it."""
    x = np.array([[0.0, 0.0, -np.inf], [0.0, 1.0, 3.0]])
    said = truth("softmax", x, format=FLOAT32)

    assert said.decided(FLOAT32).all()
    wider = said.decisive(FLOAT32)
    assert [[True], [False]] == wider.wide.tolist()
    assert (said.ulp(FLOAT32) == wider.ulp(FLOAT32)).all()


def test_only_what_the_answers_hang_on_is_settled() -> None:
    """One row is in doubt for the format, another for the bound, and a third for neither."""
    ulp, bound = 2.0**-24, Bound(np.zeros(()), np.asarray(2.0**-9))
    said = truth("softmax", [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]], format=FLOAT32)
    got = [[0.5 + ulp, 0.5], [0.5, 0.5 - 2.0**-9], [0.5, 0.5]]

    assert [True, False, False] == said.settled(got, FLOAT32).wide.ravel().tolist()
    assert [False, True, False] == said.settled(got, bound).wide.ravel().tolist()
    assert [True, True, False] == said.settled(got, bound, FLOAT32).wide.ravel().tolist()
    assert said is said.settled(got)


def test_what_cannot_be_settled_is_refused() -> None:
    said = truth("softmax", [0.0, 1.0], format=FLOAT32)

    for wrong in ("float32", 0.5, None):
        with pytest.raises(TypeError, match=r"against: a reference\.Bound or a reference\.Format is needed, not"):
            said.settled([0.5, 0.5], wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="format: this truth was computed for a narrower one"):
        said.settled([0.5, 0.5], FLOAT64)
    with pytest.raises(ValueError, match="format: this truth was computed for a narrower one"):
        said.decisive(FLOAT64)
    with pytest.raises(TypeError, match="got: floating numbers are needed"):
        said.settled([1, 0], FLOAT8_FORMATS["float8_e5m2"])
    with pytest.raises(TypeError, match="lanes: a bool array is needed, not int64"):
        said.widened(np.array([0, 1]))
    for given in (said, truth("softmax", [0.0, 1.0])):
        with pytest.raises(ValueError, match=r"lanes: its shape \(3,\) is not that of the question, \(2,\)"):
            given.widened(np.ones(3, bool))
