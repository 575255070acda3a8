"""Arrays that are not of the asked floats: integers, truth values, complex numbers, floats of 8 bits.

To reject them is one legal answer and to return floats is another; what is returned is judged in its own format.
Softmax of integers is where x - max x goes wrong before any float is computed: in an integer type the difference of
a small and a large number *wraps around*, and the smallest logit becomes the largest one.  In an unsigned type every
difference that is not zero does.  So each type is asked a mild row, on which a wrapping difference goes unseen where
the type is signed, and a row whose difference leaves the type: its smallest number beside half its largest, or
zero beside three quarters of it.  All are powers of two or sums of two of them, and so exact in float32 as well: no
conversion rounds them.

bool is asked zeros and ones; uint8 and bool are what masks and images come in.  Floats of 8 bits are asked logits of
a few units: float8_e4m3fn has no infinity, and a maximum that starts at -inf starts at NaN.  Of complex numbers the
suite only says whether they are taken: they have no order, and so no maximum.

The rows ride with float32, the default float everywhere; only frameworks are asked, since a function of one's own is
asked in the dtypes it is said to take.  All but equal logits are in the smoke tier: two small rows a type.

First known victims: int32 raised in TensorFlow (tensorflow/tensorflow#39287); TFLite's log_softmax of int8 could say
nothing below -15.9375 (tensorflow/tensorflow#48816).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._row import Row
from conformance.values import Tier
from reference.formats import FLOAT8_FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def rows(format: Format, rng: np.random.Generator) -> Iterator[Row]:  # noqa: ARG001 - nothing is random
    """A mild row and a wrapping one for each integer type, and one row for each other dtype."""
    if format.name != "float32":
        return
    for name in INTEGERS:
        kind = np.iinfo(name)
        half = 2.0 ** (kind.bits - 2)
        signed = kind.min < 0
        yield _row(name, "mild", [-3.0, 0.0, 2.0, -1.0] if signed else [0.0, 0.0, 0.0, 0.0], "integer")
        wide = [float(kind.min), half, 0.0, 1.0] if signed else [0.0, 3 * half, 1.0, 2 * half]
        yield _row(name, "wraps", wide, "integer")
    yield _row("bool", "mild", [0.0, 1.0, 1.0, 0.0], "bool")
    yield _row("complex64", "mild", [-3.0, 0.0, 2.0, -1.0], "complex")
    for name in FLOAT8_FORMATS:
        yield _row(name, "mild", [-3.0, 0.0, 2.0, -1.0], "float8")
        yield _row(name, "equal", [1.0] * 4, "float8", Tier.STANDARD)


def _row(dtype: str, name: str, values: list[float], policy: str, tier: Tier = Tier.SMOKE) -> Row:
    return Row(f"{dtype},{name}", np.array(values), tier=tier, alone=True, policy=policy, dtype=dtype)
