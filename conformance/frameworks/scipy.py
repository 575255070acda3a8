"""SciPy's functions in ``scipy.special``, on NumPy's arrays, and through the array API on those of PyTorch and JAX.

Peculiarities
-------------
- Without an axis they take the softmax of the whole array.
- ``SCIPY_ARRAY_API`` is read at import; without it every array becomes NumPy's.
- There are no gradients of its own.
"""

from __future__ import annotations

import os
from dataclasses import replace

from conformance.frameworks.arrays import PROGRAM, NumPy
from conformance.frameworks.base import Adapter, Forwarding, NotOffered, Program, Variant, template

_ARRAYS = "SOFTMAX_CONFORMANCE_ARRAYS"

_EXPRESSIONS = {
    "plain": "lambda x, axis: scipy.special.{op}(x, axis=axis)",
    "axes": (
        "lambda x, o, axis: scipy.special.{op}(x.reshape(-1, 5, x.shape[-1] // 5).swapaxes(0, 1), axis=(0, 2))"
        ".swapaxes(0, 1).reshape(x.shape)"
    ),
    "flat": "lambda x, o, axis: scipy.special.{op}(x.reshape(5, -1), axis=None).reshape(x.shape)",
    "default": "lambda x, o, axis: scipy.special.{op}(x)",
}


class SciPy(Forwarding):
    """SciPy, on the CPU."""

    name = "scipy"
    modes = ("eager",)
    ways = tuple(_EXPRESSIONS)
    variants = (
        Variant(),
        *(Variant(name, {"SCIPY_ARRAY_API": "1", _ARRAYS: name}, (name,)) for name in ("torch", "jax")),
    )
    distributions = ("scipy", "torch", "jax")
    variables = ("SCIPY_ARRAY_API",)

    def __init__(self) -> None:
        import scipy.special

        from conformance import frameworks

        self.version = scipy.__version__
        name = os.environ.get(_ARRAYS, "")
        self.border = frameworks.load(name) if name else NumPy()
        self.layouts = self.border.layouts  # type: ignore[misc]

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def program(self, op: str, way: str, mode: str, device: str) -> Program:  # noqa: ARG002 - one mode, on the CPU
        if op.endswith("_vjp"):
            raise NotOffered("SciPy has no gradients")
        f = template(self.name, _EXPRESSIONS, op, way).format(op=op)
        around = PROGRAM
        if isinstance(self.border, Adapter):
            around = self.border.program(op, "plain", self.border.modes[0], device)
        switch = "import os\n\nos.environ['SCIPY_ARRAY_API'] = '1'\n" if around is not PROGRAM else ""
        return replace(around, setup=f"{switch}{around.setup}import scipy.special\n", define=f"f = {f}\n")
