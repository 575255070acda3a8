"""Planted mistakes in the sum: its precision, its blocks, and which terms it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from planted import BOTH, EVERY, along, answer, bfloat16, compute, one_pass, running, shifted, total, wrong

if TYPE_CHECKING:
    from planted import Array


@wrong(
    "sum-in-float16",
    op=BOTH,
    why="A running sum in float16 stalls at 2048 equal terms. "
    "https://github.com/huggingface/candle/issues/3727, https://github.com/apache/mxnet/issues/14072",
    longest=4097,
)
def sum_in_float16(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, total=lambda e: running(e, np.float16))


@wrong(
    "sum-in-bfloat16",
    op=BOTH,
    why="A running sum in bfloat16 stalls at 256 equal terms. https://github.com/pytorch/xla/pull/8509",
    longest=513,
)
def sum_in_bfloat16(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, total=lambda e: running(e, bfloat16))


@wrong(
    "sum-overflows-float16",
    op=BOTH,
    why="A good sum is stored in float16, which ends at 65504: more equal terms than that have an infinite sum, "
    "the shortest row that shows it in 16 bits. https://github.com/microsoft/onnxruntime/pull/24577",
    longest=65_536,
)
def sum_overflows_float16(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, total=lambda e: through_float16(total(e)))


def through_float16(s: Array) -> Array:
    return s.astype(np.float16).astype(s.dtype)


@wrong(
    "sum-in-float32",
    op=BOTH,
    why="float64 terms are added in float32: eight digits are lost at any length.",
    dtypes=("float64",),
    longest=2,
)
def sum_in_float32(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, total=lambda e: total(e.astype(np.float32)).astype(e.dtype))


@wrong(
    "sum-in-16-bit-fixed-point",
    why="Each term is cut to 16 fractional bits: terms below 2**-16 vanish, however many there are. Many equal "
    "logits eleven below one winner; in bfloat16 that takes a longer row.",
    dtypes=("float64", "float32", "float16"),
    longest=4097,
)
def sum_in_16_bit_fixed_point(x: Array, axis: int) -> Array:
    return compute(x, axis, total=lambda e: total(np.floor(e * 65536) / 65536))


@wrong(
    "sum-skips-small-terms",
    why="Terms below 1e-6 are skipped as if they could not matter; in float64 one of them does, and in float32 many: "
    "logits 14 to 15 below one winner.",
    dtypes=("float64", "float32"),
    longest=4097,
)
def sum_skips_small_terms(x: Array, axis: int) -> Array:
    return compute(x, axis, total=lambda e: total(np.where(e < 1e-6, 0, e)))


@wrong(
    "kahan-with-wrong-sign",
    op=BOTH,
    why="A compensated sum in 16 bits that adds the compensation it should subtract, and stalls like one without: "
    "equal terms, 2048 of them in float16 and 256 in bfloat16.",
    dtypes=("float16", "bfloat16"),
    longest=4097,
)
def kahan_with_wrong_sign(x: Array, axis: int, op: str = "softmax") -> Array:
    def kahan(e: Array) -> Array:
        terms = np.ascontiguousarray(e.astype(x.dtype).T)
        s = np.zeros_like(terms[0])
        c = np.zeros_like(s)
        for term in terms:
            y = term + c
            higher = s + y
            c = (higher - s) - y
            s = higher
        return s.astype(e.dtype)[:, None]

    return compute(x, axis, op, total=kahan)


@wrong(
    "dropped-tail",
    op=BOTH,
    why="From eight lanes on only whole vectors of eight are added; the winner in the tail of a row of nine is missed.",
    longest=9,
)
def dropped_tail(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, total=lambda e: total(e[:, : e.shape[-1] // 8 * 8 or None]))


@wrong(
    "last-missing",
    op=BOTH,
    why="An exclusive end: the last term is not in the sum.",
    longest=2,
)
def last_missing(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, total=lambda e: total(e[:, : max(e.shape[-1] - 1, 1)]))


@wrong(
    "first-twice",
    op=BOTH,
    why="The sum starts as the first term and the loop starts at it too: a row of one gets one half.",
    longest=1,
)
def first_twice(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, total=lambda e: e[:, :1] + total(e))


@wrong(
    "overlapping-tail",
    why="The tail is read as one whole vector that ends at the last lane, and the lanes it shares with the vector "
    "before are added twice: nine equal logits.",
    longest=9,
)
def overlapping_tail(x: Array, axis: int) -> Array:
    def add(e: Array) -> Array:
        n = e.shape[-1]
        return total(e) + (total(e[:, n - 8 : n // 8 * 8]) if n > 8 and n % 8 else 0)

    return compute(x, axis, total=add)


@wrong(
    "pairwise-drops-odd",
    why="A tree of pairs that forgets the odd one out at each level: three equal logits.",
    longest=3,
)
def pairwise_drops_odd(x: Array, axis: int) -> Array:
    def tree(e: Array) -> Array:
        while e.shape[-1] > 1:
            half = e.shape[-1] // 2
            e = e[:, :half] + e[:, half : 2 * half]
        return e

    return compute(x, axis, total=tree)


@wrong(
    "tree-stride-halved-down",
    why="A shared-memory reduction of up to 32 partial sums whose first stride is half their number rounded down: "
    "of three partial sums the last is lost. https://github.com/NVIDIA/TensorRT/issues/1097 is about such lengths",
    longest=65,
)
def tree_stride_halved_down(x: Array, axis: int) -> Array:
    def warps(e: Array) -> Array:
        parts = [total(e[:, i : i + 32]) for i in range(0, e.shape[-1], 32)]
        while len(parts) > 1:
            stride = len(parts) // 2
            parts = [parts[i] + parts[i + stride] for i in range(stride)]
        return parts[0]

    return compute(x, axis, total=warps)


@wrong(
    "one-block-only",
    op=BOTH,
    why="The reduction covers one block of 1024 lanes and the launcher sends longer rows too: the winner at place "
    "1025 is missed. https://github.com/NVIDIA/TensorRT/issues/1097",
    longest=1025,
)
def one_block_only(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, total=lambda e: total(e[:, :1024]))


@wrong(
    "index-wraps",
    op=BOTH,
    why="A 16-bit counter of lanes: only the first 65,536 are added, and the winner after them is missed. Stands "
    "for the 32-bit ones of https://github.com/pytorch/pytorch/pull/52713 and "
    "https://github.com/pytorch/pytorch/pull/192007, whose rows are too long for a test",
    longest=65_537,
)
def index_wraps(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, total=lambda e: total(e[:, : 2**16]))


@wrong(
    "index-wraps-at-length",
    why="The length itself is kept in 16 bits: a row of 65,537 is taken for a row of one, and its sum is the first "
    "term. The 32-bit original: https://github.com/microsoft/onnxruntime/issues/32299",
    longest=65_537,
)
def index_wraps_at_length(x: Array, axis: int) -> Array:
    return compute(x, axis, total=lambda e: total(e[:, : e.shape[-1] % 2**16 or None]))


@wrong(
    "online-not-rescaled",
    op=BOTH,
    why="The maximum moves from one block of 32 to the next and the sum so far is not rescaled: a row that climbs.",
    longest=33,
)
def online_not_rescaled(x: Array, axis: int, op: str = "softmax") -> Array:
    return one_pass(x, axis, op, rescale=np.ones_like)


@wrong(
    "online-rescaled-twice",
    op=BOTH,
    why="The sum so far is rescaled once for the block and once for the row: a row that climbs by a little between "
    "blocks.",
    longest=33,
)
def online_rescaled_twice(x: Array, axis: int, op: str = "softmax") -> Array:
    return one_pass(x, axis, op, rescale=lambda d: np.exp(2 * d))


@wrong(
    "online-rescaled-upwards",
    why="The old and the new maximum change places in the rescaling: a row that climbs counts its past too much.",
    longest=33,
)
def online_rescaled_upwards(x: Array, axis: int) -> Array:
    return one_pass(x, axis, "softmax", rescale=lambda d: np.where(d == -np.inf, 0, np.exp(-d)))


@wrong(
    "online-masked-block",
    op=BOTH,
    why="A first block of nothing but -inf has no maximum to subtract, and -inf minus -inf makes the row NaN. "
    "https://github.com/Dao-AILab/flash-attention/issues/1930",
    longest=33,
)
def online_masked_block(x: Array, axis: int, op: str = "softmax") -> Array:
    return one_pass(x, axis, op, base=lambda m: m)


@wrong(
    "split-merged-without-maximum",
    why="Two halves of a row are summed apart, each shifted by its own maximum, and the sums are added as they are: "
    "[0, 10].",
    longest=2,
)
def split_merged_without_maximum(x: Array, axis: int) -> Array:
    def body(z: Array) -> Array:
        half = (z.shape[-1] + 1) // 2
        parts = [total(np.exp(shifted(part))) for part in (z[:, :half], z[:, half:]) if part.shape[-1]]
        t = shifted(z)
        return answer("softmax", t, np.exp(t), np.sum(parts, axis=0))

    return along(x, axis, body)


@wrong(
    "mean-for-sum",
    why="The mean of the terms divides them: every answer is n times too large.",
    longest=2,
)
def mean_for_sum(x: Array, axis: int) -> Array:
    return compute(x, axis, total=lambda e: e.mean(axis=-1, keepdims=True))


@wrong(
    "top-50-only",
    why="The 50 largest are kept, a sampling habit: of 51 equal logits one gets nothing.",
    longest=51,
)
def top_50_only(x: Array, axis: int) -> Array:
    return _largest(x, axis, 50)


@wrong(
    "top-256-only",
    why="The 256 largest are kept, enough for every row somebody looked at: of 257 equal logits one gets nothing.",
    longest=257,
)
def top_256_only(x: Array, axis: int) -> Array:
    return _largest(x, axis, 256)


def _largest(x: Array, axis: int, count: int) -> Array:
    def exp(t: Array) -> Array:
        e = np.exp(t)
        if e.shape[-1] > count:
            least = np.argsort(e, axis=-1, kind="stable")[:, : e.shape[-1] - count]
            # A NaN sorts last and stays.
            np.put_along_axis(e, least, e.dtype.type(0), -1)
        return e

    return compute(x, axis, exp=exp)


@wrong(
    "sum-of-distinct",
    why="Equal logits are counted once, after a pass that looks for distinct values: [0, 0].",
    longest=2,
)
def sum_of_distinct(x: Array, axis: int) -> Array:
    def distinct(e: Array) -> Array:
        e = np.sort(e, axis=-1)
        again = np.diff(e, axis=-1, prepend=-1) == 0
        return total(np.where(again, 0, e))

    return compute(x, axis, total=distinct)


@wrong(
    "tail-summed-twice-in-batch",
    why="With two rows or more, rows of odd length beyond 512 start unaligned, and the correction for the first "
    "lanes is added twice. Inspired by the sizes of https://github.com/pytorch/pytorch/issues/147284 and "
    "https://github.com/pytorch/pytorch/issues/143644",
    dtypes=EVERY,
    longest=513,
)
def tail_summed_twice_in_batch(x: Array, axis: int) -> Array:
    def add(e: Array) -> Array:
        unaligned = len(e) > 1 and e.shape[-1] > 512 and e.shape[-1] % 2
        return total(e) + (total(e[:, :3]) if unaligned else 0)

    return compute(x, axis, total=add)


@wrong(
    "first-wave-only",
    op=BOTH,
    why="The blocks of 1024 lanes run in waves, and the row is divided by the sum of the first wave of 190 blocks: "
    "zeros((262144,)) sum to 1.35.",
    longest=202_048,
)
def first_wave_only(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, total=lambda e: total(e[:, : 190 * 1024]))


@wrong(
    "sum-ends-at-200000",
    op=BOTH,
    why="A workspace of 200,000 terms, more than any vocabulary of its day: zeros((202048,)) sum to 1.0102.",
    longest=202_048,
)
def sum_ends_at_200000(x: Array, axis: int, op: str = "softmax") -> Array:
    return compute(x, axis, op, total=lambda e: total(e[:, :200_000]))


@wrong(
    "wide-slices-masked",
    op=BOTH,
    why="Slices of 4096 lanes, of which one of nothing but -inf has no maximum: full(8192, -inf) whose last lane is 0. "
    "https://github.com/Dao-AILab/flash-attention/issues/1930",
    longest=4097,
)
def wide_slices_masked(x: Array, axis: int, op: str = "softmax") -> Array:
    return one_pass(x, axis, op, width=4096, base=lambda m: m)


@wrong(
    "round-lengths-alone",
    op=BOTH,
    why="Lengths of up to 17, within one of a multiple of 32 and that of one vocabulary were tried, and all others lose "
    "their last lane: 50, for example.",
    longest=2000,
)
def round_lengths_alone(x: Array, axis: int, op: str = "softmax") -> Array:
    def add(e: Array) -> Array:
        n = e.shape[-1]
        tried = n <= 17 or n % 32 in (31, 0, 1) or n == 50_257
        return total(e) if tried else total(e[:, :-1])

    return compute(x, axis, op, total=add)
