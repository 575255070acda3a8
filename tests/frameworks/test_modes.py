"""A mode is what its name says, a vjp is the derivative, and every way to call is computed in every mode."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from installed import load

from conformance import calls, frameworks
from conformance.frameworks.base import NotOffered
from reference.bounds import bounds
from reference.formats import FORMATS
from reference.truth import truth


def test_torch_compile_never_falls_back_to_eager() -> None:
    """Dynamo runs a function eagerly, without a word, once it has compiled it for too many shapes."""
    torch = load("torch")
    counters = torch.torch._dynamo.utils.counters  # the framework's own count of what it compiled

    torch.forget()
    counters.clear()
    f = torch.function("softmax", "plain", "compile", "cpu")
    ranks = [(2,) * rank for rank in range(1, 5)]
    for dtype in ("float32", "float64"):
        for shape in ranks:
            f(torch.send(np.zeros(shape, dtype=dtype), dtype, "cpu"), len(shape) - 1)

    assert counters["stats"]["unique_graphs"] >= len(ranks)
    assert not counters["graph_break"]


def test_torch_raises_rather_than_fall_back() -> None:
    config = load("torch").torch._dynamo.config

    assert config.fail_on_recompile_limit_hit
    assert min(config.recompile_limit, config.accumulated_recompile_limit) >= 100_000


def test_tensorflow_xla_compiles() -> None:
    tensorflow = load("tensorflow")
    x = tensorflow.send(np.zeros((2, 3), dtype="float32"), "float32", "cpu")
    names: dict[str, object] = {}

    program = tensorflow.program("softmax", "plain", "xla", "cpu")
    exec(program.setup + program.define, names)  # noqa: S102 - our own text

    assert "HloModule" in names["call"].experimental_get_compiler_ir(x, -1, None)(stage="hlo")


def test_jax_jit_makes_one_program() -> None:
    jax = load("jax")
    x = jax.send(np.zeros((2, 3), dtype="float32"), "float32", "cpu")

    text = jax.function("softmax", "plain", "jit", "cpu").lower(x, axis=-1).as_text()

    assert "module @jit_softmax" in text


@pytest.mark.parametrize("name", frameworks.names())
@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
def test_vjp_of_a_row_of_two_is_the_known_derivative(name: str, op: str) -> None:
    """At x = (0, 0): p = ½, so ∂p₀/∂x = (¼, -¼) and ∂log p₀/∂x = (½, -½): exact in every format."""
    framework = load(name)
    due = {"softmax": [0.25, -0.25], "log_softmax": [0.5, -0.5]}[op]

    for mode in framework.modes:
        try:
            vjp = framework.function(f"{op}_vjp", "plain", mode, "cpu")
        except NotOffered:
            continue
        x, g = (framework.send(np.array([row]), "float64", "cpu") for row in ([0.0, 0.0], [1.0, 0.0]))

        assert [due] == framework.fetch(vjp(x, -1, g))[1].tolist()


@pytest.mark.parametrize("name", frameworks.names())
@pytest.mark.parametrize("dtype", FORMATS)
def test_what_stands_beside_the_op_is_computed_in_every_mode(name: str, dtype: str) -> None:
    """Small integers: every product, quotient and sum is exact, so rounding has no part in it."""
    framework, format = load(name), FORMATS[dtype]
    x = np.array([[0.0, 2.0, -4.0, 1.0, 3.0], [8.0, 6.0, 4.0, 5.0, 7.0]])
    operand = np.array([[2.0, 2.0, 2.0, 2.0, 2.0], [1.0, 0.0, 1.0, 1.0, 0.0]])
    order = np.array([[4.0, 0.0, 3.0, 1.0, 2.0], [1.0, 2.0, 0.0, 4.0, 3.0]])
    others = {"then-scale": np.ones((2, 1)), "then-sum": np.zeros((2, 1)), **dict.fromkeys(calls.ORDERS, order)}
    others |= dict.fromkeys(calls.MASKS, np.repeat(operand[1:], 2, 0))
    for way in set(framework.ways) - {"plain", "out", "in-place", "overlap", "flat", "default", *calls.DERIVATIVES}:
        other = others.get(way, operand[:1])
        logits = format.quantise(calls.logits(way, x, other))
        due = truth("softmax", logits, format=format).nearest
        bound = bounds("softmax", logits, format=format, grade="loose")
        for mode in framework.modes:
            try:
                f = framework.function("softmax", way, mode, "cpu")
            except NotOffered:
                continue
            arrays = (framework.send(format.encode(a), dtype, "cpu") for a in (x, other))
            got = format.decode(framework.fetch(f(*arrays, -1))[1])
            assert (np.abs(got - due) <= bound.relative * due + bound.absolute).all(), (way, mode)


@pytest.mark.parametrize("name", frameworks.names())
@pytest.mark.parametrize("way", calls.DERIVATIVES)
@pytest.mark.parametrize("axis", [-1, 0])
def test_other_derivatives_are_the_vjp_of_softmax_in_every_mode_that_has_them(name: str, way: str, axis: int) -> None:
    framework, format = load(name), FORMATS["float64"]
    x = np.array([[0.0, 2.0, -4.0], [8.0, -np.inf, 4.0]])
    g = np.array([[1.0, -0.5, 3.0], [2.0, 0.25, -1.0]])
    x, g = (x, g) if axis else (np.ascontiguousarray(x.T), np.ascontiguousarray(g.T))
    due = truth("softmax_vjp", x, axis, format=format, cotangent=g).nearest
    bound = bounds("softmax_vjp", x, axis, format=format, grade="stable", cotangent=g).absolute
    for mode in framework.modes:
        try:
            vjp = framework.function("softmax_vjp", way, mode, "cpu")
        except NotOffered:
            continue
        got = vjp(framework.send(x, "float64", "cpu"), axis, framework.send(g, "float64", "cpu"))
        assert (np.abs(framework.fetch(got)[1] - due) <= bound).all(), mode


@pytest.mark.parametrize("axis", [-1, 0])
def test_torch_writes_over_its_input_or_refuses(axis: int) -> None:
    """The array that was handed over stays as it is, whatever became of the copy that was written over."""
    torch = load("torch")
    stored = np.arange(12, dtype="float32").reshape(4, 3)
    due = truth("softmax", stored.astype(float), axis, format=FORMATS["float32"]).nearest
    x, o = torch.send(stored, "float32", "cpu"), torch.send(np.zeros((4, 1), "float32"), "float32", "cpu")

    got = torch.function("softmax", "in-place", "eager", "cpu")(x, o, axis)

    bound = bounds("softmax", stored.astype(float), axis, format=FORMATS["float32"], grade="stable")
    assert (np.abs(torch.fetch(got)[1] - due) <= bound.relative * due + bound.absolute).all()
    assert torch.function("softmax", "overlap", "eager", "cpu")(x, o, axis).shape == (4, 3)
    np.testing.assert_array_equal(torch.fetch(x)[1], stored)


@pytest.mark.parametrize("name", frameworks.names())
def test_every_way_is_one_that_is_known(name: str) -> None:
    ways = frameworks.adapter(name).ways

    assert "plain" == ways[0]
    assert set(ways) <= set(calls.WAYS)


@pytest.mark.parametrize("name", frameworks.names())
@pytest.mark.parametrize(
    ("op", "way"),
    [("softmax", "sideways"), ("softmax", "forward"), ("softmax_vjp", "multiply"), ("log_softmax_vjp", "hessian")],
)
def test_a_call_that_there_is_not_is_one_line(name: str, op: str, way: str) -> None:
    framework = load(name)

    with pytest.raises(NotOffered, match=f"no way '{way}' to call its {op}|no gradients"):
        framework.program(op, way, framework.modes[0], "cpu")


@pytest.mark.parametrize("name", frameworks.names())
def test_functions_are_made_once_until_they_are_forgotten(name: str) -> None:
    framework = load(name)
    key = ("softmax", "plain", (framework.compiled or framework.modes)[-1], "cpu")

    first = framework.function(*key)
    assert framework.function(*key) is first
    framework.forget()
    assert framework.function(*key) is not first


@pytest.mark.parametrize("name", frameworks.names())
def test_a_call_leaves_the_settings_as_they_are(name: str) -> None:
    framework = load(name)
    before = framework.state()
    x = framework.send(np.zeros((2, 3), dtype="float32"), "float32", "cpu")

    for mode in framework.modes:
        framework.function("softmax", "plain", mode, "cpu")(x, -1)

    assert before == framework.state()


def test_a_change_of_settings_is_seen() -> None:
    torch = load("torch")
    before = torch.state()

    with torch.threads(1 + int(torch.torch.get_num_threads())):
        assert before != torch.state()
    assert before == torch.state()


def rows(framework: frameworks.Adapter) -> Any:
    return framework.send(np.array([[0.0, 2.0, -4.0], [8.0, 6.0, 4.0]]), "float64", "cpu")


def within_bounds(op: str, got: Any, x: np.ndarray, axis: int, cotangent: np.ndarray | None = None) -> bool:
    """Whether float64 answers are within the bound of a good algorithm."""
    asked: dict[str, Any] = {"format": FORMATS["float64"], "cotangent": cotangent}
    return bool(truth(op, x, axis, **asked).within(bounds(op, x, axis, grade="stable", **asked), got).all())


def spied(monkeypatch: pytest.MonkeyPatch, place: Any, name: str) -> list[Any]:
    """What a function is called with, in the order of its calls; it does what it did."""
    seen: list[Any] = []
    before = getattr(place, name)

    def spy(x: Any, *others: Any, **more: Any) -> Any:
        seen.append(x)
        return before(x, *others, **more)

    monkeypatch.setattr(place, name, spy)
    return seen


@pytest.mark.parametrize("axis", [0, 1, -1, -2])
@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
@pytest.mark.parametrize("name", ["torch", "jax"])
def test_vmap_maps_over_the_other_axis(name: str, op: str, axis: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function sees one row of the array, as a tensor that stands for all of them."""
    framework = load(name)
    x = rows(framework)
    seen = spied(monkeypatch, framework.torch if name == "torch" else framework.jax.nn, op)
    framework.forget()

    got = framework.fetch(framework.function(op, "plain", "vmap", "cpu")(x, axis))[1]

    (row,) = seen
    assert (x.shape[axis],) == tuple(row.shape)
    if name == "torch":
        assert framework.torch._C._functorch.is_batchedtensor(row)
    else:
        assert isinstance(row, framework.jax.core.Tracer)
    assert within_bounds(op, got, framework.fetch(x)[1], axis)
    framework.forget()


