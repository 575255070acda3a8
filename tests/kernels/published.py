"""What do published tests of softmax ask?  Their rows, shapes and tolerances, to be run on the same kernels.

Each judge gets a kernel, an op and a dtype and says whether the kernel passes.  The expectation is the correctly
rounded truth, which is kinder than any reference implementation.  Where a test has no such dtype it is not asked.

Sources: the node tests of ONNX (onnx/backend/test/case/node/softmax.py and logsoftmax.py; runners compare with
rtol 1e-3 and atol 1e-7); PyTorch's OpInfo samples (sample_inputs_softmax_variant in
torch/testing/_internal/common_methods_invocations.py, with the default tolerances of torch.testing.assert_close);
the WebNN conformance tests (webnn/resources/utils.js in web-platform-tests: 3n + 3 ulp for softmax over n logits);
and a benchmark's ``allclose(rtol=1e-2, atol=1e-2)`` on normal rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from reference.formats import FORMATS
from reference.truth import truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from planted import Kernel

    from reference.formats import Format

ASSERT_CLOSE = {
    "float64": (1e-7, 1e-7),
    "float32": (1.3e-6, 1e-5),
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
}
"""dtype → rtol and atol of torch.testing.assert_close."""


def ask(kernel: Kernel, dtype: str, x: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The answer and the expectation, as float64; an answer that is no array of the shape is all NaN."""
    format = FORMATS[dtype]
    x = format.quantise(x)
    native: Any = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    due = truth(kernel.op, x, axis, format=format).rounded(format)
    try:
        with np.errstate(all="ignore"):
            got = kernel.function(x.astype(native), axis)
    except Exception:  # noqa: BLE001 - a test that raises is a test that fails
        return np.full(x.shape, np.nan), due
    if np.shape(got) != x.shape:
        return np.full(x.shape, np.nan), due
    return np.asarray(got).astype(np.float64), due


def close(got: np.ndarray, due: np.ndarray, rtol: float, atol: float) -> bool:
    return bool(np.allclose(got, due, rtol=rtol, atol=atol, equal_nan=True))


def onnx(kernel: Kernel, dtype: str) -> bool | None:
    """Seven node tests, float32 alone."""
    if dtype != "float32":
        return None
    cube = np.abs(np.random.default_rng(0).standard_normal((3, 4, 5)))
    large = np.array([[0.0, 1, 2, 3], [10000, 10001, 10002, 10003]])
    asked = [(np.array([[-1.0, 0, 1]]), -1), (large, -1), (cube, 0), (cube, 1), (cube, 2), (cube, -1)]
    return all(close(*ask(kernel, dtype, x, axis), 1e-3, 1e-7) for x, axis in asked)


def opinfo(kernel: Kernel, dtype: str) -> bool | None:
    """Six samples of numbers between -9 and 9."""
    rng = np.random.default_rng(0)
    shapes = (((5,), 0), ((5, 5), 0), ((5, 5), 1), ((5, 5), -1), ((5, 10, 5), 2), ((), 0))
    return all(
        close(*ask(kernel, dtype, rng.uniform(-9, 9, shape), axis), *ASSERT_CLOSE[dtype]) for shape, axis in shapes
    )


def webnn(kernel: Kernel, dtype: str) -> bool | None:
    """3n + 3 ulp of the expectation, on rows of six numbers between -10 and 10; float32 and float16."""
    if dtype not in ("float32", "float16"):
        return None
    format, rng = FORMATS[dtype], np.random.default_rng(0)
    for shape, axis in (((4, 6), 1), ((1, 4, 6), 2), ((1, 1, 4, 6), 3), ((3, 4, 6), 1)):
        got, due = ask(kernel, dtype, rng.uniform(-10, 10, shape), axis)
        if not (_ulps(got, due, format) <= 3 * shape[axis] + 3).all():
            return False
    return True


def _ulps(got: np.ndarray, due: np.ndarray, format: Format) -> np.ndarray:
    return np.asarray(np.abs(got - due) / format.ulp(due))


def allclose(kernel: Kernel, dtype: str) -> bool | None:
    """One normal batch."""
    x = np.random.default_rng(0).standard_normal((16, 4096))
    return close(*ask(kernel, dtype, x, -1), 1e-2, 1e-2)


JUDGES: dict[str, Callable[[Any, str], bool | None]] = {
    "ONNX node tests": onnx,
    "PyTorch OpInfo": opinfo,
    "WebNN 3n + 3 ulp": webnn,
    "allclose(1e-2)": allclose,
}


def verdicts(kernel: Kernel) -> Iterator[tuple[str, str]]:
    """Each judge's name, and what it says over the dtypes: ``rejects``, ``passes`` or ``not asked``."""
    for name, judge in JUDGES.items():
        said = [judge(kernel, dtype) for dtype in kernel.dtypes]
        if all(one is None for one in said):
            yield name, "not asked"
        else:
            yield name, "rejects" if any(one is False for one in said) else "passes"
