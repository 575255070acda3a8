"""What changed between releases: one record with several of a framework."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

from parts import TORCH, WITNESS, record, row, violated

from conformance.ledger import Entry, Fault
from conformance.record import Record, merge
from conformance.reporting import blocks
from conformance.reporting.history import changes, frame, markdown, page
from conformance.values import Severity

OLD, MIDDLE, NEW = (replace(TORCH, version=version) for version in ("2.9.1", "2.10.0", "2.13.0"))


def merged(*rows: dict[str, Any]) -> Record:
    """One record a release, merged."""
    by_version: dict[str, list[dict[str, Any]]] = {}
    for one in rows:
        by_version.setdefault(one["version"], []).append(one)
    targets = {target.version: target for target in (OLD, MIDDLE, NEW)}
    return merge(
        [(version, record(*found, target=targets[version], run_id=version)) for version, found in by_version.items()]
    )


def test_one_release_has_no_history() -> None:
    assert [] == changes(record(violated()))
    assert frame(record(violated())).empty


def test_releases_stand_in_their_order_and_a_fix_is_the_first_good_one_after_the_last_bad_one() -> None:
    [one] = changes(merged(violated(OLD), row(NEW), violated(MIDDLE)))

    assert ["2.9.1", "2.10.0", "2.13.0"] == list(one.releases)
    assert ("●●○", "2.9.1", True, "2.13.0") == (one.strip, one.first_bad, one.since_the_first, one.fixed)


def test_what_came_later_is_not_fixed() -> None:
    [one] = changes(merged(row(OLD), violated(MIDDLE), violated(NEW)))

    assert ("○●●", "2.10.0", False, "") == (one.strip, one.first_bad, one.since_the_first, one.fixed)


def test_a_release_that_has_no_such_dtype_is_neither_good_nor_bad() -> None:
    [one] = changes(merged(row(OLD, outcome="unsupported", grade=""), violated(MIDDLE), row(NEW)))

    assert ("·●○", True, "2.13.0") == (one.strip, one.since_the_first, one.fixed)


def test_what_the_same_releases_show_is_one_change() -> None:
    rows = [violated(target, family=family) for target in (OLD, MIDDLE) for family in ("underflow", "special")]
    rows += [row(NEW, family=family) for family in ("underflow", "special")]

    [one] = changes(merged(*rows))

    assert ("special", "underflow") == one.families
    page = markdown(merged(*rows))
    assert "Releases: 2.9.1, 2.10.0, 2.13.0." in page
    assert (
        "| is wrong beyond every bound | softmax | eager | float32 | special, underflow | ●●○ | 2.9.1 or before | 2.13.0 |  |"
        in page
    )


def test_what_the_ledger_knows_comes_with_its_link() -> None:
    def known(name: str, versions: str, link: str) -> Entry:
        return Entry(name, ("torch",), "accuracy", "upstream", versions, ("any",), dt.date(2026, 11, 27), link=link)

    thread, elsewhere = "https://github.com/pytorch/pytorch/issues/1", "https://example.org/2"
    entries = [known("a", "<2.10", thread), known("b", ">=2.10", elsewhere), known("c", "<2", "https://example.org/3")]
    rows = merged(violated(OLD), violated(MIDDLE), row(NEW))

    assert [(elsewhere, thread)] == [one.links for one in changes(rows, entries=entries)]
    assert f"| [pytorch/pytorch#1]({thread}) |" in markdown(rows, entries[:1])
    assert f"| <{elsewhere}>, [pytorch/pytorch#1]({thread}) |" in markdown(rows, entries)


def test_the_worst_error_of_each_release_is_told_and_equal_neighbours_once() -> None:
    rows = [violated(target, error_over_bound=error) for target, error in ((OLD, 9.0), (MIDDLE, 9.0), (NEW, 4.0))]

    [one] = changes(merged(*rows))

    assert ({"2.9.1": 9.0, "2.10.0": 9.0, "2.13.0": 4.0}, "9 → 4") == (dict(one.worst), one.errors)
    said = blocks.markdown(page(merged(*rows), [Severity.VIOLATION]))
    assert (
        "- ●●● softmax is wrong beyond every bound: first bad 2.9.1 or before, not fixed\n  - eager in float32: underflow\n"
        in said
    )
    assert "  - error over the stable bound: 9 → 4\n" in said


def test_of_a_fault_there_is_one_line_whatever_it_breaks() -> None:
    told = Fault("small", "f loses small numbers", "exp flushes")
    entries = [
        Entry(kind, ("torch",), kind, "unreported", ">=2", ("any",), dt.date(2026, 11, 27), fault="small", told=told)
        for kind in ("accuracy", "lost_normal")
    ]
    rows = merged(
        violated(OLD), violated(MIDDLE, findings="lost_normal", witness=WITNESS.replace('"accuracy"', '"lost_normal"')), violated(MIDDLE), row(NEW),
    )  # fmt: skip
    said = blocks.markdown(page(rows, [Severity.VIOLATION], entries))

    assert "- ●●○ f loses small numbers: first bad 2.9.1 or before, first good 2.13.0\n" in said
    assert "  - softmax is wrong beyond every bound: eager in float32: underflow\n" in said
    assert "  - ○●○ softmax gives 0 where a normal number is right: eager in float32: underflow\n" in said
    assert 1 == markdown(rows, entries).count("| f loses small numbers | softmax |")


def test_an_error_within_the_bound_is_not_what_is_wrong() -> None:
    [one] = changes(merged(violated(OLD, error_over_bound=0.5), row(NEW)))

    assert "" == one.errors


def test_the_severity_that_is_asked_for_is_shown() -> None:
    rows = merged(violated(OLD), row(NEW))

    assert "is wrong" not in blocks.markdown(page(rows, [Severity.DEGRADED]))
    assert "is wrong" in blocks.markdown(page(rows, [Severity.VIOLATION, Severity.DEGRADED]))
