"""NumPy arrays: what a kernel written for NumPy gets and returns.

NumPy has no softmax, so this is nobody who is asked, and only the border that a kernel is asked through.
bfloat16 is ``ml_dtypes.bfloat16``, the extension type that JAX and TensorFlow give to NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.frameworks.base import LAYOUTS, Behind, Framework, Primitives

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class NumPy(Framework):
    """NumPy's arrays and elementary functions."""

    name = "numpy"
    modes = ()
    layouts = tuple(LAYOUTS)
    version = np.__version__

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:  # noqa: ARG002 - there is one
        if dtype != "bfloat16":
            return stored.copy()
        import ml_dtypes

        return stored.copy().view(ml_dtypes.bfloat16)

    def widen(self, array: Any, shape: tuple[int, ...]) -> Any:
        return np.broadcast_to(array, shape)

    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        array = np.asarray(array)
        if array.dtype.name == "bfloat16":
            return "bfloat16", array.copy().view(np.uint16)
        return array.dtype.name if array.dtype.isnative else array.dtype.str, array.copy()

    def function(self, op: str, mode: str, device: str) -> Callable[..., Any]:
        raise NotImplementedError(f"NumPy has no {op}: {mode} {device}")

    def primitives(self, device: str) -> Primitives:  # noqa: ARG002 - there is one
        return Primitives(
            exp=np.exp,
            log=np.log,
            sum=lambda x, axis: np.sum(x, axis=axis, keepdims=True),
            max=lambda x, axis: np.max(x, axis=axis, keepdims=True),
        )

    def script(
        self, op: str, mode: str, device: str, dtype: str, axis: int, values: str, behind: Behind | None = None
    ) -> str:
        raise NotImplementedError(f"NumPy has no {op}: {mode} {device} {dtype} {axis} {values} {behind}")
