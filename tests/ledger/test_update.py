"""A ledger is brought up to date: what is new is written, what is gone is dropped, and nothing else is touched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from asked import EAGER, HERE, record, row

from conformance.ledger import BadLedger, Known, check, known_names, read
from conformance.ledger.update import Update, update
from conformance.record import merge
from conformance.values import GATES, Severity, Target, Tier

if TYPE_CHECKING:
    from conformance.record import Record

VIOLATION = (Severity.VIOLATION,)
COMPILE = replace(EAGER, mode="compile")
KERNEL = Target("mine", "numpy", "cpu", version="2.4.6")

KNOWN = """\
# Known failures of ours.
# Ask Ann.

# Reported as #12.
[[entry]]
id = "one"  # never change it
target = ["torch/eager"]  # not compiled
op = ["softmax"]
dtype = ["float32"]
family = ["underflow"]
kind = "lost_normal"
reason = "upstream"
versions = ">=2.13"
platform = [
    "x86_64/avx512",  # the old machine
    "aarch64/neon",
]
note = "loses them"
seen = 2026-11-23
# of that note

# The other one.
[[ entry ]]
id = "two"
target = ["torch/eager/cpu"]
family = ["axes"]
kind = "raised"
reason = "unexplained"
versions = "==2.13.*"
platform = ["x86_64/avx512"]
seen = 2026-11-23

