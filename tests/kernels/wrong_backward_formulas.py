"""Planted mistakes in the formula of a backward pass: what is left out, exchanged, or taken from the wrong place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from backward import along_both, gradient, product, shares, terms
from numpy.lib.array_utils import normalize_axis_index
from planted import VJPS, finish, shifted, through, total, wide, wrong

if TYPE_CHECKING:
    from planted import Array


@wrong(
    "vjp-without-sum",
    op=VJPS,
    why="The sum is left out, as if the normaliser were a constant (detached from the graph): p·g, or g itself.",
    longest=2,
)
def without_sum(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, total=lambda each: 0 * each)


@wrong("vjp-sum-over-the-batch", op=VJPS, why="The sum runs over the rows and not along them.", longest=2)
def sum_over_the_batch(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, total=lambda each: each.sum(axis=0, keepdims=True))


@wrong(
    "vjp-sum-without-kept-axis",
    op=VJPS,
    why="The sum drops its axis and is broadcast from the right: an error for most shapes, and the sums of other rows, "
    "silently, for a square or a column.",
    longest=1,
)
def sum_without_kept_axis(x: Array, axis: int, g: Array, op: str) -> Array:
    true = normalize_axis_index(axis, max(x.ndim, 1))
    if x.ndim == 0 or x.size == 0:
        return gradient(x, axis, g, op)
    with np.errstate(all="ignore"):
        z, h = wide(x), wide(g)
        e = np.exp(z - z.max(axis=true, keepdims=True))
        p = e / e.sum(axis=true, keepdims=True)
        return finish(product(op, p, h, terms(op, p, h).sum(axis=true)), x)


@wrong("vjp-shares-of-neighbour", op=VJPS, why="The shares are those of the row before.", longest=2)
def shares_of_neighbour(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, shares=lambda z: np.roll(shares(z), 1, axis=0))


@wrong("vjp-shares-of-first-row", op=VJPS, why="The shares of the first row serve all of them.", longest=2)
def shares_of_first_row(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, shares=lambda z: shares(z[:1]) + 0 * shares(z))


@wrong("vjp-plus-the-sum", op=VJPS, why="The sum is added where it should be subtracted.", longest=1)
def plus_the_sum(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, total=lambda each: -total(each))


@wrong("vjp-negated", op=VJPS, why="Descent and ascent exchanged: the right numbers with the wrong sign.", longest=2)
def negated(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, product=lambda op, p, h, s: -product(op, p, h, s))


@wrong("vjp-shares-twice", op=VJPS, why="The last product takes p twice.", longest=2)
def shares_twice(x: Array, axis: int, g: Array, op: str) -> Array:
    def last(op: str, p: Array, h: Array, s: Array) -> Array:
        return p * product(op, p, h, s) if op == "softmax_vjp" else h - p * p * s

    return gradient(x, axis, g, op, product=last)


@wrong(
    "vjp-sum-of-the-other-op",
    op=VJPS,
    why="The sum is that of the other op: Σ g in softmax, Σ p·g in log_softmax.",
    longest=2,
)
def sum_of_the_other_op(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, terms=lambda op, p, h: h if op == "softmax_vjp" else p * h)


@wrong(
    "vjp-jvp",
    op="log_softmax_vjp",
    why="g_i - Σ p_j g_j, the product with the Jacobian and not with its transpose; in softmax these are one.",
    longest=2,
)
def jvp(x: Array, axis: int, g: Array) -> Array:
    return gradient(x, axis, g, "log_softmax_vjp", product=lambda _op, p, h, _s: h - total(p * h))


@wrong("vjp-diagonal-alone", op=VJPS, why="The Jacobian is taken for its diagonal: p(1 - p)g, or (1 - p)g.", longest=2)
def diagonal_alone(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, product=lambda op, p, h, _s: product(op, p, h, terms(op, p, h)))


@wrong("vjp-last-share-missing", op=VJPS, why="The sum is multiplied by no share: g - Σ p·g, or g - Σ g.", longest=2)
def last_share_missing(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, product=lambda _op, _p, h, s: h - s)


@wrong("vjp-straight-through", op="softmax_vjp", why="The cotangent is handed on as it came.", longest=1)
def straight_through(x: Array, axis: int, g: Array) -> Array:
    return gradient(x, axis, g, "softmax_vjp", product=lambda _op, _p, h, _s: h)


@wrong("vjp-evenly", op=VJPS, why="Every lane has the share 1/n.", longest=2)
def evenly(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, shares=lambda z: 0 * shares(z) + z.dtype.type(1 / z.shape[-1]))


@wrong(
    "vjp-mean-for-sum",
    op=VJPS,
    why="The mean of the terms is taken for their sum: the loss was to be averaged, once too often.",
    longest=2,
)
def mean_for_sum(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, total=lambda each: each.mean(axis=-1, keepdims=True))


@wrong(
    "vjp-inverse-square",
    op="softmax_vjp",
    why="e/S is differentiated as it stands, g/S - Σ e·g/S², and S**-2 is kept in float16, where it underflows: of "
    "4097 equal logits 1/S² is one unit of the smallest number, of 100,000 it is nothing. The cause of what JAX does in float16.",
    dtypes=("float16",),
    longest=100_000,
)
def inverse_square(x: Array, axis: int, g: Array) -> Array:
    def body(z: Array, h: Array) -> Array:
        e = np.exp(shifted(z))
        s = total(e)
        return e * (h / s - total(e * h) * through(1 / s**2, x.dtype))

    return along_both(x, axis, g, body)


@wrong(
    "vjp-divided-by-shares",
    op="log_softmax_vjp",
    why="log_softmax as log(softmax), whose cotangent is g/p: 0·inf where a share is zero. "
    "https://github.com/FluxML/NNlib.jl/issues/68, [-1047, -981, 1891]",
    longest=3,
)
def divided_by_shares(x: Array, axis: int, g: Array) -> Array:
    return gradient(x, axis, g, "log_softmax_vjp", product=lambda _op, p, h, s: p * (h / p - s))


@wrong(
    "vjp-epsilon-in-logarithm",
    op="log_softmax_vjp",
    why="log(p + 1e-7) is what is differentiated: p·(g/(p + 1e-7) - Σ p·g/(p + 1e-7)). In bfloat16 a share has to be small.",
    longest=2,
)
def epsilon_in_logarithm(x: Array, axis: int, g: Array) -> Array:
    def last(_op: str, p: Array, h: Array, _s: Array) -> Array:
        inner = h / (p + p.dtype.type(1e-7))
        return p * (inner - total(p * inner))

    return gradient(x, axis, g, "log_softmax_vjp", product=last)


@wrong(
    "vjp-shares-clipped",
    op=VJPS,
    why="The shares are kept between 1e-7 and 1 - 1e-7, as Keras keeps probabilities: a masked lane has one.",
    longest=17,
)
def shares_clipped(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, shares=lambda z: np.clip(shares(z), z.dtype.type(1e-7), z.dtype.type(1 - 1e-7)))


@wrong("vjp-shares-unshifted", op=VJPS, why="The shares are recomputed without the maximum: exp(1000).", longest=2)
def shares_unshifted(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, shares=lambda z: np.exp(z) / total(np.exp(z)))


@wrong(
    "vjp-logarithm-overflows",
    op=VJPS,
    why="p = exp(x - log Σ exp(x)), the sum taken without the maximum: it overflows, and every share is zero.",
    longest=2,
)
def logarithm_overflows(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, shares=lambda z: np.exp(z - np.log(total(np.exp(z)))))


@wrong(
    "vjp-normaliser-rounded",
    op=VJPS,
    why="The forward pass saved max + log S in the format of the logits: beside a logit of 1000 nothing is left of "
    "log S in 16 bits, and of its digits in float32.",
    longest=2,
)
def normaliser_rounded(x: Array, axis: int, g: Array, op: str) -> Array:
    def saved(z: Array) -> Array:
        m = z.max(axis=-1, keepdims=True)
        return np.exp(z - through(m + np.log(total(np.exp(z - m))), x.dtype))

    return gradient(x, axis, g, op, shares=saved)


@wrong("vjp-logits-saved", op=VJPS, why="The logits were saved where the answer was wanted: x for p.", longest=2)
def logits_saved(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, shares=lambda z: z if op == "softmax_vjp" else np.exp(z))


@wrong(
    "vjp-answer-of-the-other-op",
    op=VJPS,
    why="The saved answer is that of the other op: exp(p) for p, or log p.",
    longest=2,
)
def answer_of_the_other_op(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, shares=lambda z: np.log(shares(z)) if op == "softmax_vjp" else np.exp(shares(z)))


@wrong(
    "vjp-assumes-one-target",
    op="log_softmax_vjp",
    why="Fused with a loss whose cotangents sum to -1: g + p, whatever they sum to.",
    longest=1,
)
def assumes_one_target(x: Array, axis: int, g: Array) -> Array:
    return gradient(x, axis, g, "log_softmax_vjp", product=lambda _op, p, h, _s: h + p)


@wrong(
    "vjp-last-share-is-the-rest",
    op=VJPS,
    why="The last share is what the others leave of one, a sigmoid's habit: nothing, where the winner's is one. The "
    "loser's lane of https://github.com/pytorch/pytorch/issues/195680. In float16 such a share is no number either.",
    dtypes=("float64", "float32", "bfloat16"),
    longest=2,
)
def last_share_is_the_rest(x: Array, axis: int, g: Array, op: str) -> Array:
    def rest(z: Array) -> Array:
        p = shares(z)
        p[:, -1:] = 1 - total(p[:, :-1])
        return p

    return gradient(x, axis, g, op, shares=rest)


@wrong(
    "vjp-shares-of-the-cotangent",
    op=VJPS,
    why="The arguments have changed places: the shares of the cotangent, weighted with the logits.",
    longest=2,
)
def shares_of_the_cotangent(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(g, axis, x, op)


@wrong(
    "vjp-shares-in-eight-bits",
    op=VJPS,
    why="The shares are saved in steps of 1/255, enough for an image.",
    longest=3,
)
def shares_in_eight_bits(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, shares=lambda z: np.rint(shares(z) * 255) / z.dtype.type(255))


@wrong(
    "vjp-shares-through-float16",
    op=VJPS,
    why="The shares are saved in float16, whatever the format: 2**-26 is nothing there.",
    dtypes=("float64", "float32", "bfloat16"),
    longest=2,
)
def shares_through_float16(x: Array, axis: int, g: Array, op: str) -> Array:
    return gradient(x, axis, g, op, shares=lambda z: through(shares(z), np.float16))


@wrong(
    "vjp-winner-alone-flows",
    op="softmax_vjp",
    why="Only the lane of the largest logit gets a gradient, as from an argmax.",
    longest=2,
)
def winner_alone_flows(x: Array, axis: int, g: Array) -> Array:
    def last(op: str, p: Array, h: Array, s: Array) -> Array:
        return np.where(p == p.max(axis=-1, keepdims=True), product(op, p, h, s), 0 * s)

    return gradient(x, axis, g, "softmax_vjp", product=last)


@wrong(
    "vjp-ties-broken",
    op=VJPS,
    why="Of several largest logits the first alone has a share.",
    longest=2,
)
def ties_broken(x: Array, axis: int, g: Array, op: str) -> Array:
    def first(z: Array) -> Array:
        later = (shifted(z) == 0) & (np.arange(z.shape[-1]) != z.argmax(axis=-1, keepdims=True))
        return shares(np.where(later, z.dtype.type(-np.inf), z))

    return gradient(x, axis, g, op, shares=first)
