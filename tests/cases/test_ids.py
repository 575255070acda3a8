"""The id of a case: the same question has the same id for ever, and another question has another one."""

from __future__ import annotations

import ast
import hashlib
import inspect
import os
import struct
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from conformance.cases import cases
from conformance.values import Call, Case, Inputs, Tier
from reference.formats import FORMATS
from reference.ops import LOG_SOFTMAX, OPS, SOFTMAX, SOFTMAX_VJP, Op

if TYPE_CHECKING:
    from types import ModuleType

FLOAT32 = FORMATS["float32"]


def question(
    x: Any = (0.0, 1.0),
    dtype: str = "float32",
    *,
    op: Op = SOFTMAX,
    call: Call | None = None,
    operand: Any = None,
    cotangent: Any = None,
    **options: Any,
) -> Case:
    x, operand, cotangent = (None if a is None else np.array(a, dtype=float) for a in (x, operand, cotangent))
    inputs = Inputs(x, dtype, operand, cotangent)
    return Case(op, FLOAT32, "family", "name", inputs, call or Call(), x, **options)


def documented(*parts: str | bytes) -> str:
    """BLAKE2b of 8 bytes: each part behind its length, as eight bytes, lowest first."""
    text = b""
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        text += struct.pack("<Q", len(raw)) + raw
    return hashlib.blake2b(text, digest_size=8).hexdigest()


ZERO_ONE = bytes.fromhex("00000000 0000803f")
TWO_THREE = bytes.fromhex("00000040 00004040")

STACKED = ("softmax", "float32", "plain", "-1", "", "stacked", "float32", "(2,)", ZERO_ONE)

PINNED: dict[str, tuple[Case, tuple[str | bytes, ...], str]] = {
    "plain": (question(), STACKED, "6f2c6bcbd56130d9"),
    "alone": (
        question(alone=True),
        ("softmax", "float32", "plain", "-1", "", "alone", "float32", "(2,)", ZERO_ONE),
        "112783d4ebff5520",
    ),
    "layout": (
        question([[0, 1], [2, 3]], op=LOG_SOFTMAX, call=Call("plain", 0, "step")),
        ("log_softmax", "float32", "plain", "0", "step", "alone", "float32", "(2, 2)", ZERO_ONE + TWO_THREE),
        "cdf008f46b3de00a",
    ),
    "way": (
        question(call=Call("multiply"), operand=[2.0]),
        (*STACKED[:2], "multiply", *STACKED[3:], "float32", "(1,)", TWO_THREE[:4]),
        "f1dda49a733e33cf",
    ),
    "dtype": (
        question([-3, 2], "int16", policy="integer"),
        ("softmax", "float32", "plain", "-1", "", "alone", "int16", "(2,)", bytes.fromhex("fdff 0200")),
        "c09b6acc51a6a8bb",
    ),
    "cast": (
        question([1.0, -2.0], "bfloat16", call=Call("cast"), operand=[0.0]),
        (
            *("softmax", "float32", "cast", "-1", "", "alone"),
            *("bfloat16", "(2,)", bytes.fromhex("803f 00c0"), "float32", "(1,)", bytes(4)),
        ),
        "29d2cd597c1781e2",
    ),
    "vjp": (
        question(op=SOFTMAX_VJP, cotangent=[2.0, 3.0]),
        ("softmax_vjp", *STACKED[1:], "float32", "(2,)", TWO_THREE),
        "f3b7f5eba6156bb6",
    ),
    "vjp with a layout": (
        question(op=SOFTMAX_VJP, cotangent=[2.0, 2.0], call=Call(cotangent_layout="broadcast")),
        (
            *("softmax_vjp", "float32", "plain", "-1", "", "broadcast", "alone", "float32", "(2,)", ZERO_ONE),
            *("float32", "(2,)", bytes.fromhex("00000040 00000040")),
        ),
        "fd3626ccb8f58fea",
    ),
}
"""Name → case, the parts that the hash is documented to be taken of, the id."""


@pytest.mark.parametrize("name", PINNED)
def test_an_id_is_the_documented_hash_for_ever(name: str) -> None:
    # Written down once: a change here orphans every published record and every ledger that names ids.
    case, parts, written = PINNED[name]
    assert case.id == documented(*parts)
    assert case.id == written


PLAIN = question()
WITH_OPERAND = question(call=Call("multiply"), operand=[2.0])
LONE = question(alone=True)
SQUARE = question([[0, 1], [2, 3]])

