"""Answers a question by blocks of rows, on every core, at one speed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reference import blocks
from reference.flushing import refuse_flushing
from reference.forward import DOUBLE_DOUBLE, FLOAT64, MIDDLE, Output, Pairs, solve
from reference.gradient import solve_vjp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from reference.formats import Format
    from reference.forward import Speed
    from reference.twofold import Numbers


def speed_for(op: str, format: Format) -> Speed:
    """The cheapest speed whose error is far below the format's rounding; a vjp cancels, and takes the next one."""
    # No cheaper speed knows what is below 2**-486: see reference.verdicts._hidden.
    narrow = format.precision <= 24 and format.emin - format.precision > -486
    if op.endswith("_vjp"):
        return MIDDLE if narrow else DOUBLE_DOUBLE
    return FLOAT64 if narrow else MIDDLE


@dataclass(frozen=True, eq=False)
class Question:
    """An op of float64 logits along an axis; a part of it can be asked again."""

    op: str
    x: Numbers
    axis: int
    cotangent: Numbers | None

    def rows(self, chosen: NDArray[np.bool_]) -> Question:
        """The chosen rows, side by side along a last axis."""

        def only(array: Numbers) -> Numbers:
            return np.moveaxis(array, self.axis, -1)[chosen]

        return Question(self.op, only(self.x), 1, None if self.cotangent is None else only(self.cotangent))

    def answer(self, speed: Speed) -> Output:
        """Every row at one speed; all arrays have the shape of the question."""
        refuse_flushing()
        n = self.x.shape[self.axis]
        if self.x.size == 0:
            return Output.empty(self.x.shape)
        # Short rows lie along the first axis of a matrix, long ones along the second.
        axis = 0 if n <= blocks.SHORT else 1
        count = self.x.size // n

        def matrix(array: Numbers) -> Numbers:
            return np.moveaxis(array, self.axis, 0 if axis == 0 else -1).reshape(
                (n, count) if axis == 0 else (count, n)
            )

        x, g = matrix(self.x), None if self.cotangent is None else matrix(self.cotangent)
        out = Output.empty(x.shape)
        each_block = [
            (slice(None), slice(i, i + width)) if axis == 0 else (slice(i, i + width), slice(None))
            for width in [max(1, speed.block // n)]
            for i in range(0, count, width)
        ]
        with blocks.threads(self.x.size, speed.block) as share:
            # The threads share blocks, and a few long rows piece by piece.
            many = len(each_block) > 3
            over_blocks, over_pieces = (share, blocks.one_by_one) if many else (blocks.one_by_one, share)

            def one(at: tuple[slice, slice]) -> None:
                with np.errstate(all="ignore"):
                    block = np.ascontiguousarray(x[at])
                    if g is None:
                        solve(self.op, block, axis, speed, out[at], over_pieces)
                    else:
                        assert isinstance(speed, Pairs)  # a difference of float64 numbers would be none
                        solve_vjp(self.op, block, np.ascontiguousarray(g[at]), axis, speed, out[at], over_pieces)

            over_blocks(one, each_block)
        moved = np.moveaxis(self.x, self.axis, 0 if axis == 0 else -1).shape

        def back(part: NDArray[Any]) -> NDArray[Any]:
            return np.moveaxis(part.reshape(moved), 0 if axis == 0 else -1, self.axis)

        return Output(back(out.high), back(out.low), back(out.exponent), back(out.error))
