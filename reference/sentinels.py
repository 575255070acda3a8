"""Carried errors that say something else than a size: of a truth below every format, and of one without a known sign.

The error of a truth is relative to the number found for it.  Below :data:`UNDERFLOWED` it is a size, and the truth has the
sign of the number.
"""

from __future__ import annotations

UNDERFLOWED = 1.0
"""Beside a zero: the truth is no zero, has the sign of that zero, and is below every format it may be asked about."""

SIGN_UNKNOWN = 4.0
"""Beside a number that stands for its own error, because the terms of a vjp cancel to less than that.

So does every error above :data:`UNDERFLOWED` say that the sign of the truth is not known.
"""
