"""A compiled mode really compiles, and a vjp is the derivative."""

from __future__ import annotations

import json

import numpy as np
import pytest

from conformance import frameworks, producers
from conformance.frameworks import controls
from conformance.frameworks.base import Behind
from reference.bounds import bounds
from reference.formats import FLOAT8_FORMATS, FORMATS
from reference.truth import truth


def _load(name: str) -> frameworks.Framework:
    try:
        return frameworks.load(name)
    except ImportError as error:
        pytest.skip(f"{name} is not installed: {error}")


def test_torch_compile_never_falls_back_to_eager() -> None:
    """Dynamo runs a function eagerly, without a word, once it has compiled it for too many shapes."""
    torch = _load("torch")
    counters = torch.torch._dynamo.utils.counters  # the framework's own count of what it compiled

    counters.clear()
    f = torch.function("softmax", "compile", "cpu")
    ranks = [(2,) * rank for rank in range(1, 5)]
    for dtype in ("float32", "float64"):
        for shape in ranks:
            f(torch.send(np.zeros(shape, dtype=dtype), dtype, "cpu"), len(shape) - 1)

    assert counters["stats"]["unique_graphs"] >= len(ranks)
    assert not counters["graph_break"]


def test_tensorflow_xla_compiles() -> None:
    tensorflow = _load("tensorflow")
    x = tensorflow.send(np.zeros((2, 3), dtype="float32"), "float32", "cpu")

    compiled = tensorflow.tf.function(tensorflow.tf.nn.softmax, jit_compile=True)

    assert "HloModule" in compiled.experimental_get_compiler_ir(x, -1, None)(stage="hlo")


def test_jax_jit_makes_one_program() -> None:
    jax = _load("jax")
    x = jax.send(np.zeros((2, 3), dtype="float32"), "float32", "cpu")

    text = jax.jax.jit(jax.jax.nn.softmax, static_argnames="axis").lower(x, axis=-1).as_text()

    assert "module @jit_softmax" in text


@pytest.mark.parametrize("name", frameworks.names())
@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
def test_vjp_of_a_row_of_two_is_the_known_derivative(name: str, op: str) -> None:
    """At x = (0, 0): p = ½, so ∂p₀/∂x = (¼, -¼) and ∂log p₀/∂x = (½, -½): exact in every format."""
    framework = _load(name)
    due = {"softmax": [0.25, -0.25], "log_softmax": [0.5, -0.5]}[op]

    for mode in framework.modes:
        vjp = framework.function(f"{op}_vjp", mode, "cpu")
        x, g = (framework.send(np.array([row]), "float64", "cpu") for row in ([0.0, 0.0], [1.0, 0.0]))

        assert [due] == framework.fetch(vjp(x, -1, g))[1].tolist()


@pytest.mark.parametrize("name", frameworks.names())
@pytest.mark.parametrize(("control", "op"), [(c, op) for c, ops in controls.CONTROLS.items() for op in ops])
def test_controls_are_exact_on_two_zeros(name: str, control: str, op: str) -> None:
    framework = _load(name)
    f = controls.function(framework, control, op, "cpu")
    assert f is not None
    x = framework.send(FORMATS["float64"].encode([[0.0, 0.0]]), "float64", "cpu")

    got = framework.fetch(f(x, -1))[1]

    due = 0.5 if op == "softmax" else np.log(0.5)
    # exp(-log 2) need not be ½ to the last bit: one ulp of the float64 exp and log each.
    assert (np.abs(got - due) <= 2 * np.spacing(abs(due))).all()


@pytest.mark.parametrize("name", frameworks.names())
def test_script_runs_and_prints_the_answer(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    framework = _load(name)
    for mode in (framework.modes[0], framework.modes[-1]):
        exec(framework.script("softmax", mode, "cpu", "float32", -1, "[0.0, 0.0]"), {})  # noqa: S102 - our own text

        assert "[0.5, 0.5]" == capfd.readouterr().out.strip().splitlines()[-1]


@pytest.mark.filterwarnings("ignore:Implicit dimension")  # PyTorch, where no axis is named
@pytest.mark.parametrize("name", frameworks.names())
def test_the_program_of_each_producer_runs(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    framework = _load(name)
    for producer in framework.calls:
        behind = Behind(producer, "[1.0, 1.0, 1.0, 1.0, 1.0]", "float64" if producer == "cast" else "float32")
        program = framework.script("softmax", framework.modes[0], "cpu", "float32", -1, "[0.0] * 5", behind)
        exec(program, {})  # noqa: S102 - our own text
        assert [0.2] * 5 == [round(p, 6) for p in json.loads(capfd.readouterr().out.strip().splitlines()[-1])]


@pytest.mark.parametrize("name", frameworks.names())
@pytest.mark.parametrize("dtype", FORMATS)
def test_what_stands_in_front_is_computed_in_every_mode(name: str, dtype: str) -> None:
    """Small integers: every product, quotient and sum is exact, so rounding has no part in it."""
    framework, format = _load(name), FORMATS[dtype]
    x = np.array([[0.0, 2.0, -4.0, 1.0, 3.0], [8.0, 6.0, 4.0, 5.0, 7.0]])
    operand = np.array([[2.0, 2.0, 2.0, 2.0, 2.0], [1.0, 0.0, 1.0, 1.0, 0.0]])
    for producer in set(framework.calls) - {"out", "flat", "default"}:
        masks = producer in producers.MASKS
        other = operand[1:] if masks else operand[:1]
        logits = format.quantise(producers.logits(producer, x, other))
        due = truth("softmax", logits, format=format).nearest
        bound = bounds("softmax", logits, format=format, grade="loose")
        for mode in framework.modes:
            f = framework.produced("softmax", producer, mode, "cpu")
            arrays = (framework.send(format.encode(a), dtype, "cpu") for a in (x, other))
            got = format.decode(framework.fetch(f(*arrays, -1))[1])
            assert (np.abs(got - due) <= bound.relative * due + bound.absolute).all(), (producer, mode)


@pytest.mark.parametrize("name", ["torch", "jax", "tensorflow"])
@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "bool", *FLOAT8_FORMATS])
def test_other_dtypes_cross_unchanged(name: str, dtype: str) -> None:
    framework = _load(name)
    stored = np.array([0, 1, 1, 0, 1]).astype("uint8" if dtype in FLOAT8_FORMATS else dtype)

    back_dtype, back = framework.fetch(framework.send(stored, dtype, "cpu"))

    assert dtype == back_dtype
    assert stored.tobytes() == back.tobytes()
