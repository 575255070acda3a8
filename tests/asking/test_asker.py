"""One fault is one case: found by halving, charged to nobody else, and nothing of a batch is lost."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from conformance.asking.asker import PATIENCE, Asker, told, transport_probe
from conformance.asking.connections import Limits, Lost
from conformance.values import (
    Answered,
    Batch,
    Call,
    Case,
    Crashed,
    Inputs,
    NotAsked,
    OutOfMemory,
    Raised,
    Target,
    TimedOut,
    Unsupported,
)
from reference.formats import EVERY_FORMAT, FORMATS
from reference.ops import SOFTMAX

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.values import Observation

FLOAT32 = FORMATS["float32"]
TARGET = Target("fake", "eager", "cpu", version="1")
LIMITS = Limits(seconds=40, start=5)


def batch(count: int, first: int = 1) -> Batch:
    """Rows [i, 0] for i from ``first`` on, as one array."""
    rows = [np.array([float(i), 0.0]) for i in range(first, first + count)]
    return Batch(
        tuple(
            Case(SOFTMAX, FLOAT32, "family", str(int(row[0])), Inputs(row, "float32"), Call(), logits=row)
            for row in rows
        )
    )


class Fake:
    """A connection to no worker: ``on(rows)`` says what a call does beside answering; it may raise Lost."""

    def __init__(self, log: Log, on: Callable[[np.ndarray], dict[str, Any] | None]) -> None:
        self.log, self.on, self.well = log, on, True
        log.opened += 1

    def exchange(self, message: dict[str, Any], arrays: Sequence[Any], seconds: float) -> tuple[Any, Any, str]:
        said = {"id": message.get("id")}
        if message["type"] == "hello":
            return HELLO, [], ""
        if message["type"] == "carry":
            return said | {"type": "carried"}, list(arrays), ""
        if message["type"] == "forget":
            return said | {"type": "done"}, [], ""
        stored = arrays[0][1]
        self.log.asked.append((len(stored), seconds))
        more = self.on(stored[:, 0]) or {}
        again = [("float32", more.pop("again"))] if "again" in more else []
        reply = said | {"type": "answered", "seconds": 0.0, "side_effects": [], "wrote_input": False, **more}
        return reply, [] if reply["type"] != "answered" else [("float32", stored), *again], ""

    def ready(self) -> bool:
        return self.well

    def close(self) -> None:
        self.well = False


class Log:
    """What the connections of one asker were asked."""

    def __init__(self) -> None:
        self.opened = 0
        self.asked: list[tuple[int, float]] = []


HELLO: dict[str, Any] = {
    "type": "hello", "protocol": 1, "framework": "fake", "version": "1", "modes": ["eager"], "devices": ["cpu"],
    "ways": ["plain"], "layouts": [], "controls": {}, "variants": [""],
}  # fmt: skip


def ask(on: Callable[[np.ndarray], Any], asked: Batch, limits: Limits = LIMITS) -> tuple[dict[str, Observation], Log]:
    """Case's name → its observation."""
    log = Log()
    asker = Asker(lambda: Fake(log, on), {"framework": "fake"}, limits)
    found = {case.name: seen for part, seen in asker.ask(TARGET, asked) for case in part.cases}
    return found, log


def dying(culprits: set[int], how: Observation) -> Callable[[np.ndarray], None]:
    def on(rows: np.ndarray) -> None:
        if culprits & set(rows.astype(int).tolist()):
            raise Lost(how)

    return on


@pytest.mark.parametrize("how", [Crashed("signal"), TimedOut(9.0), OutOfMemory(2**30)])
@pytest.mark.parametrize("culprit", [1, 300, 512])
def test_what_ends_a_worker_costs_one_of_many(how: Observation, culprit: int) -> None:
    found, log = ask(dying({culprit}, how), batch(512))

    assert {str(culprit): how} == {name: seen for name, seen in found.items() if not isinstance(seen, Answered)}
    assert 512 == len(found)
    assert log.opened <= 12  # one for each halving of 512 rows, and the first


def test_one_that_leaves_something_changed_costs_one_of_many() -> None:
    def on(rows: np.ndarray) -> dict[str, Any]:
        return {"side_effects": ["changed it"], "spoiled": True} if 77 in rows else {}

    found, _ = ask(on, batch(512))

    assert ["77"] == [name for name, seen in found.items() if seen != found["1"] and getattr(seen, "side_effects", 1)]
    assert all(isinstance(seen, Answered) for seen in found.values())