# The end.
"""


def updated(told: Record, text: str = KNOWN, failing: tuple[Severity, ...] = VIOLATION) -> Update:
    """After a record, with all that must hold of every update looked after."""
    done = update(text, "f", Known(told, read({"f": text})), failing)
    entries = read({"f": done.text})
    check(entries, known_names())
    again = update(done.text, "f", Known(told, entries), failing)
    assert (done.text, (), (), ()) == (again.text, again.written, again.narrowed, again.dropped)
    return done


SHOWS = (row(EAGER, "lost_normal"), row(EAGER, "raised", family="axes"))


def test_a_record_that_shows_what_is_known_changes_no_byte() -> None:
    done = updated(record(*SHOWS))

    assert (KNOWN, (), (), ()) == (done.text, done.written, done.narrowed, done.dropped)


def test_what_was_not_asked_changes_no_byte() -> None:
    for told in (
        record(row(COMPILE)),
        record(row(family="axes"), complete=False),
        record(row(), platform="s390x/scalar"),
    ):
        assert KNOWN == updated(told).text


def test_what_is_new_is_written_behind_the_others_with_all_that_is_known_of_it() -> None:
    new = record(*SHOWS, row(COMPILE, "nonfinite", family="special", case="nan", tier="standard"), tier=Tier.STANDARD)

    done = updated(new)

    [name] = done.written
    entry = read({"f": done.text})[-1]
    assert done.text.startswith(KNOWN.rstrip())
    assert (name, ("torch/compile/cpu",), ("softmax",), ("float32",), ("special",)) == (
        entry.id, entry.target, entry.op, entry.dtype, entry.family,
    )  # fmt: skip
    assert ("nonfinite", "unexplained", ">=2.13.0", (HERE,), Tier.STANDARD) == (
        entry.kind, entry.reason, entry.versions, entry.platform, entry.tier,
    )  # fmt: skip
    assert ("softmax float32 special/nan: so", "2026-11-23", "") == (entry.witness, str(entry.seen), entry.note)
    assert "# say why in a note" in done.text


def test_the_id_of_a_new_entry_is_that_of_what_it_speaks_of() -> None:
    one = row(COMPILE, "nonfinite", family="special")
    other = row(COMPILE, "range", family="special", error_over_bound=9.0)

    alone, beside = updated(record(one), ""), updated(record(other, one), "")

    assert alone.written[0].startswith("torch-nonfinite-")
    assert alone.written[0] in beside.written
    assert alone.written != updated(record({**one, "version": "2.14"}), "").written
    # Somebody has narrowed it by hand: the id is taken.
    narrowed = alone.text.replace('"special"', '"axes"')
    assert (f"{alone.written[0]}-1",) == updated(record(one), narrowed).written


def test_lists_gather_in_whatever_order_findings_come() -> None:
    """The larger error comes first, which is another dtype in the other family."""
    shown = [
        row(EAGER, "nonfinite", dtype=dtype, family=family, error_over_bound=error)
        for dtype, family, error in (
            ("float16", "special", 4.0), ("float32", "special", 3.0), ("float32", "axes", 2.0), ("float16", "axes", 1.0)
        )
    ]  # fmt: skip

    [entry] = read({"f": updated(record(*shown), "").text})

    assert (("float16", "float32"), ("axes", "special")) == (entry.dtype, entry.family)


def test_lists_gather_what_they_can_name_without_naming_more() -> None:
    shown = [
        row(target, "nonfinite", op=op, dtype=dtype, family="special")
        for target in (EAGER, COMPILE)
        for op in ("softmax", "log_softmax")
        for dtype in ("float16", "bfloat16")
    ]

    whole, part = updated(record(*shown), ""), updated(record(*shown[:-1], row(COMPILE, op="log_softmax")), "")

    [entry] = read({"f": whole.text})
    assert (("torch/compile/cpu", "torch/eager/cpu"), ("log_softmax", "softmax"), ("bfloat16", "float16")) == (
        entry.target, entry.op, entry.dtype,
    )  # fmt: skip
    named = [
        (target, op, dtype)
        for one in read({"f": part.text})
        for target in one.target
        for op in one.op
        for dtype in one.dtype
    ]
    assert {(one["target"], one["op"], one["dtype"]) for one in shown[:-1]} == set(named)
    assert 7 == len(named)


@pytest.mark.parametrize(
    ("rows", "versions"),
    [
        ([row(EAGER, "range")], ">=2.13.0"),
        ([row(replace(EAGER, version="2.12"), "range"), row(EAGER, "range")], ">=2.12"),
        ([row(replace(EAGER, version="2.12"), "range"), row(EAGER)], ">=2.12,<2.13.0"),
        ([row(replace(EAGER, version="2.12")), row(EAGER, "range")], ">=2.13.0"),
        ([row(replace(EAGER, version="2.14"), outcome="not_asked"), row(EAGER, "range")], ">=2.13.0"),
        ([row(replace(EAGER, version="git-abc"), "range")], "===git-abc"),
    ],
)
def test_versions_are_those_in_which_it_was_seen(rows: list[dict[str, Any]], versions: str) -> None:
    [entry] = read({"f": updated(record(*rows), "").text})

    assert versions == entry.versions


def test_what_need_not_be_known_is_not_written() -> None:
    control = replace(EAGER, mode="definition", control=True)
    told = record(row(EAGER, "loose", family="axes"), row(control, "nonfinite"))

    assert "" == updated(told, "").text
    assert ["loose"] == [entry.kind for entry in read({"f": updated(told, "", GATES).text})]


def test_a_policy_question_that_is_answered_in_several_ways_is_an_entry() -> None:
    told = record(row(), row(COMPILE), row(replace(EAGER, framework="jax", mode="jit", version="0.10.2")))

    done = update("", "f", Known(told, ()), GATES, [("torch", "masked-row")])

    [entry] = read({"f": done.text})
    assert (("torch/compile", "torch/eager"), "masked-row", ">=2.13.0", (HERE,)) == (
        entry.target, entry.kind, entry.versions, entry.platform,
    )  # fmt: skip


def test_what_is_gone_on_its_only_platform_goes_with_its_comments_and_nothing_else() -> None:
    # One op is not asked of the second entry, which speaks of every one: it stays.
    done = updated(
        record(row(COMPILE), row(EAGER), row(EAGER, "raised", family="axes")),
        KNOWN.replace(">=2.13", ">=2.13.0").replace('    "aarch64/neon",\n', ""),
    )

    assert ("one",) == done.dropped
    assert KNOWN[: KNOWN.index("# Reported")] + KNOWN[KNOWN.index("# The other one.") :] == done.text


FAULT = """\
# Told to Ann.
[[fault]]
id = "big"
title = "it loses small numbers"
what = "1e-38 is 0"

