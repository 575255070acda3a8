"""IREE: a module of one operator, compiled for the CPU by LLVM, from the linalg dialect or from Torch-MLIR's.

Peculiarities
-------------
- ``linalg.softmax`` has no log_softmax beside it, and its axis is no negative number; Torch-MLIR's two operators take the
  softmax apart before they get to linalg.
- A module is compiled for each op, dtype, axis and rank, with all lengths left open: 0.5 s, and 1.3 s from Torch-MLIR's.
- float64 is turned into float32 unless the compiler is told not to.
- By default no instruction is taken that some x86-64 lacks; here those of the machine are, as its manual advises.
- The compiler does not return where the axis of a Torch-MLIR operator is out of range.
- ``linalg.softmax`` of float16 is not linked: it calls ``fmaxf``, which is not there.
- What ``to_host`` returns is no longer valid as a view once the array itself is gone, so it is copied.
- There are no gradients.
"""

from __future__ import annotations

from conformance.frameworks.arrays import NumPy
from conformance.frameworks.base import Adapter, NotOffered, Program, template

_TEXTS = {
    "linalg": """\
def text(dtype, rank, axis):
    kind = f"tensor<{{'?x' * rank}}{{dtype}}>"
    axis = axis + rank if -rank <= axis < 0 else axis  # the dialect has no negative ones
    lengths = [f'%c{{i}} = arith.constant {{i}} : index\\n%n{{i}} = tensor.dim %x, %c{{i}} : {{kind}}' for i in range(rank)]
    names = ', '.join(f'%n{{i}}' for i in range(rank))
    return '\\n'.join([
        f'func.func @f(%x: {{kind}}) -> {{kind}} {{{{',
        *lengths,
        f'%e = tensor.empty({{names}}) : {{kind}}',
        f'%y = linalg.{op} dimension({{axis}}) ins(%x : {{kind}}) outs(%e : {{kind}}) -> {{kind}}',
        f'return %y : {{kind}}',
        '}}',
    ])
""",
    "torch": """\
def text(dtype, rank, axis):
    kind = f"!torch.vtensor<[{{','.join('?' * rank)}}],{{dtype}}>"
    return '\\n'.join([
        f'func.func @f(%x: {{kind}}) -> {{kind}} {{{{',
        f'%axis = torch.constant.int {{axis}}',
        '%none = torch.constant.none',
        f'%y = torch.aten.{op}.int %x, %axis, %none : {{kind}}, !torch.int, !torch.none -> {{kind}}',
        f'return %y : {{kind}}',
        '}}',
    ])
""",
}
"""Mode → the source of a module."""

_DEFINE = """\
NAMES = {{'float64': 'f64', 'float32': 'f32', 'float16': 'f16', 'bfloat16': 'bf16'}}
FLAGS = ['--iree-llvmcpu-target-cpu=host', '--iree-input-demote-f64-to-f32=false']
functions = {{}}


{text}

def compiled(dtype, rank, axis):
    module = iree.compiler.compile_str(
        text(NAMES[dtype], rank, axis), input_type='{input}', target_backends=['llvm-cpu'], extra_args=FLAGS
    )
    context = iree.runtime.SystemContext(config=config)
    context.add_vm_module(iree.runtime.VmModule.copy_buffer(context.instance, module))
    return context.modules.module.f


def f(x, axis):
    key = x.dtype.name, x.ndim, axis
    if key not in functions:
        functions[key] = compiled(*key)
    return functions[key](iree.runtime.asdevicearray(config.device, x)).to_host().copy()
"""

_SETUP = """\
import iree.compiler
import iree.runtime
import ml_dtypes
import numpy

config = iree.runtime.Config('local-task')
"""


class Iree(NumPy, Adapter):
    """IREE, on the CPU."""

    name = "iree"
    imports = ("iree.compiler", "iree.runtime", "ml_dtypes")
    modes = tuple(_TEXTS)
    compiled = modes
    layouts = ()
    distributions = ("iree-base-compiler", "iree-base-runtime", "ml_dtypes")

    def __init__(self) -> None:
        from importlib import metadata

        import iree.compiler
        import iree.runtime

        del iree  # the programs import it
        self.version = metadata.version("iree-base-compiler")

    def program(self, op: str, way: str, mode: str, device: str) -> Program:  # noqa: ARG002 - on the CPU alone
        known = ("softmax",) if mode == "linalg" else ("softmax", "log_softmax")
        if op == "log_softmax" and op not in known:
            raise NotOffered("the linalg dialect has no log_softmax")
        define = template(self.name, {"plain": _DEFINE} if op in known else {}, op, way)
        return Program(
            setup=_SETUP,
            array="numpy.array({values}, dtype='{dtype}')",
            define=define.format(text=_TEXTS[mode].format(op=op), input="auto" if mode == "linalg" else mode),
            numbers="numbers = lambda y: (y.dtype.name, y.tolist())\n",
        )
