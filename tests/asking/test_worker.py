"""The worker's parts, called in this process."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from conformance.asking.connections import PROGRAM
from conformance.asking.worker import FRAMES, Worker, _fetch, _versions, last_place, trace_of
from conformance.frameworks.arrays import PRIMITIVES, NumPy
from conformance.frameworks.base import NotOffered
from conformance.frameworks.controls import CONTROLS

if TYPE_CHECKING:
    from conformance.frameworks.base import Primitives


def raising() -> None:
    raise KeyError("deep")


def test_the_place_of_an_exception_is_where_it_was_raised() -> None:
    with pytest.raises(KeyError) as caught:
        raising()

    line = raising.__code__.co_firstlineno + 1
    assert f"test_worker.py:{line} in raising" == last_place(caught.value)
    assert "" == last_place(KeyError("never raised"))


def deeper(n: int) -> None:
    if n:
        deeper(n - 1)
    raising()


def test_the_last_frames_of_a_traceback_are_told() -> None:
    with pytest.raises(KeyError) as caught:
        deeper(20)

    lines = trace_of(caught.value)
    heads = [line for line in lines if line.startswith("  File ")]
    assert 2 <= len(heads) <= FRAMES
    assert heads[0].endswith("in deeper")
    assert heads[-1].endswith("in raising")
    assert 'raise KeyError("deep")' in "".join(lines)
    assert [] == trace_of(KeyError("never raised"))


@pytest.mark.parametrize("own", [True, False])
def test_a_list_is_an_object_of_a_users_function_and_an_array_where_the_adapter_says_so(own: bool) -> None:
    class Lists:
        twice = own

        @staticmethod
        def fetch(answer: list[float]) -> tuple[str, np.ndarray]:
            return "float32", np.array(answer, np.float32)

    dtype, stored = _fetch(Lists(), [1.0, 2.0], np.zeros(2, np.float32))

    assert (("an object of type list", 0) if own else ("float32", 2)) == (dtype, stored.size)


def test_the_versions_of_an_adapters_packages_are_told_where_they_are_installed() -> None:
    assert {"numpy": np.__version__} == _versions(("numpy", "no-such-package"))


@pytest.mark.parametrize(
    ("devices", "primitives", "listed"),
    [(["cpu"], object(), set(CONTROLS)), (["cpu"], None, set()), ([], object(), set())],
)
def test_controls_need_a_device_and_elementary_functions(devices: list[str], primitives: Any, listed: set[str]) -> None:
    class Adapter:
        @staticmethod
        def primitives(device: str) -> Any:
            assert "cpu" == device
            return primitives

    found = Worker(Adapter())._listed_controls(devices)

    assert listed == set(found)
    assert all(ops == sorted(CONTROLS[name].formulas) for name, ops in found.items())


def test_an_answer_that_is_another_array_by_now_is_a_side_effect() -> None:
    class Adapter:
        @staticmethod
        def fetch(answer: np.ndarray) -> tuple[str, np.ndarray]:
            return "float32", answer

    worker, first, second = Worker(Adapter()), np.ones(3, np.float32), np.zeros(3, np.float32)

    assert [] == worker._watch(first, first.copy())
    assert [] == worker._watch(second, second.copy())
    assert [] == worker._watch(second, second.copy())  # the same buffer, with the same numbers
    second[0] = 1
    assert ["overwrote the answer of an earlier call"] == worker._watch(first, first.copy())
    first[0] = 2
    assert ["overwrote the answer of an earlier call"] == worker._watch(first, first.copy())


class Calls(NumPy):
    """Functions on NumPy's arrays that return x, and keep what they were given."""

    def __init__(self, *, twice: bool = False) -> None:
        self.twice = twice
        self.given: list[tuple[Any, ...]] = []

    def function(self, *_: str) -> Any:
        def own(*given: Any) -> Any:
            self.given.append(given)
            return given[0]

        return own

    @staticmethod
    def primitives(device: str) -> Primitives:
        del device
        return PRIMITIVES


def call(worker: Worker, *arrays: list[float], **how: Any) -> tuple[dict[str, Any], list[Any]]:
    """The reply to one call, and the arrays that came with it."""
    plain = {
        "type": "call", "id": 1, "op": "softmax", "way": "plain", "mode": "eager", "device": "cpu", "control": False,
        "axis": -1, "layout": "",
    }  # fmt: skip
    return worker.reply(plain | how, [("float32", np.array(array, np.float32)) for array in arrays])


@pytest.mark.parametrize(
    ("arrays", "how", "order"),
    [
        ([[1.0]], {}, ([1.0], -1)),
        ([[1.0], [2.0]], {"op": "softmax_vjp"}, ([1.0], -1, [2.0])),
        ([[1.0], [2.0]], {"way": "multiply"}, ([1.0], [2.0], -1)),
    ],
    ids=["plain", "vjp", "operand"],
)
def test_an_operand_stands_before_the_axis_and_a_cotangent_behind_it(
    arrays: list[list[float]], how: dict[str, str], order: tuple[Any, ...]
) -> None:
    adapter = Calls()

    call(Worker(adapter), *arrays, **how)

    assert [order] == [tuple(one if isinstance(one, int) else one.tolist() for one in given) for given in adapter.given]


@pytest.mark.parametrize("twice", [False, True])
def test_only_a_function_of_ones_own_is_asked_again(twice: bool) -> None:
    adapter = Calls(twice=twice)

    reply, [(dtype, stored)] = call(Worker(adapter), [1.0, 2.0])

    assert ("answered", "float32", [1.0, 2.0]) == (reply["type"], dtype, stored.tolist())
    assert (4 if twice else 1) == len(adapter.given)


def test_a_control_answers_from_the_first_question_on() -> None:
    worker = Worker(Calls())

    answers = [call(worker, [0.0, 0.0], mode="definition", control=True) for _ in range(2)]

    assert [[0.5, 0.5]] * 2 == [stored.tolist() for _, [(_, stored)] in answers]


def test_a_framework_cannot_import_the_files_beside_the_worker_by_their_names() -> None:
    """One that imports a module ``state`` or ``plan`` of its own would get ours."""
    told = (
        "import importlib.util, pathlib, runpy, sys\n"
        f"program = pathlib.Path({str(PROGRAM)!r})\n"
        "sys.path.insert(0, str(program.parent))\n"  # as Python does for a program
        "runpy.run_path(str(program))['_find_conformance']()\n"
        "print([importlib.util.find_spec(name) is not None for name in ('state', 'conformance.asking.state')])\n"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)  # noqa: S603

    assert "[False, True]" == done.stdout.strip()


@pytest.mark.parametrize(
    ("error", "told", "unsupported"),
    [(NotOffered("no axis but the last"), "no axis but the last", True), (LookupError("x"), "LookupError: x", False)],
)
def test_what_an_adapter_does_not_offer_is_no_failure_and_a_lookup_error_is_one(
    error: Exception, told: str, unsupported: bool
) -> None:
    class Refusing(Calls):
        def function(self, op: str, way: str, mode: str, device: str) -> Any:
            del op, way, mode, device
            raise error

    reply, arrays = call(Worker(Refusing()), [1.0])

    assert ("raised", told, unsupported, unsupported) == tuple(
        reply[name] for name in ("type", "error", "unsupported", "refusal")
    )
    assert [] == arrays