def test_after_so_many_of_them_the_rest_is_given_up_and_says_so() -> None:
    found, _ = ask(dying(set(range(1, 65)), Crashed("signal")), batch(64))

    counts = Counter(type(seen) for seen in found.values())
    assert {Crashed: PATIENCE, NotAsked: 64 - PATIENCE} == counts
    assert 3 == Counter(type(s) for s in ask(dying(set(range(1, 65)), TimedOut(9.0)), batch(64))[0].values())[TimedOut]


def test_the_next_task_is_given_up_no_later_and_no_earlier() -> None:
    asker = Asker(
        lambda: Fake(Log(), dying(set(range(1, 65)), Crashed("signal"))), {"framework": "fake"}, LIMITS
    )  # fmt: skip
    counts = []
    for _ in range(2):
        seen = [observation for part, observation in asker.ask(TARGET, batch(64)) for _ in part.cases]
        counts.append(Counter(type(observation) for observation in seen))
        asker.forget()

    assert [{Crashed: PATIENCE, NotAsked: 64 - PATIENCE}] * 2 == counts


def test_a_case_alone_has_the_whole_limit() -> None:
    _, log = ask(dying({5}, TimedOut(9.0)), batch(16), Limits(seconds=80))

    assert {80.0} == {seconds for rows, seconds in log.asked if rows in (1, 16)}
    assert {20.0} == {seconds for rows, seconds in log.asked if rows in (4, 8)}


IN_COMPANY = " (as one array of 8 rows; asked apart they were answered)"


@pytest.mark.parametrize(
    ("how", "kept"),
    [
        (TimedOut(9.0), Crashed(f"no answer within 9 s{IN_COMPANY}")),
        (Crashed("signal"), Crashed(f"signal{IN_COMPANY}")),
        (OutOfMemory(2**30), Crashed(f"more than {2**30} bytes of memory{IN_COMPANY}")),
        (Raised("ValueError: no"), Raised(f"ValueError: no{IN_COMPANY}")),
    ],
)
def test_a_fault_of_the_whole_that_no_part_repeats_is_kept_with_the_first(how: Any, kept: Observation) -> None:
    def on(rows: np.ndarray) -> dict[str, Any]:
        if len(rows) < 8:
            return {}
        if isinstance(how, Raised):
            return {"type": "raised", "error": how.error}
        raise Lost(how)

    found, _ = ask(on, batch(8))

    assert {"1": kept} == {name: seen for name, seen in found.items() if not isinstance(seen, Answered)}


def test_what_the_whole_changed_and_no_part_again_is_told_of_the_first() -> None:
    found, _ = ask(lambda rows: {"side_effects": ["moved"], "wrote_input": True} if len(rows) == 8 else {}, batch(8))

    answers = [seen for seen in found.values() if isinstance(seen, Answered)]
    assert [(f"moved{IN_COMPANY}",), *[()] * 7] == [seen.side_effects for seen in answers]
    assert [True, *[False] * 7] == [seen.wrote_input for seen in answers]
    assert {(1, 2)} == {answers[0].shape, answers[0].stored.shape}


def test_another_answer_to_a_later_call_comes_with_the_first_and_costs_no_halving() -> None:
    found, log = ask(lambda rows: {"again": np.full((len(rows), 2), 9, np.float32)}, batch(8))

    [seen] = {id(seen): seen for seen in found.values()}.values()
    assert isinstance(seen, Answered)
    assert seen.again is not None
    assert ((8, 2), 9.0) == (seen.again.shape, seen.again.stored.max())
    assert 1 + 1 == len(log.asked)  # the support probe, and the batch


def test_a_later_answer_of_another_shape_is_looked_for_in_the_parts() -> None:
    found, _ = ask(lambda rows: {"again": np.zeros((len(rows), 3), np.float32)} if 5 in rows else {}, batch(8))

    assert ["5"] == [name for name, seen in found.items() if isinstance(seen, Answered) and seen.again]


def test_a_later_answer_that_no_part_repeats_is_kept_with_the_first() -> None:
    wide, same = (np.zeros((8, n), np.float32) for n in (3, 2))
    for again, effects, shape in ((wide, [], (8, 3)), (same, ["did more"], (1, 2))):
        found, _ = ask(
            lambda rows, a=again, e=effects: {"again": a, "side_effects": e} if len(rows) == 8 else {}, batch(8)
        )

        [(name, seen)] = [(n, seen) for n, seen in found.items() if isinstance(seen, Answered) and seen.again]
        assert ("1", shape) == (name, seen.again.shape)


