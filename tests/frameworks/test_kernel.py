"""A user's own function is located, or refused in one line, and its file is imported before its framework."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from installed import load

from conformance import frameworks
from conformance.frameworks.contract import Contract
from conformance.frameworks.kernel import BadKernel, Kernel, known_frameworks

if TYPE_CHECKING:
    from pathlib import Path


def softmax(x: np.ndarray, axis: int) -> np.ndarray:
    return x - axis


def test_a_function_a_file_and_a_module_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kernel_of_a_file.py").write_text("def f(x, axis):\n    return 'file'\n")
    (tmp_path / "kernel_of_a_module.py").write_text("def f(x, axis):\n    return 'module'\n")
    monkeypatch.syspath_prepend(tmp_path)

    for where, due in ((f"{tmp_path}/kernel_of_a_file.py:f", "file"), ("kernel_of_a_module:f", "module")):
        assert due == Kernel(where).load().function("softmax", "plain", "numpy", "cpu")(None, -1)
    assert softmax is Kernel(softmax).load().function("softmax", "plain", "numpy", "cpu")


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("nothing", "a kernel is path/to/file.py:function or package.module:function"),
        (":f", "a kernel is path/to/file.py:function or package.module:function"),
        ("no/such/file.py:f", "there is no file no/such/file.py"),
        ("no_such_module:f", "importing no_such_module failed: ModuleNotFoundError: No module named 'no_such_module'"),
        ("{folder}/mine.py:g", "g is not there; {folder}/mine.py has f"),
        ("{folder}/mine.py:number", "number is no function; {folder}/mine.py has f"),
        ("{folder}/broken.py:f", "importing {folder}/broken.py failed: ValueError: two"),
        ("{folder}/opens.py:f", "importing {folder}/opens.py failed: FileNotFoundError:"),
        ("{folder}/exits.py:f", "importing {folder}/exits.py failed: SystemExit: 3"),
    ],
)
def test_what_cannot_be_found_is_one_line(tmp_path: Path, where: str, why: str) -> None:
    (tmp_path / "mine.py").write_text("number = 1\n\n\ndef f(x, axis):\n    return x\n")
    (tmp_path / "broken.py").write_text("raise ValueError('two\\nlines')\n")
    (tmp_path / "opens.py").write_text("open('/no/such/file')\n")
    (tmp_path / "exits.py").write_text("raise SystemExit(3)\n")

    with pytest.raises(BadKernel) as caught:
        Kernel(where.format(folder=tmp_path)).load()

    assert why.format(folder=tmp_path) in str(caught.value)
    assert 1 == len(str(caught.value).splitlines())


def test_any_adapter_or_numpy_is_a_framework_of_a_kernel() -> None:
    assert {"numpy", *frameworks.names()} == set(known_frameworks())
    with pytest.raises(BadKernel, match=f"unknown framework 'caffe'; known: numpy, {frameworks.names()[0]}"):
        Kernel(softmax, "caffe").load()


def test_its_file_is_imported_before_its_framework(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("import sys\n\nseen = 'jax' in sys.modules\n\n\ndef f(x, axis):\n    return seen\n")
    text = (
        "from conformance.frameworks.kernel import Kernel\n"
        f"kernel = Kernel({f'{file}:f'!r}, 'jax')\n"
        "try:\n    print(kernel.load().own(None, -1))\n"
        "except ImportError:\n    print('absent')\n"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120, check=True)  # noqa: S603

    if "absent" in done.stdout:
        pytest.skip("jax is not installed")
    assert "False" == done.stdout.strip()


def test_it_has_the_border_of_its_arrays_and_is_asked_twice() -> None:
    kernel = Kernel(softmax).load()
    stored = np.arange(6, dtype=np.float32).reshape(2, 3)

    assert kernel.twice
    assert ("softmax", ("numpy",), ("cpu",), ("plain", "saved")) == (
        kernel.name,
        kernel.modes,
        kernel.devices(),
        kernel.ways,
    )
    assert kernel.primitives("cpu") is None
    for layout in ("", *kernel.layouts):
        back = kernel.fetch(kernel.send_as(stored, "float32", "cpu", layout))[1]
        assert stored.shape == back.shape


def test_no_way_but_the_plain_one_and_that_of_a_backward_pass_is_a_kernels() -> None:
    with pytest.raises(LookupError, match="softmax is called as f"):
        Kernel(softmax).load().function("softmax", "multiply", "numpy", "cpu")


def test_bfloat16_without_ml_dtypes_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)

    with pytest.raises(ImportError, match="NumPy has no bfloat16 without ml_dtypes: pip install ml_dtypes"):
        Kernel(softmax).load().send(np.zeros(2, np.uint16), "bfloat16", "cpu")


@pytest.mark.parametrize(
    ("text", "takes"),
    [
        ("def f(x): ...", "(x)"),
        ("def f(x: object, *, axis: int = -1) -> object: ...", "(x, *, axis=-1)"),
        ("def f(x, axis, g): ...", "(x, axis, g)"),
        ("def f(): ...", "()"),
        ("class f:\n    def __init__(self, x): ...", "(x)"),
    ],
)
def test_a_function_that_cannot_be_called_so_is_refused(text: str, takes: str, tmp_path: Path) -> None:
    file = tmp_path / "signatures.py"
    file.write_text(f"{text}\n")

    with pytest.raises(BadKernel) as caught:
        Kernel(f"{file}:f").load()

    assert f"{file}:f takes {takes}, but a kernel is called as f(x, axis)" == str(caught.value)


def test_a_function_with_more_arguments_that_need_not_be_given_is_taken() -> None:
    for function in (lambda x, dim, g=None: (x, dim, g), lambda *both: both, np.add, max):
        assert Kernel(function).load().own is function
    assert Kernel(lambda x, axis, g: (x, axis, g), contract=Contract(op="softmax_vjp")).load()


@pytest.mark.parametrize(
    ("name", "refusals"),
    [
        ("torch", ["\"softmax_lastdim_kernel_impl\" not implemented for 'Half'"]),
        ("jax", ["UNIMPLEMENTED: no such type"]),
    ],
)
def test_what_a_framework_says_of_a_dtype_is_a_refusal_and_a_mistake_is_none(name: str, refusals: list[str]) -> None:
    adapter = load(name)

    assert all(adapter.refuses(RuntimeError(text)) for text in refusals)
    assert adapter.refuses(TypeError("no"))
    assert adapter.refuses(NotImplementedError())
    assert not adapter.refuses(RuntimeError("index out of range"))
    assert not adapter.refuses(NameError("x"))


def test_tensorflow_refuses_by_errors_of_its_own() -> None:
    adapter = load("tensorflow")
    tf: Any = adapter.tf  # type: ignore[attr-defined]

    for call in (lambda: tf.nn.softmax(tf.constant([1, 2])), lambda: tf.raw_ops.Softmax(logits=tf.constant([1, 2]))):
        with pytest.raises(Exception, match=r".") as caught:
            call()
        assert adapter.refuses(caught.value)
    assert not adapter.refuses(tf.errors.InvalidArgumentError(None, None, "axis out of range"))


def test_a_name_of_a_target_holds_no_slash_or_space() -> None:
    assert "my-kernel" == Kernel("a/b.py:my kernel").name
    assert "-lambda-" == Kernel(lambda x, axis: x).name  # noqa: ARG005 - a kernel takes an axis
