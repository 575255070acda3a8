"""Policies are typed choices, and two answers of a framework are named by what tells them apart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from report_rows import CONTROL, EAGER, JIT, record, row

from conformance import record as records
from conformance.reporting import Reading, page, policies, terminal
from conformance.values import Choice, Target

if TYPE_CHECKING:
    from typing import Any

NAN, ZEROS = Choice("all-minus-inf", "nan"), Choice("all-minus-inf", "zeros")


def answers(*rows: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    (policy,) = Reading(record(*rows)).policies
    return dict(policy.answers)


def test_a_framework_that_chooses_in_several_ways_is_inconsistent() -> None:
    made = record(
        row(EAGER, choices=[NAN, Choice("subnormals", "kept")]),
        row(JIT, choices=[ZEROS]),
        row(JIT, op="log_softmax", outcome="unsupported", reason="no = here a=b", grade=""),
        row(CONTROL, choices=[Choice("subnormals", "flushed")]),
    )

    split, steady = Reading(made).policies

    assert ("f", "all-minus-inf", True) == (split.framework, split.question, split.inconsistent)
    assert {"nan": ("f/eager/cpu",), "zeros": ("f/jit/cpu",)} == split.answers
    assert ("subnormals", False, ["kept"]) == (steady.question, steady.inconsistent, list(steady.answers))


def test_controls_make_no_choice_of_a_framework() -> None:
    assert ["nan"] == list(answers(row(EAGER, choices=[NAN]), row(CONTROL, choices=[ZEROS])))


@pytest.mark.parametrize("outcome", ["unsupported", "not_asked"])
def test_a_reason_is_never_a_policy(outcome: str) -> None:
    hostile = "unsupported: no = here a=b all-minus-inf=zeros"
    made = record(row(EAGER, choices=[NAN]), row(JIT, outcome=outcome, reason=hostile, grade=""))

    (policy,) = Reading(made).policies

    assert ("all-minus-inf", ["nan"]) == (policy.question, list(policy.answers))


@pytest.mark.parametrize(
    ("where", "first", "second"),
    [
        ({"target": None}, "f/eager/cpu", "f/jit/cpu"),
        ({"op": ("softmax", "log_softmax")}, "softmax", "log_softmax"),
        ({"dtype": ("float32", "float16")}, "float32", "float16"),
        ({"way": ("plain", "multiply")}, "plain", "multiply"),
        ({"layout": ("", "step")}, "contiguous", "step"),
        ({"shape": ("2", "3×3")}, "2", "3×3"),
        ({"case": ("short", "long")}, "short", "long"),
        ({"dtype": ("float32", "float16"), "op": ("softmax", "log_softmax")}, "softmax", "log_softmax"),
    ],
)
def test_answers_are_named_by_what_differs(where: dict[str, Any], first: str, second: str) -> None:
    same = {"case": "the same"}
    targets = (EAGER, JIT) if where.pop("target", 1) is None else (EAGER, EAGER)
    one, other = ({name: values[i] for name, values in where.items()} for i in range(2))

    found = answers(
        row(targets[0], choices=[NAN], **(same | one)),
        row(targets[1], choices=[ZEROS], **(same | other)),
    )

    # Of two things that both tell them apart, the one that stands first in the order is named.
    assert {"nan": (first,), "zeros": (second,)} == found


def test_what_does_not_help_is_left_out_and_what_helps_together_is_kept() -> None:
    found = answers(
        row(EAGER, op="softmax", dtype="float32", choices=[NAN]),
        row(EAGER, op="log_softmax", dtype="float32", choices=[ZEROS]),
        row(EAGER, op="softmax", dtype="float16", choices=[ZEROS]),
        row(EAGER, op="log_softmax", dtype="float16", choices=[NAN]),
        row(JIT, op="softmax", dtype="float32", choices=[NAN]),
    )

    assert {"softmax float32", "log_softmax float16"} == set(found["nan"])
    assert {"log_softmax float32", "softmax float16"} == set(found["zeros"])


def test_a_printed_inconsistency_has_names_that_differ() -> None:
    # One target, op and dtype answers both ways, in four rows each: this was once one name twice.
    made = record(
        *(row(case=f"one{i}", choices=[Choice("plus-inf", "partial")]) for i in range(4)),
        *(row(case=f"two{i}", choices=[Choice("plus-inf", "all-nan")]) for i in range(4)),
    )

    assert ["inconsistent f: plus-inf is partial in one0 and 3 more, all-nan in two0 and 3 more"] == sorted(
        terminal.inconsistencies(Reading(made))
    )


def test_one_array_that_shows_two_answers_says_so() -> None:
    found = answers(row(case="a", choices=[NAN, ZEROS]), row(case="b", choices=[NAN]))

    assert {"nan": ("b", "some rows of a"), "zeros": ("other rows of a",)} == {
        answer: tuple(place.replace("f/eager/cpu softmax float32 plain random contiguous 2 ", "") for place in places)
        for answer, places in found.items()
    }


def test_two_versions_are_two_frameworks_and_no_inconsistency() -> None:
    new = Target("f", "eager", "cpu", version="2.0")
    made = records.merge(
        [
            ("one", record(row(EAGER, case="a", choices=[NAN]), run="one")),
            ("two", record(row(new, case="a", choices=[ZEROS]), run="two")),
        ]
    )

    found = {(policy.framework, *policy.answers) for policy in Reading(made).policies}

    assert {("f@1.0", "nan"), ("f@2.0", "zeros")} == found


def test_variants_are_two_frameworks() -> None:
    torch, jax = (Target("keras", "eager", "cpu", variant, "3.0") for variant in ("torch", "jax"))

    found = Reading(record(row(torch, choices=[NAN]), row(jax, choices=[ZEROS]))).policies

    assert ["keras:jax", "keras:torch"] == [policy.framework for policy in found]


def test_a_record_without_choices_has_no_policies() -> None:
    assert () == Reading(record(row())).policies


def test_a_target_is_a_row_and_a_question_a_column() -> None:
    made = record(
        row(EAGER, choices=[NAN, Choice("subnormals", "flushed")]),
        row(EAGER, choices=[ZEROS]),
        row(JIT, choices=[NAN]),
        row(CONTROL, choices=[Choice("bool", "rejects")]),
    )

    found = policies.by_target(made)

    assert ["all-minus-inf", "subnormals"] == list(found.columns)
    assert {"f/eager/cpu": ("nan", "zeros"), "f/jit/cpu": ("nan",)} == dict(found["all-minus-inf"])
    assert {"f/eager/cpu": ("flushed",), "f/jit/cpu": ()} == dict(found["subnormals"])


def test_the_page_marks_inconsistent_choices_by_sign_and_word() -> None:
    made = record(
        row(EAGER, choices=[NAN, Choice("bool", "rejects")]), row(JIT, choices=[ZEROS, Choice("bool", "rejects")])
    )
    text = page.render(Reading(made))
    table = text[text.index('id="policy-table"') :].partition("</table>")[0]
    rows = [line for line in table.splitlines() if 'scope="row"' in line]
    cells = [[re.sub(r"<[^>]+>", " ", cell).split() for cell in line.split("<td>")[1:]] for line in rows]

    assert [[["≠", "nan", "inconsistent"], ["rejects"]], [["≠", "zeros", "inconsistent"], ["rejects"]]] == cells
