"""The files of a report hold together, and a report is replaced whole or not at all."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from report_rows import CONTROL, EAGER, JIT, degraded, part, record, row, violation
from test_tables import entry

from conformance import record as records
from conformance.record import read
from conformance.reporting import FILES, Reading, check_out, claims, divergences, page, publish, summary
from conformance.values import Choice, Target

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def nothing(small: Reading) -> Reading:
    """A run that was interrupted before anything was asked."""
    made = small.record
    return Reading(dataclasses.replace(made, observations=made.observations.iloc[:0], claims=made.claims.iloc[:0]))


def test_publish_writes_the_whole_report(small: Reading, tmp_path: Path) -> None:
    out = tmp_path / "some" / "where"
    publish(small, out)

    divergences = pd.read_csv(out / "divergences.csv", keep_default_na=False)
    environment = json.loads((out / "environment.json").read_text())
    assert set(FILES) == {path.name for path in out.iterdir()}
    assert ["where"] == [path.name for path in out.parent.iterdir()]
    assert len(small.own) == len(divergences) > 0
    assert ["test"] == [part["header"]["run_id"] for part in environment["parts"]]
    assert small.record.parts == read(out / "observations.parquet").parts


def test_a_report_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    out = tmp_path / "out"
    publish(Reading(record(row(grade="loose"))), out)
    publish(Reading(record(row(grade="stable"))), out)

    assert "stable" in (out / "summary.md").read_text()
    assert ["stable"] == list(read(out / "observations.parquet").observations["grade"])
    assert ["out"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("where", ["page", "record"])
def test_a_publish_that_fails_leaves_the_old_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def fail(*_: object) -> str:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    publish(Reading(record(row(grade="loose"))), out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    monkeypatch.setattr(*{"page": (page, "render", fail), "record": (records, "write", fail)}[where])

    with pytest.raises(KeyboardInterrupt):
        publish(Reading(record(row(grade="stable"))), out)

    assert before == {path.name: path.read_bytes() for path in out.iterdir()}
    assert ["out"] == [path.name for path in tmp_path.iterdir()]


def test_a_folder_with_something_else_in_it_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")

    for refused in (lambda: check_out(tmp_path), lambda: publish(Reading(record(row())), tmp_path)):
        with pytest.raises(records.ForeignFiles, match=r"thesis\.tex"):
            refused()

    assert ["thesis.tex"] == [path.name for path in tmp_path.iterdir()]
    check_out(tmp_path / "new")


def test_divergences_have_the_same_columns_where_there_are_none(small: Reading, nothing: Reading) -> None:
    heads = [divergences.table(reading).splitlines()[0] for reading in (small, nothing, Reading(record(row())))]

    assert [",".join(divergences.COLUMNS)] * 3 == heads
    assert 1 == len(divergences.table(nothing).splitlines())


def test_divergences_tell_each_finding_of_the_frameworks_and_none_of_the_controls() -> None:
    made = record(
        row(EAGER, case="a", findings=[violation("accuracy", "off, once")], error_over_bound=2.0),
        row(EAGER, case="b", findings=[violation("accuracy")], x=[0, 1, 2], error_over_bound=3.25),
        row(JIT, findings=[degraded()]),
        row(CONTROL, findings=[violation()], may=["nonfinite"]),
    )

    told = list(csv.DictReader(io.StringIO(divergences.table(Reading(made)))))

    assert ["f/eager/cpu", "f/jit/cpu"] == [line["target"] for line in told]
    assert ("2", "3.25", "a", "off, once", "1.0", "") == tuple(
        told[0][name] for name in ("cases", "worst", "case", "detail", "version", "ledger")
    )
    assert list(Reading(made).own["id"]) == [line["id"] for line in told]


def test_two_runs_that_found_the_same_have_the_same_divergences() -> None:
    rows = [row(EAGER, case="a", findings=[violation()]), row(JIT, case="a", findings=[degraded()])]
    one, other = record(*rows, run="one"), record(*reversed(rows), run="two")

    assert divergences.table(Reading(one)) == divergences.table(Reading(other))


def test_the_page_is_the_same_text_every_time(small: Reading) -> None:
    assert page.render(small) == page.render(Reading(small.record))


def test_the_page_asks_nothing_of_the_network(small: Reading) -> None:
    text = page.render(small)
    for library in page.libraries().values():  # the browser's test watches what it does
        text = text.replace(library, "")

    for attribute in ('src="', "url(", "@import", '<link rel="stylesheet'):
        assert attribute not in text.replace("url(#", "")
    assert "http" not in text.replace("http://www.w3.org/", "")


def test_an_incomplete_run_says_so(small: Reading, interrupted: Reading) -> None:
    assert 'id="incomplete"' in page.render(interrupted)
    assert "Incomplete" in summary.markdown(interrupted)
    assert 'id="incomplete"' not in page.render(small)
    assert "Incomplete" not in summary.markdown(small)


def test_one_part_of_several_that_did_not_finish_makes_the_record_incomplete() -> None:
    whole = record(row(EAGER, case="a"), run="one")
    cut = record(row(JIT, case="a"), run="two", complete=False)

    assert 'id="incomplete"' in page.render(Reading(records.merge([("one", whole), ("two", cut)])))


def test_an_empty_run_still_has_a_page(nothing: Reading) -> None:
    assert "No answer of the frameworks' own functions breaks the contract." in page.render(nothing)
    assert "| target |" in summary.markdown(nothing)


@pytest.mark.parametrize("count", [2, 3])
def test_more_than_two_notes_are_one_line_that_opens(count: int) -> None:
    """And say how many questions became what: the faults are what the first screen is for."""
    silent = [row(JIT, outcome="not_asked", reason=f"reason {i}", grade="", case=f"c{i}") for i in range(count)]
    text = page.render(Reading(record(row(EAGER), *silent)))
    opens = '<details class="banner" id="notes"><summary><b>3 notes</b>: 3 questions not asked</summary>'

    assert (opens in text) is (count > 2)
    assert all(f"reason {i}" in text for i in range(count))


def test_what_was_not_asked_is_loud_everywhere() -> None:
    quiet = record(row(EAGER), row(JIT, outcome="unsupported", reason="no float16", grade=""))
    loud = record(
        row(EAGER),
        row(JIT, outcome="not_asked", reason="it ended 3 processes", grade=""),
        row(JIT, outcome="out_of_memory", grade="", findings=[violation("out_of_memory", "took 2 GB")]),
    )

    for outcome, reason in (("not_asked", "it ended 3 processes"), ("out_of_memory", "")):
        said = f"f/jit/cpu: 1 questions {outcome.replace('_', ' ')}" + (f": {reason}" if reason else "")
        assert f'data-outcome="{outcome}"' in page.render(Reading(loud))
        assert said in page.render(Reading(loud))
        assert f"**{said}**" in summary.markdown(Reading(loud))
    assert "data-outcome=" not in page.render(Reading(quiet))
    assert "no float16" in page.render(Reading(quiet))
    assert "**" not in summary.markdown(Reading(quiet))
    assert "1 more questions were NOT ASKED" in summary.verdict(Reading(loud))
    assert "on 2 questions" in summary.verdict(Reading(quiet))
    part_asked = Reading(record(row(EAGER), row(EAGER), row(JIT, outcome="not_asked", grade="")))
    assert "on 2 questions. 1 more questions were NOT ASKED" in summary.verdict(part_asked)


def test_a_control_that_is_not_caught_is_told_everywhere() -> None:
    made = Reading(record(row(EAGER), row(CONTROL, must=["nonfinite"])))

    assert "1 findings about textbook controls are unexpected" in summary.verdict(made)
    assert "must be caught here, and was not" in page.render(made)
    assert "| not caught |" in summary.markdown(made)
    assert "not caught" not in summary.markdown(Reading(record(row(EAGER), row(CONTROL))))


def test_a_stale_entry_is_told_everywhere() -> None:
    made = Reading(record(row(EAGER)), (entry("gone", target=("f/eager",), dtype=("float32",), family=("random",)),))

    assert 'data-stale="gone"' in page.render(made)
    assert "**stale ledger entry gone:" in summary.markdown(made)


def test_a_merged_report_tells_each_machine_and_version() -> None:
    new = Target("f", "eager", "cpu", version="2.0")
    parts = [
        ("one", record(row(EAGER, case="a", findings=[violation()]), run="one")),
        ("two", record(row(new, case="a"), run="two")),
    ]
    reading = Reading(records.merge(parts))

    for text in (page.render(reading), summary.markdown(reading)):
        for name in ("f@1.0/eager/cpu", "f@2.0/eager/cpu", "CPU of one", "CPU of two"):
            assert name in text
    assert ["1.0"] == [line["version"] for line in csv.DictReader(io.StringIO(divergences.table(reading)))]


def test_the_environment_is_what_the_header_names() -> None:
    named = part("run", [EAGER], rows=1)
    subject = dataclasses.replace(named.header.subjects[0], variables={"F_THREADS": "3"}, kernel="mine.py:f")
    machine = dataclasses.replace(named.header.machine, gpus=("GPU X",), threads={"OMP_NUM_THREADS": "5"})
    header = dataclasses.replace(named.header, subjects=(subject,), machine=machine)
    made = dataclasses.replace(record(row()), parts=(dataclasses.replace(named, header=header),))

    text = page.render(Reading(made))

    for said in ("F_THREADS=3", "OMP_NUM_THREADS=5", "GPU X", "mine.py:f", "Python 3.12.1", "numpy 2.0.0", "f 1.0"):
        assert said in text


def test_a_page_stays_small_where_rows_are_long() -> None:
    noise = [float(i) * 1.0001 for i in range(50_000)]
    programs = {f"{EAGER.versioned} softmax plain": ("", "{values}", "", "")}
    long, longest, short = (
        Reading(record(row(case="far too long", findings=[violation()], x=x), programs=programs))
        for x in (noise[:2_000], noise, [0.0] * 50_000)
    )

    assert "x = 2000 numbers" in page.render(long)
    assert f"<pre>conformance reproduce {long.own['id'][0]}@1.0\n</pre>" in page.render(long)
    assert '<p class="hex evidence">' not in page.render(longest)
    assert f"<pre>conformance reproduce {longest.own['id'][0]}@1.0\n</pre>" in page.render(longest)
    assert len(page.render(long)) < len(page.render(short)) + 10_000
    assert "x = [0 × 50000]" in page.render(short)
    assert "x = numpy.array([0.0] * 50000)" in page.render(short)


def test_a_summary_tells_each_policy() -> None:
    made = Reading(record(row(EAGER, choices=[Choice("q", "a")]), row(JIT, choices=[Choice("q", "b")])))

    assert "| q | f | a and b (inconsistent) |" in summary.markdown(made)


def test_claims_become_a_markdown_table(small: Reading) -> None:
    text = claims.markdown(small.record)

    assert "| 1 &lt; 2 &amp; so on | holds for 2 of 4; fails for 1 of 4; not asked for 1 of 4 |" in text
    assert r"\| pipe" in text
    assert "Asked on 2026-11-23 of numpy 1.0 on " in text
