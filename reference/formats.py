"""What numbers can a format hold?

A format is a value that is asked, never assumed: nobody else in this project writes ``2**-24``.
Numbers travel between rooms as float64 arrays whose every element is exactly representable in the
format, so a cast at the border of a framework is lossless by construction.  Plain NumPy has no
bfloat16; here it is stored as its raw bits in ``uint16``, and each adapter says how those bits
enter its framework.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Format:
    """A binary floating-point format with subnormals, signed zeros, infinities and NaN.

    Parameters
    ----------
    name
        The name every framework uses: ``float64``, ``float32``, ``float16``, ``bfloat16``.
    precision
        Bits of the significand, the implicit leading bit included (p in IEEE 754).
    emax
        Exponent of the largest finite number; the smallest normal number is ``2**(1 - emax)``.
    storage
        The NumPy dtype its values are handed over in: the native float, or the raw bits.
    """

    name: str
    precision: int
    emax: int
    storage: str

    @property
    def emin(self) -> int:
        """Exponent of the smallest normal number."""
        return 1 - self.emax

    @property
    def unit_roundoff(self) -> float:
        """U = 2**-p: the largest relative error of one rounding to nearest (normal range)."""
        return float(2.0**-self.precision)

    @property
    def max(self) -> float:
        """The largest finite number."""
        return float((2.0 - 2.0 ** (1 - self.precision)) * 2.0**self.emax)

    @property
    def smallest_normal(self) -> float:
        """The smallest positive normal number."""
        return float(2.0**self.emin)

    @property
    def smallest_subnormal(self) -> float:
        """η: the smallest positive number, also the spacing of all subnormals."""
        return float(np.ldexp(1.0, self.emin - self.precision + 1))

    def ulp(self, x: ArrayLike) -> Any:
        """The spacing of the format at |x|: 2**(max(exponent(x), emin) - p + 1), float64.

        At a power of two this is the spacing above it.  For ±inf and NaN the result is NaN.
        """
        x = np.abs(np.asarray(x, dtype=np.float64))
        exponent = np.frexp(x)[1] - 1
        # frexp gives exponent 0 for zero, hence the separate floor.
        exponent = np.where(x == 0, self.emin, np.maximum(exponent, self.emin))
        spacing = np.ldexp(1.0, exponent - self.precision + 1)
        return np.where(np.isfinite(x), spacing, np.nan)[()]

    def quantise(self, x: ArrayLike) -> NDArray[np.float64]:
        """Round float64 numbers to the format, to nearest, ties to even; overflow gives ±inf."""
        x = np.asarray(x, dtype=np.float64)
        if self.precision == 53:
            return x.copy()
        exponent = np.maximum(np.frexp(x)[1] - 1, self.emin) - self.precision + 1
        with np.errstate(invalid="ignore", over="ignore"):
            rounded = np.ldexp(np.rint(np.ldexp(x, -exponent)), exponent)
            overflow = np.abs(rounded) > self.max
        return np.asarray(np.where(overflow, np.copysign(np.inf, x), rounded))

    def encode(self, x: ArrayLike) -> NDArray[Any]:
        """Hand float64 numbers over in the storage dtype, bit for bit.

        Raises
        ------
        ValueError
            If a number is not representable in the format: encoding never rounds.
        """
        x = np.asarray(x, dtype=np.float64)
        if not np.array_equal(self.quantise(x), x, equal_nan=True):
            raise ValueError(f"these numbers are not all representable in {self.name}")
        if self.name == "bfloat16":
            return np.asarray(x.astype(np.float32).view(np.uint32) >> np.uint32(16), dtype=np.uint16)
        return x.astype(self.storage)

    def decode(self, stored: NDArray[Any]) -> NDArray[np.float64]:
        """The numbers behind the storage dtype, as float64; every one is exact.

        Raises
        ------
        TypeError
            If the array is not of the format's storage dtype.
        """
        if stored.dtype != np.dtype(self.storage):
            raise TypeError(f"{self.name} is stored as {self.storage}, not {stored.dtype}")
        if self.name == "bfloat16":
            wide = (stored.astype(np.uint32) << np.uint32(16)).view(np.float32)
            with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
                return wide.astype(np.float64).reshape(stored.shape)
        with np.errstate(invalid="ignore"):
            return stored.astype(np.float64)


FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        Format("float64", precision=53, emax=1023, storage="float64"),
        Format("float32", precision=24, emax=127, storage="float32"),
        Format("float16", precision=11, emax=15, storage="float16"),
        Format("bfloat16", precision=8, emax=127, storage="uint16"),
    )
}
"""Every format the suite asks about, widest first."""
