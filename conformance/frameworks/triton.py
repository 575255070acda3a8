"""Triton: a fused softmax of the kind its tutorial has, run by Triton's interpreter, on PyTorch's tensors.

Triton brings no softmax of an array; what is asked is the kernel that its users write: one program for each row, the row
in one block whose length is a power of two, with ``exp`` and ``log`` of ``triton.language``.

Peculiarities
-------------
- ``TRITON_INTERPRET`` is read where a kernel is decorated.  The interpreter computes with NumPy, one program after the
  other, which takes 0.3 ms and more for each row.
- The kernel takes rows along the last axis; another one is moved there and back.
- The row is widened to float32, since ``exp`` takes nothing narrower when it is compiled; the interpreter would.
- A kernel's source is read from its file, so that a program in a string is one that Python's ``linecache`` knows.
- The interpreter rounds a subnormal number of bfloat16 to another one.
- There are no gradients.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from conformance.frameworks.base import RAW, Adapter, Forwarding, Program, template

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ANSWERS = {"softmax": "e / s", "log_softmax": "a - tl.log(s)"}
"""Op → the row, of the shifted logits, their exponentials and the sum of these."""

_SETUP = """\
import os

os.environ['TRITON_INTERPRET'] = '1'

import torch
import triton
import triton.language as tl
"""

_DEFINE = """\
@triton.jit
def kernel(y, x, length, BLOCK: tl.constexpr):
    columns = tl.arange(0, BLOCK)
    inside = columns < length
    start = tl.program_id(0) * length
    a = tl.load(x + start + columns, mask=inside, other=-float('inf'))
    if a.dtype.primitive_bitwidth < 32:
        a = a.to(tl.float32)
    a = a - tl.max(a, axis=0)
    e = tl.exp(a)
    s = tl.sum(e, axis=0)
    tl.store(y + start + columns, ({answer}).to(y.dtype.element_ty), mask=inside)


def f(x, axis):
    rows = x.movedim(axis, -1).contiguous()
    y = torch.empty_like(rows)
    length = rows.shape[-1]
    if rows.numel():
        kernel[(rows.numel() // length,)](y, rows, length, BLOCK=triton.next_power_of_2(length))
    return y.movedim(-1, axis).contiguous()
"""


class Triton(Forwarding):
    """A kernel in Triton's interpreter, on the CPU."""

    name = "triton"
    imports = ("triton", "torch")
    modes = ("interpreter",)
    compiled = modes
    distributions = ("triton", "torch")
    variables = ("TRITON_INTERPRET",)

    def __init__(self) -> None:
        os.environ["TRITON_INTERPRET"] = "1"
        import triton

        from conformance import frameworks

        self.border = frameworks.load("torch")
        self.version = triton.__version__
        self.layouts = self.border.layouts  # type: ignore[misc]

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def send(self, stored: NDArray[Any], dtype: str, device: str) -> Any:
        if stored.dtype.kind in "biu" and dtype not in RAW:
            raise NotImplementedError(f"the kernel is one of floating-point numbers, not of {dtype}")
        return super().send(stored, dtype, device)

    def program(self, op: str, way: str, mode: str, device: str) -> Program:  # noqa: ARG002 - one mode, on the CPU
        define = template(self.name, {"plain": _DEFINE} if op in _ANSWERS else {}, op, way)
        assert isinstance(self.border, Adapter)
        around = self.border.program(op, "plain", self.border.modes[0], "cpu")
        return replace(around, setup=_SETUP, define=define.format(answer=_ANSWERS[op]))
