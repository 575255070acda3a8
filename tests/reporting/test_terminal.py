"""What is printed at the end of a run, of a check, of a hunt, and by a failing test."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from report_rows import CONTROL, EAGER, JIT, degraded, record, row, violation
from rich.console import Console
from test_tables import entry

from conformance.reporting import Reading, terminal
from conformance.values import Choice, Grade, Judgement, Severity, Target

if TYPE_CHECKING:
    from collections.abc import Callable


def printed(say: Callable[[Console], None], width: int = 80) -> str:
    text = io.StringIO()
    say(Console(file=text, width=width))
    return text.getvalue()


def summary(reading: Reading, width: int = 80) -> str:
    return printed(lambda console: terminal.summary(reading, console), width)


def test_the_terminal_fits_80_columns(small: Reading) -> None:
    lines = summary(small).splitlines()

    assert max(map(len, lines)) <= 80
    assert not any("numpy/definition/cpu" in line for line in lines)
    assert any(line.startswith("textbook controls: 1, whose mistakes are caught in ") for line in lines)
    assert len(lines) <= 40
    assert lines[0].startswith("✗ numpy: new: ")
    assert "not asked: jax (not installed)" in lines
    assert "…" not in "".join(line for line in lines if line.startswith(" numpy"))


def test_faults_come_first_in_a_line_each_and_the_mild_ones_are_counted() -> None:
    made = record(
        row(EAGER, findings=[violation()]),
        row(JIT, findings=[violation()]),
        row(JIT, findings=[degraded()]),
        row(JIT, case="b", family="magnitude", choices=[Choice("q", "a")]),
        row(JIT, case="c", family="magnitude", choices=[Choice("q", "b")]),
    )
    lines = summary(Reading(made)).splitlines()

    assert "✗ f: new: softmax of float32 gives NaN where 0.5 is right (eager, jit)" == lines[0]
    assert "and 1 that is legal, and worse than a user would expect; the report has them" == lines[1]
    assert "inconsistent: 1 policy questions, each answered in several ways" in lines
    assert any(
        line.startswith("inconsistent f: q is a")
        for line in summary(Reading(made, fail_on=Severity.DEGRADED)).splitlines()
    )


def test_a_long_name_is_folded_and_not_cut() -> None:
    target = Target("framework", "a-mode-with-a-long-name", "cuda:0", "with-a-long-variant-too", "1")
    text = summary(Reading(record(row(target))))

    assert max(map(len, text.splitlines())) <= 80
    assert str(target) in "".join(line.split("  ")[0].strip() for line in text.splitlines())


def test_an_incomplete_run_says_so(small: Reading, interrupted: Reading) -> None:
    assert "incomplete: the run was interrupted" in summary(interrupted)
    assert "incomplete" not in summary(small)


def test_the_table_counts_rows_by_severity() -> None:
    made = record(
        row(EAGER, findings=[violation()], grade="divergent"),
        row(EAGER, case="b", findings=[violation()]),
        row(EAGER, findings=[degraded()]),
        row(EAGER, severity="policy"),
        row(EAGER),
        row(EAGER, outcome="unsupported", grade=""),
        row(CONTROL, findings=[violation()], may=["nonfinite"], grade="loose"),
    )
    lines = summary(Reading(made, (entry(case=("b",)),))).splitlines()

    assert ["f/eager/cpu", "5", "divergent", "2", "1", "1", "1"] in [line.split() for line in lines]
    assert "textbook controls: 1, whose mistakes are caught in 1 rows" in lines
    assert any(line.startswith("tier smoke, 7 observations, 1 s") for line in lines)


def test_what_is_unexpected_is_told_and_what_is_known_is_not() -> None:
    made = record(
        row(EAGER, findings=[violation(detail="is new")]),
        row(JIT, findings=[violation(detail="is known")]),
        row(CONTROL, findings=[violation("range", detail="is strange")]),
        row(CONTROL, family="magnitude", must=["nonfinite"]),
    )
    text = summary(
        Reading(
            made, (entry(target=("f/jit/cpu",)), entry("gone", kind="raised", dtype=("float32",), family=("random",)))
        ),
        200,
    )

    assert "unexpected f/eager/cpu softmax float32 random nonfinite: is new" in text
    assert "unexplained f/definition/cpu softmax float32 random range: is strange" in text
    assert "not caught f/definition/cpu softmax float32 magnitude nonfinite: must be caught here, and was not" in text
    assert "is known" not in text
    assert "stale ledger entry gone: no raised in " in text


def test_only_the_first_of_many_are_told() -> None:
    rows = [row(EAGER, family="random", dtype=f"float{i}", findings=[violation()]) for i in range(15)]

    assert "… and 9 more unexpected findings, in the report" in summary(Reading(record(*rows)))


def test_what_was_not_answered_is_loud() -> None:
    made = record(
        row(JIT, outcome="not_asked", reason="it ended 3 processes", grade=""),
        row(JIT, outcome="out_of_memory", grade="", findings=[violation("out_of_memory", "2 GB")]),
        row(EAGER, outcome="unsupported", reason="no float16", grade=""),
    )
    lines = summary(Reading(made), 200).splitlines()

    assert "not asked f/jit/cpu: 1 questions not asked: it ended 3 processes" in lines
    assert "out of memory f/jit/cpu: 1 questions out of memory" in lines
    assert "unsupported: 1 questions; the report says why" in lines


def test_the_worst_row_of_a_hunt() -> None:
    judgement = Judgement(Grade.LOOSE, Severity.DEGRADED, (degraded().__class__("loose", Severity.DEGRADED, "off"),),
                          max_ulp=3.5, error_over_bound=1.25)  # fmt: skip
    text = printed(
        lambda console: terminal.worst_row(
            console,
            where="f/eager/cpu softmax float32",
            asked=1234,
            length=8,
            judgement=judgement,
            script="[red]\nx = 1",
        )
    )

    assert (
        "f/eager/cpu softmax float32: 1,234 rows of 8 asked; the worst is loose, 3.5 ulp, 1.25 × the stable bound"
        in (" ".join(text.split("\n")))
    )
    assert "degraded loose: off" in text
    assert "\n[red]\nx = 1\n" in text


@pytest.mark.parametrize("kind", ["raised", "nonfinite"])
def test_a_failing_test_explains_itself(small: Reading, kind: str) -> None:
    rows = small.record.observations

    text = terminal.explain(small, rows[rows["findings"].str.contains(kind)])

    assert "worst first" in text
    assert f": {kind} (violation): " in text
    assert "conformance run --tier smoke --target numpy/" in text
    if kind == "nonfinite":
        assert "index" in text
        assert "0x" in text


def test_a_failing_test_says_what_the_ledger_knows() -> None:
    made = record(row(case="a", findings=[violation()]), row(case="b", findings=[violation()]))
    text = terminal.explain(Reading(made, (entry(case=("b",)),)), made.observations, command="ask again")

    (one,) = [line for line in text.splitlines() if "random/a" in line]
    (other,) = [line for line in text.splitlines() if "random/b" in line]
    assert other.endswith("[ledger: known]")
    assert "ledger" not in one
    assert text.endswith("\nask again")


def test_a_control_that_is_not_caught_is_told_by_a_failing_test() -> None:
    made = record(row(CONTROL, case="a", must=["nonfinite"]))

    assert (
        "float32 random/a: nonfinite must be caught, and was not"
        in terminal.explain(Reading(made), made.observations).splitlines()
    )


def test_the_worst_stands_first() -> None:
    errors = {"row_sum": 1.0, "raised": np.nan, "accuracy": 3.0, "range": 2.0}
    rows = [row(case=f"e{error}", findings=[violation(kind)], error_over_bound=error) for kind, error in errors.items()]
    made = record(*rows)
    text = terminal.explain(Reading(made), made.observations)

    places = [text.index(f"random/e{error}:") for error in (np.nan, 3.0, 2.0)]
    assert sorted(places) == places
    assert "random/e1.0" not in text


def test_three_findings_are_told_whole_and_the_others_counted_by_family() -> None:
    """A finding is one kind in one family, op and dtype, however many cases show it."""
    kinds = ("nonfinite", "accuracy", "range", "row_sum", "order")
    made = record(
        *(row(findings=[violation(kind)], error_over_bound=9.0 - i) for i, kind in enumerate(kinds)),
        *(row(findings=[violation()], error_over_bound=8.5, case=f"another{i}") for i in range(20)),
        row(findings=[violation(), violation("range")], family="magnitude", error_over_bound=1.0),
        row(findings=[violation()], family="magnitude", error_over_bound=1.0, dtype="float16"),
    )

    text = terminal.explain(Reading(made), made.observations)

    assert "27 of its cases diverge; worst first" in text
    assert "nonfinite (violation): returned nan  (21 cases)" in text
    assert 3 == text.count(" (violation): ") == text.count("index")
    assert "another" not in text
    assert "and 5 more findings: 2 in random, 3 in magnitude" in text.splitlines()
