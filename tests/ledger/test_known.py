"""A ledger knows what it says it knows, and notices what is gone: of all parts together, and only what was asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from asked import EAGER, HERE, record, row

from conformance.ledger import Known, read
from conformance.record import merge
from conformance.values import Target, Tier

if TYPE_CHECKING:
    from conformance.ledger import Entry
    from conformance.record import Record

ENTRY = """
[[entry]]
id = "one"
target = ["torch"]
op = ["softmax"]
dtype = ["float32"]
family = ["underflow"]
kind = "lost_normal"
reason = "unreported"
versions = ">=2.13"
platform = ["x86_64/avx512"]
note = "loses them"
reproduce = "print(0.0)  # 0.0"
seen = 2026-11-23
"""
COMPILE = Target("torch", "compile", "cpu", version="2.13.0")
JIT = Target("jax", "jit", "cpu", version="0.10.2")


def entries(text: str = ENTRY) -> tuple[Entry, ...]:
    return read({"file.toml": text})


def ids(told: Record, text: str = ENTRY) -> list[tuple[str, ...]]:
    return Known(told, entries(text)).ids.tolist()


def stale(told: Record, text: str = ENTRY) -> list[str]:
    return [gone.entry.id for gone in Known(told, entries(text)).stale]


def test_a_known_finding_is_named_in_its_place() -> None:
    told = record(row(EAGER, "accuracy", "lost_normal"), row(case="b"), row(EAGER, "lost_normal", case="c"))

    assert [("", "one"), (), ("one",)] == ids(told)
    assert [] == stale(told)


@pytest.mark.parametrize(
    "other",
    [
        row(EAGER, "lost_normal", op="log_softmax"),
        row(EAGER, "lost_normal", dtype="bfloat16"),
        row(EAGER, "lost_normal", family="axes"),
        row(replace(EAGER, version="2.12"), "lost_normal"),
        row(replace(EAGER, framework="torchx"), "lost_normal"),
        row(EAGER, "accuracy"),
    ],
)
def test_a_finding_elsewhere_is_unknown(other: dict[str, Any]) -> None:
    assert [("",)] == ids(record(other))


def test_nothing_is_written_into_the_record() -> None:
    told = record(row(EAGER, "lost_normal"))
    before = told.observations.copy()

    assert [("one",)] == ids(told)
    assert [("",)] == Known(told, ()).ids.tolist()
    assert before.equals(told.observations)


def test_of_two_entries_the_first_is_named() -> None:
    two = ENTRY + ENTRY.replace('"one"', '"two"').replace('op = ["softmax"]\n', "")
    told = record(row(EAGER, "lost_normal"), row(EAGER, "lost_normal", op="log_softmax"))

    assert [("two",), ("one",)] == ids(told, two)
    assert [] == stale(told, two)


def test_one_observation_that_is_unknown_makes_its_finding_unknown() -> None:
    named = ENTRY + 'case = ["a", "b"]\n'
    whole = record(row(EAGER, "lost_normal"), row(EAGER, "lost_normal", case="b"))
    more = record(row(EAGER, "lost_normal"), row(EAGER, "lost_normal", case="c"))

    assert ["one"] == Known(whole, entries(named)).findings["ledger"].tolist()
    assert [""] == Known(more, entries(named)).findings["ledger"].tolist()
    assert [""] == Known(whole, ()).findings["ledger"].tolist()


def test_every_entry_that_knows_a_finding_is_named() -> None:
    two = ENTRY + 'case = ["a"]\n' + ENTRY.replace('"one"', '"two"') + 'case = ["b"]\n'
    told = record(row(EAGER, "lost_normal"), row(EAGER, "lost_normal", case="b"))

    assert ["one;two"] == Known(told, entries(two)).findings["ledger"].tolist()


# Staleness.


def test_an_entry_whose_finding_is_gone_is_stale_and_says_where() -> None:
    told = record(row(), row(COMPILE), row(COMPILE, case="b"), row(JIT))

    (gone,) = Known(told, entries()).stale

    assert (entries()[0], 3) == (gone.entry, gone.asked)
    assert {"torch/eager/cpu", "torch/compile/cpu"} == set(gone.targets)
    assert str(gone).startswith("one: no lost_normal in 3 answers of torch/")
    assert "file.toml" in str(gone)


def test_an_entry_that_shows_anywhere_in_its_region_is_not_stale() -> None:
    assert [] == stale(record(row(), row(COMPILE, "order", "lost_normal"), row(EAGER, case="b")))


def test_the_region_is_that_of_all_parts_together() -> None:
    """It shows in one target and not in the other: apart each says so, merged neither does."""
    eager, compiled = record(row(EAGER, "lost_normal")), record(row(COMPILE), run_id="other")

    assert ([], ["one"]) == (stale(eager), stale(compiled))
    assert [] == stale(merge([("a", eager), ("b", compiled)]))
    assert [] == stale(merge([("b", compiled), ("a", eager)]))
    nothing = record(row(EAGER))
    assert ["one"] == stale(merge([("a", nothing), ("b", compiled)]))


def test_a_part_of_another_platform_neither_shows_nor_hides() -> None:
    here, there = record(row()), record(row(COMPILE, "lost_normal"), platform="aarch64/sve", run_id="other")

    assert ["one"] == stale(merge([("a", here), ("b", there)]))
    assert [] == stale(there)
    assert [] == stale(record(row(), platform="aarch64/sve"))


def test_an_entry_of_any_platform_looks_everywhere() -> None:
    everywhere = ENTRY.replace('"x86_64/avx512"', '"any"')
    here, there = record(row()), record(row(COMPILE, "lost_normal"), platform="aarch64/sve", run_id="other")

    assert [] == stale(merge([("a", here), ("b", there)]), everywhere)
    assert ["one"] == stale(record(row(), platform="aarch64/sve"), everywhere)


@pytest.mark.parametrize(
    "other",
    [
        row(dtype="float16"),
        row(outcome="unsupported"),  # TensorFlow has no strides
        row(outcome="not_asked"),
        row(replace(EAGER, version="2.12")),
    ],
)
def test_an_entry_that_was_not_asked_is_not_stale(other: dict[str, Any]) -> None:
    known = Known(record(other), entries())

    assert () == known.stale
    assert entries() == known.unasked


def test_an_entry_that_was_asked_is_not_unasked() -> None:
    assert () == Known(record(row()), entries()).unasked
    assert () == Known(record(row(dtype="float16"), platform="aarch64/sve"), entries()).unasked


@pytest.mark.parametrize("outcome", ["raised", "crashed", "timed_out", "out_of_memory"])
def test_whatever_else_came_is_an_answer(outcome: str) -> None:
    assert ["one"] == stale(record(row(outcome=outcome)))


def test_an_interrupted_run_may_have_left_it_out() -> None:
    assert [] == stale(record(row(), complete=False))
    whole, half = record(row()), record(row(JIT), complete=False, run_id="other")
    assert ["one"] == stale(merge([("a", whole), ("b", half)]))  # which was not going to ask a target of the entry


def test_what_only_another_name_of_a_list_means_may_still_show_it() -> None:
    listed = ENTRY.replace('"torch"', '"torch/eager/cpu", "torch/compile"')

    assert [] == stale(record(row()), listed)
    assert ["one"] == stale(record(row(), row(COMPILE)), listed)
    assert [("one",), ()] == ids(record(row(COMPILE, "lost_normal"), row(JIT, case="b")), listed)


def test_an_entry_of_what_is_only_degraded_explains_and_is_never_stale() -> None:
    explains = ENTRY.replace("lost_normal", "loose")

    assert [("one",)] == ids(record(row(EAGER, "loose")), explains)
    assert [] == stale(record(row()), explains)


def test_an_entry_of_a_higher_tier_is_not_stale_in_a_lower_one() -> None:
    for name, tier in (("standard", Tier.STANDARD), ("exhaustive", Tier.EXHAUSTIVE)):
        higher = ENTRY + f'tier = "{name}"\n'
        assert [] == stale(record(row()), higher)
        assert [] == stale(record(row(), tier=Tier(tier - 1)), higher)
        assert ["one"] == stale(record(row(), tier=tier), higher)


def test_an_entry_binds_on_its_platform_from_its_tier_on() -> None:
    (entry,) = entries(ENTRY + 'tier = "standard"\n')

    assert [False, True, True] == [entry.binds_on(HERE, tier) for tier in Tier]
    assert not entry.binds_on("aarch64/sve", Tier.EXHAUSTIVE)


def test_a_finding_that_comes_and_goes_is_known_and_never_stale() -> None:
    flaky = ENTRY + "flaky = true\n"

    assert [] == stale(record(row()), flaky)
    assert [("one",)] == ids(record(row(EAGER, "lost_normal")), flaky)


@pytest.mark.parametrize(
    ("versions", "known"),
    [
        (">=0", True),
        (">=2.13", True),
        ("<2.13", False),
        ("==2.13.*", True),
        (">=2.12,!=2.13.0", False),
        ("===2.13.0", True),
    ],
)
def test_versions_are_pep_440(versions: str, known: bool) -> None:
    of = ENTRY.replace(">=2.13", versions)

    assert [("one" if known else "",)] == ids(record(row(EAGER, "lost_normal")), of)
    assert (["one"] if known else []) == stale(record(row()), of)


def test_a_version_that_is_no_number_is_known_by_its_name_alone() -> None:
    odd = replace(EAGER, version="git-\\ud800")

    assert [("",)] == ids(record(row(odd, "lost_normal")), ENTRY.replace(">=2.13", ">=0"))
    assert [("one",)] == ids(record(row(odd, "lost_normal")), ENTRY.replace(">=2.13", r"===git-\\ud800"))


def test_a_release_without_the_finding_does_not_make_the_entry_of_another_stale() -> None:
    newer = replace(EAGER, version="2.14.0")
    merged = merge([("a", record(row(EAGER, "lost_normal"))), ("b", record(row(newer), run_id="other"))])

    assert [] == stale(merged, ENTRY.replace(">=2.13", "<2.14"))
    assert ["one"] == stale(merged, ENTRY.replace(">=2.13", ">=2.14"))
    assert HERE == merged.parts[0].header.machine.platform


@pytest.mark.parametrize("left_out", ["op", "dtype", "family"])
def test_an_entry_may_still_show_in_what_a_partial_selection_left_out(left_out: str) -> None:
    """A run of one op, format or family says nothing of an entry that speaks of more."""
    [narrow] = entries()
    asked = record(row())

    assert ["one"] == [gone.entry.id for gone in Known(asked, (narrow,)).stale]
    assert () == Known(asked, (replace(narrow, **{left_out: ()}),)).stale
