"""An operation in front of softmax, in one function with it: a scale, a quotient, a bias, a mask.

Alone, x·c is rounded to the format before softmax sees it.  Where a compiler fuses the two it may compute x·c again for
each pass over the row, and then contract x·c - max into one multiply-add, whose product is not rounded: the winner's
own difference is no longer 0 but the rounding error of its product, up to u·|x·c|.  That is nothing for logits of a few
units; in float32 it reaches 128 for products from 2**31 on, exp of it overflows, and the answer is NaN.  So the
magnitudes go from 1 to 1e14, or to the format's largest number, and the scales are no powers of two.  There is one
scale for each row, as for a temperature: XLA fuses an operand of one number a row, and not one of its full shape.

Each row has two winners, equal before the operation and after it, and a runner-up one unit below; half of them are
above zero and half below.  A product kept in a wider format throughout is another answer, and a named choice: the
policy *product* says *unrounded* where the answer is right for the unrounded logits and for no others.  In formats of
16 bits that matters from |x·c| = 100 on.  float64 cannot hold unrounded products; there the policy says
the same where moving each logit by u|x·c| explains the answer, and its row still sums to 1.

The mask is a choice between the logit and -inf in front of the op (*fill*), or the op's own argument (*where*), or a
number that is added (0, or -1e9 or the format's lowest).  Under a mask stand huge numbers, infinities and NaN, which
must not leak; a row with one lane left is a one; a row that is masked wholly has no single right answer, and where the
mask is the op's own argument that is a question of its own (*masked-row*).

An array without an axis is asked behind each operation too: a compiler has an operation alone where there is no loop.

The smoke tier has the scale alone, since a compiler works for seconds on each operation and format.  Controls are not
asked, nor functions of one's own: nothing is fused with either.

First known victims: torch.compile, NaN behind a scale of -1.7e14 (pytorch/pytorch#100775), rows that summed to 0.8
behind a quotient by 1e-6 (pytorch/pytorch#101039), infinities that a scale made and the compiled function did not see
(pytorch/pytorch#161150), an IndexError for an array without an axis behind a product (pytorch/pytorch#190418);
jax.jit, NaN where XLA computed a scaled product twice (jax-ml/jax#38609).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.calls import MASKS
from conformance.cases._ladder import first_middle_last
from conformance.cases._numbers import nearest_finite
from conformance.cases._row import Row
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from reference.formats import Format

N = 17
"""One length: a compiler is asked for one shape a way."""

MAGNITUDES = (1.0, 30.0, 1e4, 1e9, 1e14)

SMALL = 0.003
"""Divisors are between this and ten times as much."""


def rows(format: Format, rng: np.random.Generator) -> Iterator[Row]:
    """Every operation at every magnitude that the format holds, and every mask."""
    room = format.max / 2**8
    for magnitude in MAGNITUDES:
        for sign in (1, -1):
            x = nearest_finite(format, rng.uniform(0.5, 1, N) * magnitude * sign)
            places = rng.permutation(N)[:3]
            x[places] = nearest_finite(format, magnitude if sign > 0 else 0.4 * -magnitude)
            x[places[2]] -= float(format.ulp(x[places[2]]))
            operands = {
                "multiply": nearest_finite(format, rng.uniform([0.1], 0.9)),
                "divide": nearest_finite(format, rng.uniform([SMALL], 10 * SMALL)),
                "add": _equal_at(places, nearest_finite(format, rng.uniform(-0.5, 0.5, N) * magnitude)),
            }
            for way, operand in operands.items():
                if magnitude < (room * SMALL if way == "divide" else room):
                    name = f"{way},{'+' if sign > 0 else '-'}{magnitude:g}"
                    tier = Tier.SMOKE if way == "multiply" else Tier.STANDARD
                    yield Row(name, x, tier=tier, way=way, operand=operand)
    x = nearest_finite(format, rng.normal(0, 4, N))
    for name, low in (("-1e4", -1e4), ("-1e9", -1e9), ("lowest", -format.max)):
        mask = np.where(rng.random(N) < 0.5, 0.0, nearest_finite(format, low))
        yield Row(f"add,mask={name}", x, way="add", operand=mask)
    yield from _masked(format, x, rng)
    for way, number in (("multiply", 2.0), ("divide", 0.5), ("add", 2.0), ("fill", 1.0)):
        yield Row(f"{way},0-d", np.array(2.0), alone=True, policy="0-d", way=way, operand=np.array(number))


def _equal_at(places: NDArray[np.intp], operand: NDArray[np.float64]) -> NDArray[np.float64]:
    operand[places] = operand[places[0]]
    return operand


def _masked(format: Format, x: NDArray[np.float64], rng: np.random.Generator) -> Iterator[Row]:
    half = (rng.random(N) < 0.5).astype(np.float64)
    for way in MASKS:
        for name, under in (("own", x), ("max", format.max), ("inf", np.inf), ("nan", np.nan)):
            yield Row(f"{way},under={name}", np.where(half, x, under), way=way, operand=half)
        for place in first_middle_last(N):
            one = (np.arange(N) == place).astype(np.float64)
            yield Row(f"{way},only={place}", x, way=way, operand=one)
        yield Row(f"{way},all", x, way=way, operand=np.zeros(N))
        yield Row(f"{way},none", x, way=way, operand=np.ones(N))