"""


def test_a_fault_goes_with_the_last_of_its_entries() -> None:
    start = KNOWN.index("# Reported")
    text = (KNOWN[:start] + FAULT + KNOWN[start:]).replace(
        'note = "loses them"\n', 'note = "loses them"\nfault = "big"\n'
    )
    gone = text.replace(">=2.13", ">=2.13.0").replace('    "aarch64/neon",\n', "")
    told = record(row(COMPILE), row(EAGER), row(EAGER, "raised", family="axes"))

    assert text == updated(record(*SHOWS), text).text
    assert FAULT in updated(told, gone.replace(">=2.13.0", ">=2.14")).text
    done = updated(told, gone)
    assert ("one",) == done.dropped
    assert "fault" not in done.text
    assert "# Told to Ann." not in done.text


def test_comments_behind_the_last_entry_stay_when_it_goes() -> None:
    text = KNOWN[KNOWN.index("# The other one.") :].replace(
        'family = ["axes"]', 'op = ["softmax"]\ndtype = ["float32"]\nfamily = ["underflow"]'
    )

    done = updated(record(row(EAGER)), text.replace('"==2.13.*"', '">=2.13.0"'))

    assert (("two",), "# The end.") == (done.dropped, done.text.strip())


def test_only_the_platform_of_the_record_is_taken_from_an_entry() -> None:
    done = updated(record(row(EAGER), row(EAGER, "raised", family="axes")), KNOWN.replace(">=2.13", ">=2.13.0"))

    assert (("one",), ()) == (done.narrowed, done.dropped)
    assert ("aarch64/neon",) == read({"f": done.text})[0].platform
    for line in ('id = "one"  # never change it', "# Reported as #12.", "# of that note", "# not compiled"):
        assert line in done.text
    assert done.text.endswith(KNOWN[KNOWN.index("# The other one.") :])


def test_only_the_versions_of_the_record_are_taken_from_an_entry() -> None:
    newer = replace(EAGER, version="2.14.1")

    done = updated(record(row(newer)), KNOWN.replace('    "aarch64/neon",\n', ""))

    assert ("one",) == done.narrowed
    assert KNOWN.replace('    "aarch64/neon",\n', "").replace('">=2.13"', '">=2.13,<2.14.1"') == done.text


def test_a_platform_and_a_version_together_make_two_entries() -> None:
    done = updated(record(row(replace(EAGER, version="2.14.1"))))

    first, second, _ = read({"f": done.text})
    assert ("one", (HERE,), ">=2.13,<2.14.1") == (first.id, first.platform, first.versions)
    assert ("one-aarch64-neon", ("aarch64/neon",), ">=2.13") == (second.id, second.platform, second.versions)
    assert 2 == done.text.count("# never change it")


def test_an_entry_of_any_platform_loses_the_versions_of_the_record() -> None:
    text = KNOWN.replace('"x86_64/avx512",  # the old machine\n    "aarch64/neon",', '"any",')

    assert (
        ">=2.13,<2.14.1" == read({"f": updated(record(row(replace(EAGER, version="2.14.1"))), text).text})[0].versions
    )
    assert ("one",) == updated(record(row(EAGER)), text.replace(">=2.13", ">=2.13.0")).dropped


def test_a_kernel_that_was_mended_is_mended_for_every_release_of_its_arrays() -> None:
    text = KNOWN.replace("torch/eager", "mine/numpy").replace(">=2.13", ">=2.4").replace('    "aarch64/neon",\n', "")

    assert ("one",) == updated(record(row(KERNEL)), text).dropped


def test_an_entry_that_shows_in_one_of_several_records_is_left() -> None:
    newer = record(row(replace(EAGER, version="2.14"), "lost_normal"), run_id="other")
    both = merge([("a", record(row(EAGER))), ("b", newer)])

    assert KNOWN == updated(both).text


@pytest.mark.parametrize(("text", "start"), [("# nothing yet\n", "# nothing yet\n\n[[entry]]\n"), ("", "[[entry]]\n")])
def test_a_ledger_may_be_empty(text: str, start: str) -> None:
    done = updated(record(row(EAGER, "range")), text)

    assert 1 == len(done.written)
    assert done.text.startswith(start)


def test_entries_that_are_no_tables_are_refused() -> None:
    (one,) = KNOWN.split("[[ entry ]]")[1:]
    fields = ", ".join(line for line in one.splitlines() if " = " in line)
    text = f"entry = [{{{fields}}}]\n"

    with pytest.raises(BadLedger, match=r"f: entry: tables \[\[entry\]\], each on a line of its own"):
        update(text, "f", Known(record(row()), read({"f": text})), VIOLATION)
