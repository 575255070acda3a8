"""ExecuTorch: a module of one operator, exported by PyTorch, run by ExecuTorch's kernels or by XNNPACK.

Peculiarities
-------------
- A program is exported for each op, dtype, axis and shape: 0.4 s.  A length may be left open up to one that is said
  beforehand, and memory is set aside for that.
- XNNPACK takes what it has a kernel of, a softmax of float32 along the last axis, and leaves the rest to ExecuTorch's.
- What fails says why on the standard error; the exception has a number, 0x12 for a dtype without a kernel (log_softmax
  of float64) as for an axis out of range.
- An array with no elements cannot be handed over.
- There are no gradients.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from conformance.frameworks.base import Adapter, Forwarding, NotOffered, Program, template

if TYPE_CHECKING:
    from collections.abc import Callable

_PARTITIONS = {"portable": "", "xnnpack": ", partitioner=[XnnpackPartitioner()]"}
"""Mode → what else the lowering is told."""

_SETUP = """\
import torch
from executorch.exir import to_edge_transform_and_lower
from executorch.runtime import Runtime
"""

_IMPORTS = {
    "portable": "",
    "xnnpack": "from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner\n",
}

_DEFINE = """\
methods = {{}}


class Module(torch.nn.Module):
    def __init__(self, axis):
        super().__init__()
        self.axis = axis

    def forward(self, x):
        return torch.{op}(x, self.axis)


def method(x, axis):
    lowered = to_edge_transform_and_lower(torch.export.export(Module(axis), (x,)){partition})
    program = Runtime.get().load_program(lowered.to_executorch().buffer)
    return program, program.load_method('forward')


def f(x, axis):
    key = x.dtype, tuple(x.shape), axis
    if key not in methods:
        methods[key] = method(x, axis)
    return methods[key][1].execute([x])[0].clone()
"""


class ExecuTorch(Forwarding):
    """ExecuTorch, on the CPU."""

    name = "executorch"
    imports = ("executorch", "torch")
    modes = tuple(_PARTITIONS)
    compiled = modes
    distributions = ("executorch", "torch")

    def __init__(self) -> None:
        from importlib import metadata

        import executorch.runtime

        from conformance import frameworks

        del executorch  # the programs import it
        self.border = frameworks.load("torch")
        self.version = metadata.version("executorch")

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def program(self, op: str, way: str, mode: str, device: str) -> Program:  # noqa: ARG002 - on the CPU alone
        if way == "plain" and op.endswith("_vjp"):
            raise NotOffered("ExecuTorch runs what was exported, without its gradients")
        define = template(self.name, {"plain": _DEFINE}, op, way)
        assert isinstance(self.border, Adapter)
        around = self.border.program(op, "plain", self.border.modes[0], "cpu")
        return replace(around, setup=_SETUP + _IMPORTS[mode], define=define.format(op=op, partition=_PARTITIONS[mode]))

    def function(self, op: str, way: str, mode: str, device: str) -> Callable[..., Any]:
        f = super().function(op, way, mode, device)

        def checked(x: Any, axis: int) -> Any:
            try:
                return f(x, axis)
            except RuntimeError as error:
                if op == "log_softmax" and str(x.dtype) == "torch.float64" and "0x12" in str(error):
                    raise NotImplementedError(f"no log_softmax of float64: {error}") from None
                raise

        return checked