@pytest.mark.parametrize("name", ["torch", "jax"])
def test_vmap_maps_the_gradient_of_a_row(name: str) -> None:
    framework = load(name)
    x = rows(framework)

    for axis in (0, 1):
        got = framework.fetch(framework.function("softmax_vjp", "plain", "vmap", "cpu")(x, axis, x))[1]
        numbers = framework.fetch(x)[1]
        assert within_bounds("softmax_vjp", got, numbers, axis, cotangent=numbers)
    assert "vmap(lambda x, g: " in framework.program("softmax_vjp", "plain", "vmap", "cpu").define


@pytest.mark.parametrize("name", ["torch", "jax"])
def test_vmap_needs_an_axis_beside_the_rows_and_has_no_axis_out_of_range(name: str) -> None:
    framework = load(name)
    f = framework.function("softmax", "plain", "vmap", "cpu")

    with pytest.raises(NotOffered, match="no axis to map over"):
        f(framework.send(np.zeros(3), "float64", "cpu"), -1)
    for axis in (2, -3):
        with pytest.raises((IndexError, ValueError)):
            f(rows(framework), axis)


@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
def test_autocast_is_on_while_torch_computes(op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU it leaves each format as it is; its documentation lists softmax for CUDA alone."""
    torch = load("torch")
    was_on = []
    before = getattr(torch.torch, op)
    monkeypatch.setattr(torch.torch, op, lambda *a: was_on.append(torch.torch.is_autocast_enabled("cpu")) or before(*a))
    torch.forget()

    for dtype, format in FORMATS.items():
        x = torch.send(format.encode(np.zeros((1, 2))), dtype, "cpu")
        assert dtype == torch.fetch(torch.function(op, "plain", "autocast", "cpu")(x, -1))[0]

    torch.forget()
    assert [True] * len(FORMATS) == was_on
    assert not torch.torch.is_autocast_enabled("cpu")
    assert "autocast('cuda')" in torch.program(op, "plain", "autocast", "cuda:0").define
    assert ".to(x.dtype)" in torch.program(op, "plain", "autocast", "cuda:0").define


@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
@pytest.mark.parametrize(
    ("name", "mode", "module"),
    [
        ("torch", "special", "torch.special"),
        ("torch", "masked", "torch.masked"),
        ("jax", "special", "jax.scipy.special"),
    ],
)
def test_another_function_is_called(
    name: str, mode: str, module: str, op: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    framework = load(name)
    seen = spied(monkeypatch, importlib.import_module(module), op)
    framework.forget()

    framework.function(op, "plain", mode, "cpu")(rows(framework), -1)

    framework.forget()
    assert 1 == len(seen)


def test_torchs_safe_softmax_answers_zeros_for_a_row_of_minus_infinity() -> None:
    torch = load("torch")
    x = torch.send(np.array([[-np.inf, -np.inf], [0.0, 0.0]]), "float64", "cpu")

    assert [[0.0, 0.0], [0.5, 0.5]] == torch.function("softmax", "plain", "safe", "cpu")(x, -1).tolist()
    assert [[True, True], [False, False]] == torch.function("softmax", "plain", "eager", "cpu")(x, -1).isnan().tolist()


@pytest.mark.parametrize(("name", "mode"), [("torch", "masked"), ("jax", "vmap")])
@pytest.mark.parametrize("under", [-np.inf, np.inf, np.nan, 1e308])
def test_what_stands_under_a_mask_has_no_part_in_the_row(name: str, mode: str, under: float) -> None:
    framework = load(name)
    x, mask = (framework.send(np.array([row]), "float64", "cpu") for row in ([0.0, under, 0.0], [1.0, 0.0, 1.0]))

    for op in ("softmax", "log_softmax"):
        got = framework.fetch(framework.function(op, "where", mode, "cpu")(x, mask, -1))[1]
        assert within_bounds(op, got, np.array([[0.0, -np.inf, 0.0]]), -1)


@pytest.mark.parametrize("variant", ["", "onednn-off", "onednn-on"])
def test_tensorflow_is_asked_with_onednn_and_without(variant: str) -> None:
    """In a process of its own, since the setting is read at import; TensorFlow's own word for whether it is on.

    By itself TensorFlow turns oneDNN on where the processor has certain instructions.
    """
    load("tensorflow")
    hello = {"type": "hello", "protocol": 1, "framework": "tensorflow", "variant": variant}
    port = "from tensorflow.python.util import _pywrap_util_port as port; print(port.IsMklEnabled())\n"
    text = (
        f"from conformance.asking.worker import Worker; w = Worker(); said = w.reply({hello!r}, [])[0]\n{port}"
        "print(said['modes'] == ['eager'], bool(said['controls']))\n"
        "print(w.adapter.program('softmax', 'plain', 'eager', 'cpu').setup.count('ONEDNN'))"
    )
    environment = {key: value for key, value in os.environ.items() if key != "TF_ENABLE_ONEDNN_OPTS"}

    def printed(text: str) -> list[str]:
        done = subprocess.run(  # noqa: S603 - this interpreter
            [sys.executable, "-c", text], capture_output=True, text=True, timeout=300, check=True, env=environment
        )
        return done.stdout.split()

    (by_itself,) = printed(port)
    due = {"onednn-off": "False", "onednn-on": "True"}.get(variant, by_itself)
    assert printed(text) == [due, str(bool(variant)), str(not variant), str(int(bool(variant)))]


@pytest.mark.parametrize("way", calls.DERIVATIVES)
def test_torch_compile_has_no_other_derivatives(way: str) -> None:
    torch = load("torch")

    with pytest.raises(NotOffered, match=f"torch.compile has no way '{way}' to call softmax_vjp"):
        torch.function("softmax_vjp", way, "compile", "cpu")
