"""Floating-point formats: which numbers each can hold.

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
    """A binary floating-point format with subnormals and signed zeros.

    Parameters
    ----------
    name
        The name every framework uses: ``float64``, ``float32``, ``float16``, ``bfloat16``, ``float8_e4m3fn``, ….
    precision
        Bits of the significand, the implicit leading bit included (p in IEEE 754).
    emin
        Exponent of the smallest normal number, 2**emin.
    emax
        Exponent of the largest finite number.
    storage
        The NumPy dtype its values are handed over in: the native float, or an unsigned integer for raw bits.
    has_inf
        False for formats that spend the bits of infinity on finite numbers: overflow is NaN there, and only
        the all-ones significand of the top binade is no number.
    """

    name: str
    precision: int
    emin: int
    emax: int
    storage: str
    has_inf: bool = True

    @property
    def unit_roundoff(self) -> float:
        """u = 2**-p: the largest relative error of one rounding to nearest (normal range)."""
        return float(2.0**-self.precision)

    @property
    def max(self) -> float:
        """The largest finite number."""
        places_lost = 1 if self.has_inf else 2
        return float((2.0 - places_lost * 2.0 ** (1 - self.precision)) * 2.0**self.emax)

    @property
    def overflow(self) -> float:
        """What a positive number beyond the range becomes: inf, or NaN in a format without it."""
        return float("inf") if self.has_inf else float("nan")

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
        """Round float64 numbers to the format, to nearest, ties to even; beyond the range see :attr:`overflow`."""
        x = np.asarray(x, dtype=np.float64)
        if self.precision == 53:
            return x.copy()
        exponent = np.maximum(np.frexp(x)[1] - 1, self.emin) - self.precision + 1
        with np.errstate(invalid="ignore", over="ignore"):
            rounded = np.ldexp(np.rint(np.ldexp(x, -exponent)), exponent)
            overflow = np.abs(rounded) > self.max
        return np.asarray(np.where(overflow, np.copysign(self.overflow, x), rounded))

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
        if not self._is_raw:
            return x.astype(self.storage)
        exponent = np.where(x == 0, self.emin, np.maximum(np.frexp(x)[1] - 1, self.emin))
        with np.errstate(invalid="ignore"):
            # The significand, with its leading bit for a normal number, counts on through the exponents.
            significand = np.ldexp(np.abs(x), self.precision - 1 - exponent)
            count = significand + np.ldexp((exponent - self.emin).astype(np.float64), self.precision - 1)
            count = np.where(np.isinf(x), np.ldexp(float(self.emax - self.emin + 2), self.precision - 1), count)
            count = np.where(np.isnan(x), self._sign_bit - 1, count)
            return np.asarray(count + np.where(np.signbit(x), self._sign_bit, 0)).astype(self.storage)

    def decode(self, stored: NDArray[Any]) -> NDArray[np.float64]:
        """The numbers behind the storage dtype, as float64; every one is exact.

        Raises
        ------
        TypeError
            If the array is not of the format's storage dtype.
        """
        if stored.dtype != np.dtype(self.storage):
            raise TypeError(f"{self.name} is stored as {self.storage}, not {stored.dtype}")
        if not self._is_raw:
            with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
                return stored.astype(np.float64)
        count = (stored & (self._sign_bit - 1)).astype(np.int64)
        binade = np.maximum((count >> (self.precision - 1)) - 1, 0)
        significand = count - (binade << (self.precision - 1))
        value = np.ldexp(significand.astype(np.float64), binade + self.emin - self.precision + 1)
        if self.has_inf:
            top = (self.emax - self.emin + 2) << (self.precision - 1)
            value = np.where(count == top, np.inf, np.where(count > top, np.nan, value))
        else:
            value = np.where(count == self._sign_bit - 1, np.nan, value)
        return np.asarray(np.copysign(value, np.where(stored & self._sign_bit, -1.0, 1.0)))

    @property
    def _is_raw(self) -> bool:
        return np.dtype(self.storage).kind == "u"

    @property
    def _sign_bit(self) -> int:
        return 1 << (8 * np.dtype(self.storage).itemsize - 1)


FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        Format("float64", precision=53, emin=-1022, emax=1023, storage="float64"),
        Format("float32", precision=24, emin=-126, emax=127, storage="float32"),
        Format("float16", precision=11, emin=-14, emax=15, storage="float16"),
        Format("bfloat16", precision=8, emin=-126, emax=127, storage="uint16"),
    )
}
"""Every format the suite asks about, widest first."""

FLOAT8_FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        Format("float8_e4m3fn", precision=4, emin=-6, emax=8, storage="uint8", has_inf=False),
        Format("float8_e5m2", precision=3, emin=-14, emax=15, storage="uint8"),
    )
}
"""Formats of 8 bits: the truth can be rounded to them, and an answer in one of them judged."""

EVERY_FORMAT: dict[str, Format] = FORMATS | FLOAT8_FORMATS
"""By name."""
