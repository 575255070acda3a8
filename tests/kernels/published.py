"""What do published tests of softmax ask?  Their rows, shapes and tolerances, to be run on the same kernels.

Each judge gets a kernel, an op and a dtype and says whether the kernel passes.  The expectation is the correctly
rounded truth, which is kinder than any reference implementation.  Where a test has no such dtype, or no gradient, it is
not asked.

Sources: the node tests of ONNX (onnx/backend/test/case/node/softmax.py and logsoftmax.py; runners compare with
rtol 1e-3 and atol 1e-7); PyTorch's OpInfo samples (sample_inputs_softmax_variant in
torch/testing/_internal/common_methods_invocations.py, with the default tolerances of torch.testing.assert_close; for
gradients the same samples in float64 under gradcheck's atol 1e-5 and rtol 1e-3, every column of the Jacobian);
the WebNN conformance tests (webnn/resources/utils.js in web-platform-tests: 3n + 3 ulp for softmax over n logits);
and a benchmark's ``allclose(rtol=1e-2, atol=1e-2)`` on normal rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
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


@dataclass(frozen=True, eq=False)
class Sample:
    """What a test hands over: logits, an axis, and the cotangent of a vjp."""

    x: np.ndarray
    axis: int
    cotangent: np.ndarray | None = None

    def quantised(self, format: Format) -> list[np.ndarray]:
        """Logits, and cotangent where there is one, rounded to a format."""
        return [format.quantise(array) for array in (self.x, self.cotangent) if array is not None]


@cache
def due(op: str, format: Format, sample: Sample) -> np.ndarray:
    """The expectation, the same for all kernels."""
    x, *further = sample.quantised(format)
    return truth(op, x, sample.axis, format=format, cotangent=further[0] if further else None).rounded(format)


def ask(kernel: Kernel, dtype: str, sample: Sample) -> np.ndarray:
    """The answer, as float64; one that is no array of the shape is all NaN."""
    native: Any = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    x, *further = (array.astype(native) for array in sample.quantised(FORMATS[dtype]))
    try:
        with np.errstate(all="ignore"):
            got = kernel.function(x, sample.axis, *further)
    except Exception:  # noqa: BLE001 - a test that raises is a test that fails
        return np.full(sample.x.shape, np.nan)
    if np.shape(got) != sample.x.shape:
        return np.full(sample.x.shape, np.nan)
    return np.asarray(got).astype(np.float64)


def close(kernel: Kernel, dtype: str, samples: list[Sample], rtol: float, atol: float) -> bool:
    """Whether all answers are close to the expectation."""
    return all(
        np.allclose(
            ask(kernel, dtype, sample), due(kernel.op, FORMATS[dtype], sample), rtol=rtol, atol=atol, equal_nan=True
        )
        for sample in samples
    )


@cache
def _onnx_samples() -> list[Sample]:
    cube = np.abs(np.random.default_rng(0).standard_normal((3, 4, 5)))
    large = np.array([[0.0, 1, 2, 3], [10000, 10001, 10002, 10003]])
    return [Sample(np.array([[-1.0, 0, 1]]), -1), Sample(large, -1), *(Sample(cube, axis) for axis in (0, 1, 2, -1))]


def onnx(kernel: Kernel, dtype: str) -> bool | None:
    """Seven node tests, float32 alone."""
    if dtype != "float32" or kernel.backward:
        return None
    return close(kernel, dtype, _onnx_samples(), 1e-3, 1e-7)


@cache
def _opinfo_samples() -> list[Sample]:
    rng = np.random.default_rng(0)
    shapes = (((5,), 0), ((5, 5), 0), ((5, 5), 1), ((5, 5), -1), ((5, 10, 5), 2), ((), 0))
    return [Sample(rng.uniform(-9, 9, shape), axis) for shape, axis in shapes]


@cache
def _columns() -> list[Sample]:
    """The same samples with a cotangent for each column of the Jacobian."""
    return [
        Sample(sample.x, sample.axis, column.reshape(sample.x.shape))
        for sample in _opinfo_samples()
        for column in np.eye(sample.x.size)
    ]


def opinfo(kernel: Kernel, dtype: str) -> bool | None:
    """Six samples of numbers between -9 and 9; gradients in float64 alone."""
    if not kernel.backward:
        return close(kernel, dtype, _opinfo_samples(), *ASSERT_CLOSE[dtype])
    return close(kernel, dtype, _columns(), 1e-3, 1e-5) if dtype == "float64" else None


@cache
def _webnn_samples() -> list[Sample]:
    rng = np.random.default_rng(0)
    shapes = (((4, 6), 1), ((1, 4, 6), 2), ((1, 1, 4, 6), 3), ((3, 4, 6), 1))
    return [Sample(rng.uniform(-10, 10, shape), axis) for shape, axis in shapes]


def webnn(kernel: Kernel, dtype: str) -> bool | None:
    """3n + 3 ulp of the expectation, on rows of six numbers between -10 and 10; float32 and float16."""
    if dtype not in ("float32", "float16") or kernel.backward:
        return None
    format = FORMATS[dtype]
    for sample in _webnn_samples():
        right = due(kernel.op, format, sample)
        ulps = np.abs(ask(kernel, dtype, sample) - right) / format.ulp(right)
        if not (ulps <= 3 * sample.x.shape[sample.axis] + 3).all():
            return False
    return True


@cache
def _normal_sample(*, backward: bool) -> Sample:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((16, 4096))
    return Sample(x, -1, rng.standard_normal(x.shape) if backward else None)


def allclose(kernel: Kernel, dtype: str) -> bool | None:
    """One normal batch, and a normal cotangent."""
    return close(kernel, dtype, [_normal_sample(backward=kernel.backward)], 1e-2, 1e-2)


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
