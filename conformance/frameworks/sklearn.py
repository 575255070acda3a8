"""scikit-learn's softmax of the rows of a matrix, which its classifiers call; there is no log_softmax and no gradient."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from conformance.frameworks.arrays import PROGRAM, NumPy
from conformance.frameworks.base import Adapter, NotOffered, Program

if TYPE_CHECKING:
    from collections.abc import Callable


class Sklearn(NumPy, Adapter):
    """scikit-learn, on NumPy's arrays."""

    name = "sklearn"
    modes = ("eager",)
    distributions = ("scikit-learn", "scipy")

    def __init__(self) -> None:
        import sklearn.utils.extmath

        self.version = sklearn.__version__

    def program(self, op: str, way: str, mode: str, device: str) -> Program:  # noqa: ARG002 - one mode, on the CPU
        if op != "softmax" or way not in self.ways:
            raise NotOffered(f"scikit-learn has no {op} called in the way {way}")
        return replace(
            PROGRAM,
            setup="import numpy\nimport sklearn.utils.extmath\n",
            define="f = lambda x, axis: sklearn.utils.extmath.softmax(x)\n",
        )

    def function(self, op: str, way: str, mode: str, device: str) -> Callable[..., Any]:
        f = super().function(op, way, mode, device)

        def checked(x: Any, axis: int) -> Any:
            if x.ndim != 2 or axis not in (-1, 1):
                raise NotOffered("scikit-learn takes the rows of a matrix alone")
            return f(x, axis)

        return checked
