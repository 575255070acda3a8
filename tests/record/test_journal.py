"""What is finished stays, whatever ends the run; and nobody resumes what is not theirs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from parts import JAX, TORCH, claim, header, row

from conformance import record as records
from conformance.record import Journal, TaskRecord, claims_frame, frame, journal_folder, read, write
from conformance.record.disk import (
    check_replaceable,
    replace_folder,
    tidy,
    unfinished,
)
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "report"


def task(name: str, *targets: Any, **fields: Any) -> TaskRecord:
    rows = [row(target, case=name) for target in targets or (TORCH,)]
    return TaskRecord(name, frame(rows), **{"timing": {"ask": 0.5}, "escalated": 1} | fields)


def interrupted(out: Path, *names: str, **fields: Any) -> None:
    with Journal.open(out) as journal:
        journal.begin(header(TORCH, JAX, **fields))
        for name in names:
            journal.finish(task(name))


def test_a_finished_task_comes_back_as_it_was(out: Path) -> None:
    programs = {"torch/eager/cpu softmax plain": ("a\n", "b", "c", "\ud800")}
    given = task("a/b c", programs=programs, claims=claims_frame([claim()]), timing={"ask": 1.5, "judge": 0.25})
    with Journal.open(out) as journal:
        journal.begin(header())
        journal.finish(given)

    with Journal.open(out, resume=True) as journal:
        (got,) = journal.read()

    pd.testing.assert_frame_equal(given.rows, got.rows)
    pd.testing.assert_frame_equal(given.claims, got.claims)
    assert (given.task_id, given.timing, given.escalated, given.programs) == (
        got.task_id, got.timing, got.escalated, got.programs,
    )  # fmt: skip
    assert {"a/b c"} == journal.finished()


def test_a_record_is_the_same_in_whatever_order_tasks_were_finished(out: Path, tmp_path: Path) -> None:
    made = []
    for names in (("a", "b", "c"), ("c", "a", "b")):
        place = tmp_path / "-".join(names)
        with Journal.open(place) as journal:
            journal.begin(header(TORCH, JAX))
            for name in names:
                target = JAX if name == "a" else TORCH
                journal.finish(task(name, target, claims=claims_frame([claim(target) | {"evidence": name}])))
            made.append(journal.record(complete=True))

    one, other = made
    pd.testing.assert_frame_equal(one.observations, other.observations)
    pd.testing.assert_frame_equal(one.claims, other.claims)
    assert ["b", "c", "a"] == one.claims["evidence"].tolist()  # in the order of the plan's targets
    assert {"run"} == set(one.observations["run_id"]) == set(one.claims["run_id"])
    assert (3, 3, True, 3) == tuple(
        getattr(one.parts[0].footer, name) for name in ("rows", "claims", "complete", "escalated")
    )
    write(one, out)
    pd.testing.assert_frame_equal(one.observations, read(out).observations)


def test_a_journal_without_tasks_is_a_record_without_rows(out: Path) -> None:
    with Journal.open(out) as journal:
        journal.begin(header())
        got = journal.record(complete=False)

    assert ([], 0, False) == (got.observations["op"].tolist(), len(got.claims), got.complete)
    write(got, out)
    assert read(out).targets == (TORCH,)


def test_seconds_and_timing_of_all_sittings_add_up(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with Journal.open(out) as journal:
        journal.begin(header(TORCH, JAX))
        journal.note_timing("torch", "import", 3.0)
        journal.finish(task("a"))
        now += 10
    for _ in range(2):
        with Journal.open(out, resume=True) as journal:
            journal.begin(header(TORCH, JAX))
            journal.note_timing("torch", "import", 1.0)
            now += 5
            journal.finish(task("b", JAX))
            got = journal.record(complete=True)

    footer = got.parts[0].footer
    assert 20.0 == footer.seconds
    assert {"torch": {"ask": 0.5, "import": 5.0}, "jax": {"ask": 0.5}} == footer.timing


def test_seconds_of_a_sitting_that_was_killed_count_up_to_its_last_task(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    journal = Journal.open(out)
    journal.begin(header())
    now = 7.0
    journal.finish(task("a"))
    os.close(journal._lock)  # what the system does to a process that is killed

    with Journal.open(out, resume=True) as resumed:
        assert 7.0 == resumed.record(complete=False).parts[0].footer.seconds


def test_a_resumed_run_keeps_its_first_header(out: Path) -> None:
    interrupted(out, "a")

    with Journal.open(out, resume=True) as journal:
        got = journal.begin(header(TORCH, JAX, run_id="new", started="2027", command="conformance run --resume"))

    assert header(TORCH, JAX) == got == journal.header


def test_a_run_that_was_interrupted_is_not_overwritten(out: Path) -> None:
    interrupted(out, "a", "b")

    with pytest.raises(records.UnfinishedRun, match=r"report\.journal holds a run of .* after 2 tasks") as caught:
        Journal.open(out)

    assert "\n" not in str(caught.value)
    with Journal.open(out, resume=True) as journal:
        assert {"a", "b"} == journal.finished()


def test_a_restart_forgets_what_was_there(out: Path) -> None:
    interrupted(out, "a")

    with Journal.open(out, restart=True) as journal:
        assert (frozenset(), None) == (journal.finished(), journal.header)
        journal.begin(header(tier=Tier.STANDARD))
        journal.finish(task("b"))
    with Journal.open(out, resume=True) as journal:
        assert {"b"} == journal.finished()


def test_what_a_restart_left_half_removed_is_no_part_of_the_next_run(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with Journal.open(out) as journal:
        journal.begin(header())
        now = 7.0
        journal.finish(task("a"))
    (journal_folder(out) / "plan.json").unlink()  # which a restart removes first

    with Journal.open(out) as journal:
        journal.begin(header())
        now = 10.0
        journal.finish(task("b"))
    with Journal.open(out, resume=True) as journal:
        assert ({"b"}, []) == (journal.finished(), journal.damaged)
        assert 3.0 == journal.record(complete=False).parts[0].footer.seconds


def test_there_is_something_to_resume(out: Path) -> None:
    with pytest.raises(records.NothingToResume, match=r"there is no journal to resume at .*report\.journal"):
        Journal.open(out, resume=True)

    assert not journal_folder(out).exists()


def test_a_run_that_ended_before_its_plan_was_known_can_be_resumed_or_begun(out: Path) -> None:
    Journal.open(out).close()

    Journal.open(out, resume=True).close()
    Journal.open(out).close()


def test_a_published_run_leaves_no_journal(out: Path) -> None:
    with Journal.open(out) as journal:
        journal.begin(header())
        journal.finish(task("a"))
        journal.discard()

    assert [] == list(out.parent.iterdir())


# Two processes.


@pytest.fixture
def other_process(out: Path) -> Iterator[subprocess.Popen[str]]:
    program = (
        "import sys; from pathlib import Path; from conformance.record import Journal\n"
        f"journal = Journal.open(Path({str(out)!r})); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(  # noqa: S603 - our own text
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert "open\n" == process.stdout.readline()
        yield process
        process.kill()


def test_a_second_process_is_refused_by_name(out: Path, other_process: subprocess.Popen[str]) -> None:
    for options in ({}, {"resume": True}, {"restart": True}):
        with pytest.raises(records.JournalInUse) as caught:
            Journal.open(out, **options)
        assert f"{journal_folder(out)} is written by process {other_process.pid}" == str(caught.value)


def test_what_a_killed_process_held_is_free(out: Path, other_process: subprocess.Popen[str]) -> None:
    other_process.kill()
    other_process.wait()

    Journal.open(out).close()


def test_this_process_is_refused_too_while_it_has_it_open(out: Path) -> None:
    with Journal.open(out), pytest.raises(records.JournalInUse, match=str(os.getpid())):
        Journal.open(out)


# Another plan.


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"suite_version": "2"}, "suite_version was '1' and is '2'"),
        ({"tier": Tier.STANDARD}, "plan.tier was 'smoke' and is 'standard'"),
        ({"seed": 3}, "plan.seed was 0 and is 3"),
        ({"ops": ("softmax", "log_softmax")}, "plan.ops has 'log_softmax', not before"),
        ({"dtypes": ()}, "plan.dtypes has 'float32', no longer"),
        ({"families": {}}, "plan.families.underflow was 'what is small is lost' and is None"),
        ({"absent": {}}, "plan.absent has 'tensorflow', no longer"),
        ({"limits": {"timeout": "1 s"}}, "plan.limits.timeout was '600 s' and is '1 s'"),
        ({"platform": "aarch64/sve"}, "machine.platform was 'x86_64/avx512' and is 'aarch64/sve'"),
        ({"gpus": ()}, "machine.gpus has 'H100', no longer"),
        ({"subjects": ()}, "subjects has .*, no longer"),
        ({"targets": (JAX,)}, r"plan.targets\[0\].framework was 'torch' and is 'jax'"),
    ],
)
def test_another_plan_is_refused_and_nothing_is_lost(out: Path, fields: dict[str, Any], message: str) -> None:
    interrupted(out, "a")

    with Journal.open(out, resume=True) as journal, pytest.raises(records.DifferentPlan, match=message) as caught:
        journal.begin(header(TORCH, JAX, **fields))

    assert str(caught.value).startswith(f"{journal_folder(out)} was begun with another plan: ")
    assert "\n" not in str(caught.value)
    with Journal.open(out, resume=True) as journal:
        journal.begin(header(TORCH, JAX))
        assert {"a"} == journal.finished()


def test_why_a_framework_is_absent_may_be_told_in_other_words(out: Path) -> None:
    interrupted(out, "a")

    with Journal.open(out, resume=True) as journal:
        got = journal.begin(header(TORCH, JAX, absent={"tensorflow": "No module named 'tensorflow'"}))

    assert {"tensorflow": "not installed"} == got.plan.absent


# Damage.


def files_of(out: Path) -> list[Path]:
    return sorted((journal_folder(out) / "tasks").iterdir())


def test_a_damaged_task_counts_as_not_done_and_is_reported(out: Path) -> None:
    interrupted(out, "a", "b", "c", "d")
    cut, flipped, foreign, _ = files_of(out)
    cut.write_bytes(cut.read_bytes()[:-30])
    content = bytearray(flipped.read_bytes())
    content[len(content) // 2] ^= 4
    flipped.write_bytes(content)
    foreign.write_text("no")
    (foreign.parent / "note.txt").write_text("of somebody")

    with Journal.open(out, resume=True) as journal:
        journal.begin(header(TORCH, JAX))
        assert 1 == len(journal.finished()) == len(journal.read())
        assert 4 == len(journal.damaged)
        assert all(": its bytes are not those that were written" in line for line in journal.damaged)
        assert not any("\n" in line for line in journal.damaged)
        for name in {"a", "b", "c", "d"} - journal.finished():
            journal.finish(task(name))
        assert ["a", "b", "c", "d"] == [one.task_id for one in journal.read()]


def test_a_task_of_another_plan_counts_as_not_done(out: Path, tmp_path: Path) -> None:
    interrupted(out, "a")
    interrupted(tmp_path / "other", "b", seed=1)
    (stranger,) = files_of(tmp_path / "other")
    stranger.rename(files_of(out)[0].with_name(stranger.name))

    with Journal.open(out, resume=True) as journal:
        assert {"a"} == journal.finished()
        assert "it belongs to another plan" in journal.damaged[0]


def test_what_was_half_written_is_removed(out: Path) -> None:
    interrupted(out, "a")
    half = files_of(out)[0].with_name(".b.parquet.12345.unfinished")
    half.write_text("half")

    with Journal.open(out, resume=True) as journal:
        assert ({"a"}, []) == (journal.finished(), journal.damaged)

    assert not half.exists()


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", records.UnreadableJournal, r"plan\.json: no JSON"),
        ("[]", records.DifferentPlan, "not written by this version"),
        ('{"schema": 3}', records.DifferentPlan, "not written by this version"),
        ('{"schema": 4}', records.UnreadableJournal, "header: a table of fields is wanted, not None"),
        ('{"schema": 4, "header": {}}', records.UnreadableJournal, "header.run_id: the field is missing"),
    ],
)
def test_a_damaged_plan_is_one_line_and_nothing_is_lost(
    out: Path, text: str, error: type[Exception], message: str
) -> None:
    interrupted(out, "a")
    plan = journal_folder(out) / "plan.json"
    whole = plan.read_text()
    plan.write_text(text)

    for resume in (True, False):
        with pytest.raises(error, match=message) as caught:
            Journal.open(out, resume=resume)
        assert "\n" not in str(caught.value)

    plan.write_text(whole)
    with Journal.open(out, resume=True) as journal:
        assert {"a"} == journal.finished()


def test_a_damaged_sitting_counts_nothing_and_is_reported(out: Path) -> None:
    interrupted(out, "a")
    (sitting,) = (journal_folder(out) / "sittings").iterdir()
    sitting.write_text("{}")

    with Journal.open(out, resume=True) as journal:
        assert [f"{sitting}: no seconds can be read"] == journal.damaged
        assert journal.record(complete=True).parts[0].footer.seconds < 60


def test_a_full_disk_is_one_line_and_what_is_finished_stays(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal.open(out)
    journal.begin(header(TORCH, JAX))
    journal.finish(task("a"))

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    for name in ("write_bytes", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, name, full)
            with pytest.raises(records.CannotWrite, match=r"cannot write .*: No space left on device") as caught:
                journal.finish(task("b"))
            assert "\n" not in str(caught.value)
        assert {"a"} == journal.finished()
    journal.close()

    with Journal.open(out, resume=True) as journal:
        journal.begin(header(TORCH, JAX))
        assert ({"a"}, []) == (journal.finished(), journal.damaged)
        journal.finish(task("b"))


@pytest.mark.parametrize(("wrong", "told"), [(None, records.CannotWrite), (KeyError("first"), KeyError)])
def test_a_disk_that_is_full_at_the_end_hides_nothing_that_went_wrong_before(
    wrong: Exception | None, told: type[Exception], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    def sit(patch: pytest.MonkeyPatch) -> None:
        with Journal.open(out) as journal:
            journal.begin(header())
            patch.setattr(Path, "write_bytes", full)
            if wrong is not None:
                raise wrong

    with monkeypatch.context() as patch, pytest.raises(told):
        sit(patch)

    Journal.open(out, resume=True).close()  # other processes may have it all the same


def test_a_limit_of_the_system_is_one_line_too(out: Path) -> None:
    """A real one: files of more than a kilobyte are refused, in a process of its own."""
    interrupted(out, "a")
    program = (
        "import resource, sys; from pathlib import Path\n"
        f"sys.path.insert(0, {str(HERE)!r})\n"
        "from parts import JAX, TORCH, header\nfrom test_journal import task\n"
        "from conformance.record import Journal, RecordError\n"
        f"journal = Journal.open(Path({str(out)!r}), resume=True)\n"
        "journal.begin(header(TORCH, JAX))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    journal.finish(task('b'))\n"
        "except RecordError as error:\n    print(error)\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603

    assert done.stdout.startswith("cannot write ")
    assert done.stdout.endswith(": File too large\n")
    with Journal.open(out, resume=True) as journal:
        assert ({"a"}, []) == (journal.finished(), journal.damaged)


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(records.CannotWrite, match=r"cannot write .*report\.journal: ") as caught:
        Journal.open(tmp_path / "file" / "report")

    assert "\n" not in str(caught.value)


def test_a_run_killed_at_any_moment_ends_in_the_same_record(tmp_path: Path) -> None:
    """At every single operation on the disk, publishing and removing the journal among them."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, HERE / "journaled.py", tmp_path], capture_output=True, text=True, check=False, timeout=500
    )

    assert 0 == done.returncode, done.stderr[-2000:]
    assert 40 < int(done.stdout)