CHANGES: dict[str, tuple[Case, Case]] = {
    "op": (PLAIN, replace(PLAIN, op=LOG_SOFTMAX)),
    "format": (LONE, replace(LONE, format=FORMATS["float64"])),
    "dtype": (LONE, question(dtype="float64", alone=True)),
    "dtype of the same bytes": (question(np.zeros(2), "int32"), question(np.zeros(2), "uint32")),
    "alone": (PLAIN, LONE),
    "raises": (PLAIN, replace(PLAIN, raises=True)),
    "policy": (PLAIN, replace(PLAIN, policy="integer")),
    "way": (WITH_OPERAND, replace(WITH_OPERAND, call=Call("divide"))),
    "axis": (SQUARE, replace(SQUARE, call=Call(axis=0))),
    "negative twin of an axis": (SQUARE, replace(SQUARE, call=Call(axis=1))),
    "layout": (SQUARE, replace(SQUARE, call=Call(layout="step"))),
    "x": (LONE, question((0.0, np.nextafter(np.float32(1), 2)), alone=True)),
    "sign of zero": (LONE, question((-0.0, 1.0), alone=True)),
    "order of x": (LONE, question((1.0, 0.0), alone=True)),
    "shape of x": (LONE, question([[0.0, 1.0]], alone=True)),
    "operand": (WITH_OPERAND, question(call=Call("multiply"), operand=[3.0])),
    "shape of the operand": (
        question([[0], [0]], call=Call("fill"), operand=[[0.0], [0.0]]),
        question([[0], [0]], call=Call("fill"), operand=[0.0, 0.0]),
    ),
    "no operand": (WITH_OPERAND, question(call=Call("multiply"))),
    "cotangent": (PINNED["vjp"][0], question(op=SOFTMAX_VJP, cotangent=[2.0, 4.0])),
    "layout of the cotangent": (
        PINNED["vjp with a layout"][0],
        question(op=SOFTMAX_VJP, cotangent=[2.0, 2.0], call=Call(cotangent_layout="broadcast-axis")),
    ),
    "where x ends": (
        question([0, 1], call=Call("add"), operand=[2.0]),
        question([0], call=Call("add"), operand=[1.0, 2.0]),
    ),
    "where a text ends": (
        replace(LONE, call=Call("plain", 11, "")),
        replace(LONE, call=Call("plain1", 1, "")),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_can_change_the_answer_changes_the_id(change: str) -> None:
    one, other = CHANGES[change]
    assert one.id != other.id


def test_every_field_is_shown_to_change_the_id_or_not_to() -> None:
    """A field that is added to a case, a call or the inputs has to be put on one side or the other."""
    of_case = {"op", "format", "family", "name", "inputs", "call", "logits", "unrounded", "tier"}
    of_case |= {"alone", "raises", "policy"}
    assert of_case == set(Case.__dataclass_fields__)
    assert {"way", "axis", "layout", "cotangent_layout"} == set(Call.__dataclass_fields__)
    assert {"x", "dtype", "operand", "cotangent"} == set(Inputs.__dataclass_fields__)


@pytest.mark.parametrize(
    "same",
    [
        {"family": "other"},
        {"name": "other"},
        {"tier": Tier.SMOKE},
        # Those follow from the inputs and the call.
        {"logits": np.zeros(2)},
        {"unrounded": np.zeros(2)},
    ],
    ids=lambda same: next(iter(same)),
)
def test_where_a_question_comes_from_does_not_change_the_id(same: dict[str, Any]) -> None:
    for case in (PLAIN, LONE, WITH_OPERAND):
        assert replace(case, **same).id == case.id


@pytest.mark.parametrize("same", [{"raises": True}, {"policy": "integer"}], ids=lambda same: next(iter(same)))
def test_what_is_legal_does_not_change_the_id_of_an_array_that_is_alone_anyway(same: dict[str, Any]) -> None:
    assert replace(LONE, **same).id == LONE.id


@pytest.mark.parametrize("format", FORMATS)
def test_one_bit_of_any_number_changes_the_id(format: str) -> None:
    for case in cases(FORMATS[format], [SOFTMAX], families=["single"], tier=Tier.STANDARD, seed=0):
        stored = case.format.encode(case.inputs.x)
        flipped = (stored.view(f"u{stored.itemsize}") ^ 1).view(stored.dtype)
        x = case.format.decode(flipped)
        if np.isfinite(x).all():
            assert replace(case, inputs=Inputs(x, format)).id != case.id


ELSEWHERE = {
    "NumPy without vectors": {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX2 FMA3 AVX512F AVX512_SKX"},
    "a C library without vectors": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-FMA,-FMA_Usable,-AVX512F"},
}


@pytest.mark.parametrize("settings", ELSEWHERE.values(), ids=list(ELSEWHERE))
def test_another_processor_makes_the_same_questions(settings: dict[str, str]) -> None:
    """A power or a logarithm may have another last bit there, and records of two machines could not be merged."""
    text = (
        "from conformance.cases import cases; from conformance.values import Tier; from reference.formats import FORMATS\n"
        "from reference.ops import OPS\n"
        "for f in FORMATS.values():\n"
        "    for c in cases(f, list(OPS.values()), tier=Tier.STANDARD, seed=0): print(f.name, c.op.name, c.family, c.name, c.id)"
    )
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-W", "ignore", "-c", text],
        capture_output=True, text=True, check=True, timeout=600, env={**os.environ, **settings},
    )  # fmt: skip
    here = [
        f"{format.name} {case.op.name} {case.family} {case.name} {case.id}"
        for format in FORMATS.values()
        for case in cases(format, list(OPS.values()), tier=Tier.STANDARD, seed=0)
    ]
    assert done.stdout.splitlines() == here


@pytest.mark.parametrize("module", [m for m in sys.modules.values() if m.__name__.startswith("conformance.cases.")])
def test_no_family_takes_a_power_or_a_logarithm_of_numpy(module: ModuleType) -> None:
    """Those of arrays have other last bits on other processors; :func:`across_binades` and :func:`log_of` do not."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np":
            assert node.attr not in {"exp", "exp2", "expm1", "log", "log2", "log1p", "power", "logspace", "geomspace"}
