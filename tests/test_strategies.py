"""The strategies give what they promise, and properties driven by them hold for honest kernels and frameworks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, find, given, settings
from hypothesis import strategies as st

from conformance import strategies
from reference.bounds import bounds, row_sum_bound
from reference.formats import FLOAT8_FORMATS, FORMATS
from reference.truth import truth

EVERY = {**FORMATS, **FLOAT8_FORMATS}
FLOAT32 = FORMATS["float32"]


def numpy_softmax(x: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return np.asarray(e / e.sum(axis=-1, keepdims=True))


def numpy_log_softmax(x: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        t = x - x.max(axis=-1, keepdims=True)
        return np.asarray(t - np.log(np.exp(t).sum(axis=-1, keepdims=True)))


def torch_function(name: str) -> Any:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    return lambda x: getattr(torch, name)(torch.from_numpy(x.copy()), -1).numpy()


@pytest.fixture(params=["numpy", "torch"])
def pair(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """softmax and log_softmax of float32 arrays along the last axis."""
    if request.param == "numpy":
        return numpy_softmax, numpy_log_softmax
    return torch_function("softmax"), torch_function("log_softmax")


finite_rows = strategies.rows(FLOAT32)
shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(st.data(), st.sampled_from(sorted(EVERY)))
def test_every_number_is_representable(data: st.DataObject, name: str) -> None:
    format = EVERY[name]
    row = data.draw(strategies.rows(format, finite=False))
    array = data.draw(strategies.arrays(format))

    assert np.array_equal(format.quantise(row), row, equal_nan=True)
    assert np.array_equal(format.quantise(array), array)
    assert row.ndim == 1
    assert array.size


def test_what_is_found_is_the_smallest_row() -> None:
    found = find(finite_rows, lambda row: len(row) >= 3 and bool((row > 2).any()))

    assert sorted(found.tolist()) == [0.0, 0.0, 3.0]


@given(st.data(), strategies.layouts())
def test_a_layout_keeps_the_values_and_changes_the_strides(data: st.DataObject, name: str) -> None:
    array = data.draw(strategies.arrays(FLOAT32))

    moved = strategies.MEMORY_LAYOUTS[name](array)

    assert np.array_equal(array, moved)
    if name == "step":
        assert moved.strides[-1] == 2 * array.itemsize
    if name == "reversed" and array.shape[-1] > 1:
        assert moved.strides[-1] < 0


@given(st.integers(1, 6).flatmap(lambda n: st.tuples(st.just(n), strategies.axes(n), strategies.masks(n))))
def test_axes_exist_and_a_mask_leaves_a_lane(drawn: tuple[int, int, np.ndarray]) -> None:
    n, axis, mask = drawn

    assert -n <= axis < n
    assert not mask.all()


def close(op: str, row: np.ndarray, a: np.ndarray, b: np.ndarray, factor: float = 2.0) -> np.ndarray:
    """Two answers to one question are at most two bounds apart."""
    said, bound = truth(op, row, format=FLOAT32), bounds(op, row, format=FLOAT32, grade="loose")
    both = np.isfinite(a) & np.isfinite(b)
    with np.errstate(invalid="ignore"):
        off = np.abs(a.astype(np.float64) - b.astype(np.float64))
    allowed = factor * (bound.relative * np.abs(said.nearest) + bound.absolute)
    # Either may be flushed, and a log-probability may overflow.
    tiny = np.abs(said.nearest) <= 2 * FLOAT32.smallest_normal
    return np.asarray((off <= allowed) | tiny | ~both)


@shared
@given(finite_rows)
def test_range_sum_order_and_ties(pair: tuple[Any, Any], row: np.ndarray) -> None:
    p = pair[0](row.astype(np.float32))

    assert ((p >= 0) & (p <= 1)).all()
    flushed = len(row) * FLOAT32.smallest_normal
    assert abs(p.astype(np.float64).sum() - 1) <= row_sum_bound("softmax", row, format=FLOAT32)[0] + flushed
    order = np.argsort(row, kind="stable")
    assert (np.diff(p[order]) >= 0).all()
    assert (np.diff(p[order])[np.diff(row[order]) == 0] == 0).all()


@shared
@given(finite_rows)
def test_exp_of_log_softmax_is_softmax(pair: tuple[Any, Any], row: np.ndarray) -> None:
    x = row.astype(np.float32)
    p, y = pair[0](x), pair[1](x)

    # An absolute error of y is a relative one of exp(y).
    b = bounds("log_softmax", row, format=FLOAT32, grade="loose")
    said = truth("log_softmax", row, format=FLOAT32)
    finite = np.isfinite(said.rounded(FLOAT32))
    slack = np.where(finite, b.relative * np.abs(np.where(finite, said.nearest, 0)) + b.absolute, 0.0)
    with np.errstate(all="ignore"):
        off = np.abs(np.exp(y.astype(np.float64)) - p)
        allowed = np.where(p > 0, p * np.expm1(3 * slack), 0.0) + 2 * FLOAT32.smallest_normal
    assert (off <= allowed).all()


@shared
@given(strategies.rows(FLOAT32, max_size=12), st.randoms(use_true_random=False))
def test_permuting_logits_permutes_the_answer(pair: tuple[Any, Any], row: np.ndarray, random: Any) -> None:
    order = list(range(len(row)))
    random.shuffle(order)
    x = row.astype(np.float32)

    assert close("softmax", row[order], pair[0](x)[order], pair[0](x[order])).all()
    assert close("log_softmax", row[order], pair[1](x)[order], pair[1](x[order])).all()


@shared
@given(finite_rows, st.integers(-1000, 1000))
def test_shifting_by_a_constant_that_loses_no_bit_changes_nothing(pair: Any, row: np.ndarray, shift: int) -> None:
    row = np.round(np.clip(row, -1000, 1000))  # sums of such integers are exact in float32

    moved = row + shift

    assert close("softmax", row, pair[0](row.astype(np.float32)), pair[0](moved.astype(np.float32))).all()
    assert close("log_softmax", row, pair[1](row.astype(np.float32)), pair[1](moved.astype(np.float32))).all()


@shared
@given(finite_rows)
def test_appending_minus_infinity_changes_no_other_lane(pair: tuple[Any, Any], row: np.ndarray) -> None:
    x = row.astype(np.float32)
    longer = np.append(x, np.float32(-np.inf))

    assert close("softmax", row, pair[0](x), pair[0](longer)[:-1]).all()
    assert 0 == pair[0](longer)[-1]
    assert -np.inf == pair[1](longer)[-1]


@shared
@given(st.data())
def test_splitting_a_batch_changes_little(pair: tuple[Any, Any], data: st.DataObject) -> None:
    array = data.draw(strategies.arrays(FLOAT32, max_dims=2))
    assume(array.ndim == 2)
    x = array.astype(np.float32)

    whole, parts = pair[0](x), np.stack([pair[0](row) for row in x])

    assert all(close("softmax", row, a, b).all() for row, a, b in zip(array, whole, parts, strict=True))


def test_a_lost_shift_is_found_at_once_and_in_two_logits_or_fewer() -> None:
    def lost(row: np.ndarray) -> bool:
        with np.errstate(all="ignore"):
            e = np.exp(row.astype(np.float32))
            return not np.isfinite(e / e.sum()).all()

    assert len(find(finite_rows, lost)) <= 2
