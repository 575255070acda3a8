"""What softmax-conformance has to know of this framework; it imports nothing else of the suite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lattice
from conformance.frameworks.base import Adapter, NotOffered, Program

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Lattice(Adapter):
    """float32 and float64 on the CPU."""

    name = "lattice"
    modes = ("eager",)
    version = lattice.__version__

    def devices(self) -> tuple[str, ...]:
        """There is one."""
        return ("cpu",)

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:
        """Its arrays are NumPy's."""
        if dtype not in ("float32", "float64"):
            raise TypeError(f"lattice has no arrays of {dtype} on {device}")
        return stored.copy()

    def fetch(self, array: Any) -> tuple[str, NDArray[Any]]:
        """The name of the format, and the bits."""
        return array.dtype.name, array.copy()

    def program(self, op: str, way: str, mode: str, device: str) -> Program:
        """One of the two functions."""
        if way not in self.ways or not hasattr(lattice, op):
            raise NotOffered(f"lattice has no {op} called in the way {way} ({mode}, {device})")
        return Program(
            setup="import lattice\nimport numpy\n",
            array="numpy.array({values}, dtype='{dtype}')",
            define=f"\nf = lattice.{op}\n",
            numbers="numbers = lambda y: (str(y.dtype), y.tolist())\n",
        )