def test_an_exception_belongs_to_the_row_that_causes_it() -> None:
    found, log = ask(lambda rows: {"type": "raised", "error": "ValueError: 6"} if 6 in rows else {}, batch(16))

    assert ["6"] == [name for name, seen in found.items() if isinstance(seen, Raised)]
    assert 1 == log.opened  # it did not end the worker


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ({"seconds": None}, "broke the protocol: seconds None"),
        ({"seconds": "1"}, "broke the protocol"),
        ({"side_effects": None}, "broke the protocol"),
        ({"side_effects": "text"}, "broke the protocol"),
        ({"type": "nonsense"}, "a call was answered with 'nonsense'"),
        ({"id": 99}, "answered question 99 where"),
    ],
)
def test_a_reply_that_is_none_is_an_observation(reply: dict[str, Any], why: str) -> None:
    found, _ = ask(lambda rows: reply if 3 in rows else {}, batch(4))

    assert ["3"] == [name for name, seen in found.items() if isinstance(seen, Crashed)]
    assert why in str(found["3"])


def test_a_worker_that_ends_between_two_questions_is_replaced_and_nobody_charged() -> None:
    log = Log()
    opened: list[Fake] = []

    def start() -> Fake:
        opened.append(Fake(log, lambda _: None))
        return opened[-1]

    asker = Asker(start, {"framework": "fake"}, LIMITS)
    seen = []
    for i in range(1, 5):
        seen += [observation for _, observation in asker.ask(TARGET, batch(1, i))]
        opened[-1].well = i % 2 == 0

    assert 4 == len(seen)
    assert all(isinstance(one, Answered) for one in seen)
    assert 3 == len(opened)


@pytest.mark.parametrize("rows", [1, 4])
def test_a_worker_that_does_not_come_back_is_not_tried_for_every_batch(rows: int) -> None:
    tries = 0

    class Refusing(Fake):
        def exchange(self, message: dict[str, Any], arrays: Sequence[Any], seconds: float) -> tuple[Any, Any, str]:
            if message["type"] == "hello" and tries > 1:
                return {"type": "absent", "why": "the library is gone"}, [], ""
            return super().exchange(message, arrays, seconds)

    def open_() -> Fake:
        nonlocal tries
        tries += 1
        return Refusing(Log(), dying({1}, Crashed("signal")))

    asker = Asker(open_, {"framework": "fake"}, LIMITS)
    first = [seen for _, seen in asker.ask(TARGET, batch(rows, 1))]
    later = [seen for i in range(5, 30) for _, seen in asker.ask(TARGET, batch(1, i))]

    assert [Crashed("signal")] == first if rows == 1 else {NotAsked} == {type(seen) for seen in first}
    assert {NotAsked("its worker did not come back: the library is gone")} == set(later)
    assert 2 == tries


def test_what_a_subject_does_not_have_is_unsupported_with_a_reason() -> None:
    row = np.array([0.0, 1.0])
    calls = [Call(layout="step"), Call(way="multiply")]
    asked = [
        Batch((Case(SOFTMAX, FLOAT32, "f", "n", Inputs(row, "float32", np.ones(1)), call, logits=row, alone=True),))
        for call in calls
    ]
    asker = Asker(lambda: Fake(Log(), lambda _: None), {"framework": "fake"}, LIMITS)

    whys = [seen for one in asked for _, seen in asker.ask(TARGET, one)]

    assert [
        Unsupported("fake has no arrays of the layout step"),
        Unsupported("fake cannot be called in the way multiply"),
    ] == whys


def test_an_interpreter_is_asked_no_array_of_more_numbers_than_it_says() -> None:
    class Slow(Fake):
        def exchange(self, message: dict[str, Any], arrays: Sequence[Any], seconds: float) -> tuple[Any, Any, str]:
            reply, back, printed = super().exchange(message, arrays, seconds)
            return reply | {"largest": 2} if message["type"] == "hello" else reply, back, printed

    long = np.zeros(3)
    asker = Asker(lambda: Slow(Log(), lambda _: None), {"framework": "fake"}, LIMITS)
    several = [seen for _, seen in asker.ask(TARGET, batch(7))]
    one = Batch((Case(SOFTMAX, FLOAT32, "f", "n", Inputs(long, "float32"), Call(), logits=long),))

    assert [Answered] == [type(seen) for seen in several]
    assert [(one, Unsupported("fake is not asked arrays of more than 2 numbers here"))] == list(asker.ask(TARGET, one))


def test_a_question_that_cannot_be_asked_so_is_unsupported_alone() -> None:
    def answer(rows: np.ndarray) -> dict[str, Any] | None:
        return {"type": "raised", "error": "no axis but the last", "unsupported": True} if rows.any() else None

    found, _ = ask(answer, batch(3))

    assert {Unsupported("no axis but the last")} == set(found.values())


