"""The op's own arguments: another format for the answer, an array to write it to, two axes, all axes, no axis.

``dtype=`` converts first and computes then: half-precision logits asked for in float32 have the accuracy of float32,
and a kernel that computes first and converts then has lost it.  Down to a narrower format the logits are rounded, some
become equal that were not, and some overflow; a compiler that drops the conversion because the op converts back at once
answers for the logits as they were, which the policy *product* calls *unrounded*.  Where a framework has no such
argument, the conversion stands in front of the op, in one function with it.

``out=`` is asked with an array that does not lie in memory like the input, and is full of NaN: what is not written, or
is written where a dense array would have it, shows.

``out=`` may also be the input itself, or lie one row further in the same memory.  There a kernel that writes the first
row before it has read the second answers for its own answers.  To refuse that is as right as to copy first (the policy
*aliased-out*); numbers of another row are a violation.

A tuple of axes and ``axis=None`` are one softmax over several axes; the two of the tuple are no neighbours.  Where no
axis is named, the frameworks mean different ones, and PyTorch another one by the rank: the policy *default-axis*.
That question rides with float32, as it is none of precision.

Only frameworks are asked: a function of one's own is ``fn(x, axis)``.  The smoke tier has one conversion
to each format, since each question is a compilation of its own.

First known victims: PyTorch, which refused float32 for logits in bfloat16 on CUDA (pytorch/pytorch#102723), and whose
export to ONNX converted behind the op and not in front of it (microsoft/onnxruntime#20057).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._numbers import nearest_finite
from conformance.cases._row import Row
from conformance.values import Tier
from reference.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format

N = 17

FROM = {
    "float64": ("float32",),
    "float32": ("float64", "float16", "bfloat16"),
    "float16": ("float32",),
    "bfloat16": ("float32",),
}
"""Format of the answer → formats that are converted to it; each is one compilation in every compiled mode."""

OUT_LAYOUTS = ("step", "transposed")

ALIASED = (((5, 7), -1), ((5, 7), 0), ((33, 257), -1))
"""Shape and axis of arrays that are written over; the later ones in float32 alone."""


def rows(format: Format, rng: np.random.Generator) -> Iterator[Row]:
    """Every conversion on three rows, then an array to write to, several axes, no axis."""
    for dtype in FROM[format.name]:
        source = FORMATS[dtype]
        close = 1000 * (1 + np.ldexp(1.0, np.linspace(-24, -3, N).round().astype(int)))
        far = np.linspace(-1, 1, N) * min(2 * format.max, source.max)
        for name, values in (("spread", rng.normal(0, 4, N)), ("close", close), ("far", far)):
            tier = Tier.SMOKE if name == "close" and dtype == FROM[format.name][0] else Tier.STANDARD
            yield Row(f"dtype=,from={dtype},{name}", nearest_finite(source, values), tier=tier, way="cast", dtype=dtype)
    values = nearest_finite(format, rng.normal(1000, 8, (5, 7)))
    for layout in OUT_LAYOUTS:
        buffer = np.full(values.shape, np.nan)
        yield Row(f"out=,{layout}", values, alone=True, layout=layout, way="out", operand=buffer)
    for shape, axis in ALIASED if format.name == "float32" else ALIASED[:1]:
        values = nearest_finite(format, rng.normal(1000, 8, shape))
        for way in ("in-place", "overlap"):
            name = f"out=,{way},{'x'.join(map(str, shape))},axis={axis}"
            yield Row(name, values, axis=axis, alone=True, way=way, policy="aliased-out")
    values = nearest_finite(format, rng.normal(1000, 8, (3, 35)))
    yield Row("axis=tuple", values, alone=True, way="axes")
    yield Row("axis=None", values[0], alone=True, way="flat")
    if format.name == "float32":
        for unnamed in ((3, 33), (2, 3, 33)):
            values = nearest_finite(format, rng.normal(0, 4, unnamed))
            name = f"axis-not-named,{'x'.join(map(str, unnamed))}"
            yield Row(name, values, alone=True, way="default", policy="default-axis")
