"""A call that changes its process is told on, and what can be put back is: only what cannot costs the worker."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conformance.asking import state
from conformance.asking.state import State

if TYPE_CHECKING:
    from pathlib import Path


class Adapter:
    """The settings of a framework."""

    def __init__(self) -> None:
        self.settings: dict[str, object] = {"threads": 2}

    def state(self) -> dict[str, object]:
        return self.settings


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    return home


def flushing(monkeypatch: pytest.MonkeyPatch, *, after: bool) -> None:
    """Let the processor be found flushing, and so or not after it was reset."""
    found = iter([True, after])
    monkeypatch.setattr(state, "flushes_subnormals", lambda: next(found))


def test_a_call_that_changes_nothing_is_not_told_on() -> None:
    assert ([], False) == State(Adapter()).changes()


def test_a_folder_that_was_left_is_gone_back_to(at_home: Path, tmp_path: Path) -> None:
    before = State(Adapter())
    os.chdir(tmp_path)

    assert (["changed the working directory"], False) == before.changes()
    assert str(at_home) == state.folder()


def test_a_folder_that_was_removed_costs_the_worker(at_home: Path, tmp_path: Path) -> None:
    before = State(Adapter())
    os.chdir(tmp_path)
    at_home.rmdir()

    assert (["changed the working directory"], True) == before.changes()


@pytest.mark.parametrize("after", [False, True])
def test_a_processor_that_goes_on_flushing_costs_the_worker(after: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    before = State(Adapter())
    flushing(monkeypatch, after=after)

    assert (["left the processor flushing subnormal numbers"], after) == before.changes()


def test_of_two_changes_one_that_stays_is_enough(
    at_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = State(Adapter())
    os.chdir(tmp_path)
    at_home.rmdir()
    flushing(monkeypatch, after=False)

    said, spoiled = before.changes()

    assert (2, True) == (len(said), spoiled)


def test_what_was_done_to_numpy_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    exp, errors = np.exp, np.geterr()
    before = State(Adapter())
    monkeypatch.setattr(np, "exp", np.log)
    np.seterr(over="raise")

    assert (["changed numpy's error state", "replaced numpy.exp"], False) == before.changes()
    assert (exp, errors) == (np.exp, np.geterr())


def test_a_setting_of_the_framework_costs_the_worker() -> None:
    adapter = Adapter()
    before = State(adapter)
    adapter.settings = {"threads": 1}

    assert (["changed threads from 2 to 1"], True) == before.changes()


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_what_a_call_printed_is_written_out_with_it(name: str, at_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (at_home / "log").open("w") as log:
        monkeypatch.setattr(sys, name, log)
        getattr(sys, name).write("a line")
        state.flush_streams()

        assert "a line" == (at_home / "log").read_text()


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_stream_that_a_call_closed_is_opened_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull, "w") as stream:  # noqa: PTH123 - a text
        monkeypatch.setattr(sys, name, stream)
        assert not state.reopen_streams()

    assert state.reopen_streams()
    assert not getattr(sys, name).closed