def refusing(error: str, *, refusal: bool) -> Callable[[np.ndarray], dict[str, Any]]:
    """What raises over two rows of zeros, and whether the worker takes that for a refusal."""
    return lambda rows: {} if rows.any() else {"type": "raised", "error": error, "refusal": refusal}


def test_an_op_that_is_refused_is_unsupported_where_nobody_says_that_it_must_be_there() -> None:
    def open_() -> Fake:
        return Fake(Log(), refusing("TypeError: no kernel", refusal=True))

    askers = Asker(open_, {"framework": "fake"}, LIMITS), Asker(open_, {"framework": "fake"}, LIMITS, must=True)
    seen = [observation for asker in askers for _, observation in asker.ask(TARGET, batch(3))]

    assert [Unsupported("TypeError: no kernel"), Raised("TypeError: no kernel")] == seen


@pytest.mark.parametrize("error", ["NameError: name 'nowhere' is not defined", "RecursionError", "SystemExit: 0"])
def test_a_mistake_in_a_function_is_no_refusal(error: str) -> None:
    found, _ = ask(refusing(error, refusal=False), batch(3))

    assert {Answered} == {type(seen) for seen in found.values()}


@pytest.mark.parametrize("dtype", EVERY_FORMAT)
def test_the_probe_row_holds_what_a_lossy_border_changes(dtype: str) -> None:
    format = EVERY_FORMAT[dtype]
    values = format.decode(transport_probe(format))

    largest_subnormal = format.smallest_normal - format.smallest_subnormal
    assert {0.0, format.smallest_subnormal, largest_subnormal, format.smallest_normal} <= set(values.tolist())
    assert {format.max, -format.max} <= set(values.tolist())
    assert np.isnan(values).any()
    assert np.isinf(values).any() == format.has_inf
    assert np.signbit(values[values == 0]).any()


def test_a_lost_sign_of_zero_is_found_at_its_place() -> None:
    class Lossy(Fake):
        def exchange(self, message: dict[str, Any], arrays: Sequence[Any], seconds: float) -> tuple[Any, Any, str]:
            reply, back, printed = super().exchange(message, arrays, seconds)
            if message["type"] == "carry":
                back = [(dtype, stored + np.float32(0)) for dtype, stored in back]
            return reply, back, printed

    asker = Asker(lambda: Lossy(Log(), lambda _: None), {"framework": "fake"}, LIMITS)
    [(_, seen)] = asker.ask(TARGET, batch(2))

    assert Unsupported("transport: element 9 of the probe row came back with other bits") == seen


def test_what_a_framework_prints_is_its_own_business() -> None:
    """Only functions of a user's own are watched; a framework may warn on its standard error."""

    class Chatty(Fake):
        def exchange(self, *asked: Any) -> tuple[Any, Any, str]:
            reply, back, _ = super().exchange(*asked)
            return reply, back, "a warning\n"

    for watched, said in ((False, ()), (True, ("printed 'a warning'",))):
        log = Log()
        connection = Chatty(log, lambda _: None)
        asker = Asker(lambda connection=connection: connection, {"framework": "fake", "variant": ""}, LIMITS)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(HELLO, "watched", watched)
            asker.start()
            seen = [observation for _, observation in asker.ask(TARGET, batch(1))]

        assert [said] == [observation.side_effects for observation in seen if isinstance(observation, Answered)]


def test_a_worker_need_not_say_how_long_a_call_took() -> None:
    class Untimed(Fake):
        def exchange(self, *asked: Any) -> tuple[Any, Any, str]:
            reply, back, printed = super().exchange(*asked)
            return {name: value for name, value in reply.items() if name != "seconds"}, back, printed

    log = Log()
    asker = Asker(lambda: Untimed(log, lambda _: None), {"framework": "fake"}, LIMITS)
    seen = [observation for _, observation in asker.ask(TARGET, batch(1))]

    assert [0.0] == [observation.seconds for observation in seen if isinstance(observation, Answered)]


@pytest.mark.parametrize(
    ("observation", "words"),
    [
        (Raised("KeyError: 1"), "KeyError: 1"),
        (Unsupported("no such dtype"), "no such dtype"),
        (NotAsked("its worker did not come back"), "its worker did not come back"),
        (Crashed("the process was ended by SIGSEGV"), "the process was ended by SIGSEGV"),
        (TimedOut(120.0), "no answer within 120 s"),
        (OutOfMemory(3 * 2**29), "more than 1.5 GiB of memory"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_why_there_is_no_answer_is_told_in_words(observation: Observation, words: str) -> None:
    assert words == told(observation)