# The folder of a report.


def folder(path: Path, **texts: str) -> Path:
    path.mkdir()
    for name, text in texts.items():
        (path / name).write_text(text)
    return path


@pytest.fixture(params=["at once", "in two steps"])
def replaced_how(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "in two steps":
        monkeypatch.setattr("conformance.record.disk._exchange", lambda *_: False)
    return str(request.param)


@pytest.mark.usefixtures("replaced_how")
def test_a_folder_is_replaced_whole(out: Path) -> None:
    for old in (None, {}, {"page": "old", "table": "old"}):
        if old is not None and not out.exists():
            folder(out, **old)
        replace_folder(folder(unfinished(out), page="new"), out, own=("table",))

        assert {"page": "new"} == {path.name: path.read_text() for path in out.iterdir()}
        assert [out] == list(out.parent.iterdir())
        if old is not None:
            (out / "table").write_text("old")


def test_every_file_is_on_the_disk_before_a_folder_is_replaced(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a loss of power would leave a new folder of empty files, and no old one."""
    synced: list[tuple[str, bool]] = []
    monkeypatch.setattr(
        "conformance.record.disk._sync", lambda path: synced.append((path.name, (out / "new").exists()))
    )
    new = folder(unfinished(out), new="page")
    (new / "inner").mkdir()
    (new / "inner" / "deep").touch()

    replace_folder(new, out)

    assert {new.name, "new", "inner", "deep"} == {name for name, there in synced if not there}
    assert (out.parent.name, True) == synced[-1]


@pytest.mark.usefixtures("replaced_how")
def test_a_link_to_a_folder_stays_a_link(out: Path) -> None:
    folder(out.with_name("real"), page="old")
    out.symlink_to("real")

    replace_folder(folder(unfinished(out), page="new"), out)

    assert out.is_symlink()
    assert "new" == (out / "page").read_text()


def test_a_folder_with_something_else_is_not_replaced(out: Path) -> None:
    folder(out, page="old", thesis="mine")

    for check in (
        lambda: check_replaceable(out, ("page",)),
        lambda: replace_folder(folder(unfinished(out), page="new"), out),
    ):
        with pytest.raises(records.ForeignFiles, match="report holds thesis, which belongs to no report"):
            check()

    assert {"page": "old", "thesis": "mine"} == {path.name: path.read_text() for path in out.iterdir()}
    check_replaceable(out, ("page", "thesis"))
    check_replaceable(out.with_name("absent"), ())
    with pytest.raises(records.ForeignFiles, match="page is no folder"):
        check_replaceable(out / "page", ())


def gone_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_dead_processes_left_is_removed(out: Path) -> None:
    dead, living = gone_process(), os.getppid()
    folder(out, page="whole")
    mine = {f".report.{dead}.unfinished", f".report.{dead}.previous", f".report.{os.getpid()}.unfinished"}
    no_number = 10**20  # of a process that nobody can ask for
    others = {
        f".report.{living}.unfinished", f".report.{no_number}.unfinished", f".other.{dead}.unfinished",
        ".report.x.unfinished", "note",
    }  # fmt: skip
    for name in mine | others:
        folder(out.with_name(name), page="half")
    out.with_name(f".report.{gone_process()}.unfinished").write_text("half a file")

    tidy(out)

    assert others | {"report"} == {path.name for path in out.parent.iterdir()}
    assert "whole" == (out / "page").read_text()


def test_two_runs_may_tidy_at_once(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = out.with_name(f".report.{gone_process()}.unfinished")
    left.write_text("half a file")

    def removed_by_the_other(_: int) -> bool:
        left.unlink()
        return False

    monkeypatch.setattr("conformance.record.disk._alive", removed_by_the_other)
    tidy(out)

    assert [] == list(out.parent.iterdir())


def test_what_a_discarded_journal_left_is_removed_by_the_next_run(out: Path) -> None:
    left = folder(out.with_name(f".report.journal.{gone_process()}.unfinished"), lock="")

    with pytest.raises(records.NothingToResume):
        Journal.open(out, resume=True)

    assert not left.exists()


def test_what_was_moved_away_comes_back(out: Path) -> None:
    dead = gone_process()
    folder(out.with_name(f".report.{dead}.previous"), page="old")
    folder(out.with_name(f".report.{dead}.unfinished"), page="new")

    Journal.open(out).close()

    assert "old" == (out / "page").read_text()
    assert {"report", "report.journal"} == {path.name for path in out.parent.iterdir()}


def test_the_exchange_is_tried_where_there_is_one(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(out, page="old")
    (out.parent / "probe").mkdir()
    from conformance.record.disk import _exchange  # noqa: PLC0415 - the system's own

    if not _exchange(out, out.parent / "probe"):
        pytest.skip("this file system exchanges no names")
    _exchange(out, out.parent / "probe")
    moved: list[str] = []
    monkeypatch.setattr(Path, "rename", lambda self, _: moved.append(str(self)))

    replace_folder(folder(unfinished(out), page="new"), out)

    assert [] == moved
    assert "new" == (out / "page").read_text()


def test_the_plan_can_be_read_by_people(out: Path) -> None:
    interrupted(out, "a")

    told = json.loads((journal_folder(out) / "plan.json").read_text())

    assert ("smoke", "torch") == (told["header"]["plan"]["tier"], told["header"]["plan"]["targets"][0]["framework"])


def test_a_journal_that_is_discarded_while_it_is_opened_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, refusals = os.open, iter([FileNotFoundError("gone")])

    def once_gone(*arguments: Any) -> int:
        for refusal in refusals:
            raise refusal
        return opened(*arguments)

    monkeypatch.setattr("conformance.record.journal.os.open", once_gone)
    with Journal.open(tmp_path / "report") as journal:
        assert journal.begun is False
        journal.begin(header(TORCH))
        assert journal.begun is True


def test_a_journal_stands_beside_a_report_whose_folders_are_not_there_yet(tmp_path: Path) -> None:
    out = tmp_path / "not" / "there" / "report"

    Journal.open(out).close()

    assert journal_folder(out).parent.is_dir()
