"""A worker that dies, hangs, prints, eats memory or talks nonsense ends as one observation, and nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.asking.asker import Asker
from conformance.asking.connections import Direct, Limits, Lost, Process, last_places, last_words, worker_command
from conformance.asking.connections import _ending as ending
from conformance.asking.hello import AbsentSubject
from conformance.asking.interpreters import HERE, BadInterpreter, catalogue, invitations
from conformance.asking.pool import Invitation, Pool
from conformance.asking.protocol import VERSION
from conformance.frameworks.base import Variant
from conformance.frameworks.contract import EVERYTHING
from conformance.values import Crashed, OutOfMemory, TimedOut

FAST = Limits(seconds=2, start=5, memory=2**29, output=2**20)

HELLO = """
import json, os, signal, subprocess, sys, time
def reply(**more):
    os.write(1, (json.dumps(more) + "\\n").encode())
def hello(protocol=1, **more):
    reply(type="hello", protocol=protocol, framework="fake", version="1", modes=["eager"], devices=["cpu"],
          ways=["plain"], layouts=[], controls={}, variants=[""], watched=False, **more)
def lines():
    for line in sys.stdin:
        yield json.loads(line)
"""


def worker(body: str) -> list[str]:
    """The command line of a worker written in this test."""
    return [sys.executable, "-c", HELLO + body]


def lost(body: str, limits: Limits = FAST) -> Crashed | TimedOut | OutOfMemory:
    """How a worker ends over its first request."""
    process = Process(worker(body), limits)
    with pytest.raises(Lost) as caught:
        process.exchange({"type": "hello"}, [], limits.seconds)
    return caught.value.observation


@pytest.mark.parametrize(
    ("body", "how"),
    [
        ("os._exit(0)", "exit status 0"),
        ("os._exit(7)", "exit status 7"),
        ("sys.exit('the last thing said')", "last words: the last thing said"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "ended by SIGSEGV"),
        (
            "print('hello, I am ready', flush=True); time.sleep(60)",
            "broke the protocol: no line of JSON: 'hello, I am ready'",
        ),
        ("reply(kind='hello'); time.sleep(60)", "without a type"),
        ("os.write(1, b'x' * 2**21); time.sleep(60)", "broke the protocol: a line of more than"),
        ("while True: os.write(2, b'y' * 2**16)", "printed more than 1 MiB"),
        ("os.close(1); os.close(2); os._exit(3)", "exit status 3"),
    ],
)
def test_each_end_is_named(body: str, how: str) -> None:
    seen = lost(body, replace(FAST, seconds=40))

    assert isinstance(seen, Crashed)  # and so not by the time limit
    assert how in seen.how


def test_a_hang_is_ended_in_time() -> None:
    seen = lost("time.sleep(60)", Limits(seconds=0.5))

    assert isinstance(seen, TimedOut)
    assert 0.5 == seen.limit <= seen.seconds


def test_a_hang_that_closes_its_pipes_is_ended_too() -> None:
    assert isinstance(lost("os.close(0); os.close(1); os.close(2); time.sleep(60)", Limits(seconds=0.5)), TimedOut)


def test_memory_without_end_is_ended() -> None:
    seen = lost("x = []\nwhile True: x.append(bytearray(2**24)); time.sleep(0.01)", Limits(seconds=30, memory=2**28))

    assert OutOfMemory(2**28, seen.seconds) == seen


def test_the_memory_of_children_counts() -> None:
    child = "x = bytearray(b'1' * 2**29); import time; time.sleep(60)"

    seen = lost(
        f"subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)", Limits(seconds=30, memory=2**28)
    )

    assert isinstance(seen, OutOfMemory)


def test_a_request_larger_than_a_pipe_to_a_worker_that_never_reads_times_out() -> None:
    import numpy as np  # noqa: PLC0415 - for this test alone

    process = Process(worker("time.sleep(60)"), FAST)

    with pytest.raises(Lost) as caught:
        process.exchange({"type": "call"}, [("float64", np.zeros(2**20))], 0.5)

    assert isinstance(caught.value.observation, TimedOut)


def test_a_worker_that_reads_no_more_is_waited_for_like_any_other() -> None:
    import numpy as np  # noqa: PLC0415 - for this test alone

    process = Process(worker("os.close(0); hello(); time.sleep(60)"), FAST)
    process.exchange({"type": "hello"}, [], 5)

    with pytest.raises(Lost) as caught:
        process.exchange({"type": "call"}, [("float64", np.zeros(2**20))], 0.5)

    assert isinstance(caught.value.observation, TimedOut)


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("session", ["", "os.setsid()"])
def test_a_child_that_a_worker_forks_does_not_outlive_it(session: str, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    body = f"""
if os.fork() == 0:
    {session or "pass"}
    open({str(note)!r}, 'w').write(str(os.getpid()))
    time.sleep(600)
hello()
for line in lines(): pass
"""
    process = Process(worker(body), FAST)
    process.exchange({"type": "hello"}, [], 5)
    deadline = time.monotonic() + 5
    while not (note.exists() and note.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child = int(note.read_text())
    assert alive(child)

    process.close()

    deadline = time.monotonic() + 5
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(child)


def test_a_worker_ends_with_the_suite_however_that_ends(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    program = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from conformance.asking.connections import Limits, Process, worker_command
process = Process(worker_command(), Limits())
process.exchange({{"type": "catalogue"}}, [], 30)
open({str(note)!r}, "w").write(str(process._process.pid))
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", program], check=False)  # noqa: S603
    pid = int(note.read_text())

    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)

    assert not alive(pid)


# The handshake.


def absent(body: str, **limits: Any) -> str:
    """Why a worker has nothing to ask."""
    asker = Asker(
        lambda: Process(worker(body), FAST), {"framework": "fake"}, Limits(**{"seconds": 2, "start": 2, **limits})
    )
    with pytest.raises(AbsentSubject) as caught:
        asker.start()
    return str(caught.value)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("hello(protocol=2); time.sleep(60)", "speaks another protocol (2, this suite 1)"),
        ("reply(type='refused', why='not that version'); time.sleep(60)", "refused: not that version"),
        ("reply(type='absent', why='no such library'); time.sleep(60)", "no such library"),
        ("reply(type='hello', protocol=1); time.sleep(60)", "hello is incomplete: KeyError('framework')"),
        ("reply(type='answered'); time.sleep(60)", "speaks another protocol ('answered', this suite 1)"),
        ("os._exit(1)", "its import failed: the process ended with exit status 1"),
        ("print('Traceback: boom', file=sys.stderr); os._exit(1)", "last words: Traceback: boom"),
        ("time.sleep(60)", "its import failed: no answer within 2 s"),
    ],
)
def test_a_handshake_that_fails_is_one_line(body: str, why: str) -> None:
    said = absent(body)

    assert why in said
    assert said.isprintable()


def test_a_program_that_is_not_there_is_one_line() -> None:
    asker = Asker(lambda: Process(["/no/such/program"], FAST), {"framework": "fake"})

    with pytest.raises(AbsentSubject, match="cannot be started: No such file"):
        asker.start()


@pytest.mark.parametrize(
    ("python", "why"),
    [
        ("/no/such/python", "No such file"),
        ("/bin/cat", "broke the protocol"),
        ("/bin/true", "exit status 0"),
        (str(Path(__file__)), "Permission denied"),
    ],
)
def test_an_interpreter_that_is_none_is_one_line(python: str, why: str) -> None:
    with pytest.raises(BadInterpreter, match=why) as caught:
        catalogue(python)

    assert str(caught.value).startswith(f"--python {python}: ")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("warnings", ["", "default"])
def test_an_interpreter_without_numpy_is_one_line(
    warnings: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", warnings)  # then Python's last line is about unclosed files
    bare = tmp_path / "bare"
    # -S leaves out site-packages, and with them NumPy.
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)

    with pytest.raises(BadInterpreter, match="No module named 'numpy'"):
        catalogue(str(bare))


@pytest.mark.parametrize("name", ["a-python-that-is-not-there", "no-python", "/no/python"])
def test_an_interpreter_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(BadInterpreter, match=f"--python {name}: there is no such program"):
        invitations([HERE, name])


def test_this_interpreter_has_a_catalogue() -> None:
    found = catalogue(sys.executable)

    assert {"torch", "tensorflow", "jax"} <= {one.framework for one in found}
    assert {"", "torch", "jax"} == {one.variant for one in found if one.framework == "scipy"}
    assert "" == next(one.missing for one in found if (one.framework, one.variant) == ("scipy", ""))
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    "reply",
    [
        {"type": "done"},
        {"type": "catalogue", "protocol": 0, "subjects": []},
        {"type": "catalogue", "protocol": VERSION, "subjects": [{"name": "torch"}]},
        {"type": "catalogue", "protocol": VERSION, "subjects": 3},
        {"type": "catalogue", "protocol": VERSION},
    ],
    ids=["other", "version", "fields", "number", "none"],
)
def test_a_catalogue_that_is_none_is_one_line(reply: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Process, "exchange", lambda *_: (reply, [], ""))

    with pytest.raises(BadInterpreter, match=f"it does not speak protocol {VERSION} of the suite"):
        catalogue(sys.executable)


def test_a_subject_whose_modules_are_not_there_is_absent_and_no_worker_is_started() -> None:
    there, not_there = Invitation("honest"), Invitation("torch", missing="torch")
    with Pool(2, Limits()) as pool:
        pool._asker = lambda _: pytest.fail("a worker was started")  # type: ignore[assignment, method-assign]
        assert [(not_there, "not installed")] == list(pool.introduce([not_there]))
    assert there != not_there


def test_what_a_framework_prints_cannot_get_into_the_protocol() -> None:
    process = Process(worker_command(), Limits())

    reply, _, printed = process.exchange({"type": "catalogue"}, [], 30)
    refused, _, _ = process.exchange({"type": "nonsense", "id": 3}, [], 30)
    process.close()

    assert ("catalogue", "") == (reply["type"], printed)
    assert {"type": "refused", "why": "there is no request of the type 'nonsense'", "id": 3} == refused


def test_last_words_are_those_that_tell_most() -> None:
    crash = (
        'noise\nFatal Python error: Segmentation fault\n\nCurrent thread 0x1:\n  File "k.py", line 3 in f\n'
        '  File "worker.py", line 9 in main\nExtension modules: numpy'
    )

    assert 'Fatal Python error: Segmentation fault File "k.py", line 3 in f' == last_words(crash)
    assert "the end" == last_words("first\nthe end\n\n")
    assert "" == last_words("")
    raised = 'Traceback (most recent call last):\n  File "/a/k.py", line 3\n    x\n    ~\nKeyError: 1\nsys:1: ResourceWarning: y\n'
    assert "KeyError: 1" == last_words(raised)
    assert "KeyError: 2" == last_words(raised + "\n" + raised.replace("KeyError: 1", "KeyError: 2"))


def test_last_words_of_node_are_its_exception() -> None:
    printed = (
        "node:internal/modules/cjs/loader:1210\n  throw err;\n  ^\n\nError: Cannot find module 'none.js'\n"
        "    at Module._resolveFilename (node:internal/modules/cjs/loader:1207:15)\n"
        "    at node:internal/main/run_main_module:36:49 {\n  code: 'MODULE_NOT_FOUND'\n}\n\nNode.js v20.20.2\n"
    )

    assert "Error: Cannot find module 'none.js'" == last_words(printed)


class Chatty:
    """An adapter that prints by every road."""

    name = version = "chatty"
    modes, compiled, further, largest, ways, layouts, variants = (), (), (), None, ("plain",), (), (Variant(),)
    distributions, variables, twice, contract = (), (), True, EVERYTHING

    def devices(self) -> tuple[str, ...]:
        print("by print")  # noqa: T201 - what is tested
        os.write(1, b"by write")
        return ("cpu",)

    def primitives(self, device: str) -> None:
        del device


def test_in_process_too_what_is_printed_is_seen_and_goes_nowhere_else(capfd: pytest.CaptureFixture[str]) -> None:
    reply, _, printed = Direct(Chatty()).exchange({"type": "hello", "protocol": 1, "framework": "chatty"}, [], 1.0)

    assert "hello" == reply["type"]
    assert "by print" in printed
    assert "by write" in printed
    assert ("", "") == capfd.readouterr()
    os.write(1, b"afterwards")
    os.write(2, b"too")
    assert ("afterwards", "too") == capfd.readouterr()


def test_an_end_by_a_signal_without_a_name_is_told_by_its_number() -> None:
    assert "the process was ended by SIGKILL" == ending(-signal.SIGKILL, "")
    assert "the process was ended by signal 40; last words: x" == ending(-40, "x\n")
    assert "the process ended with exit status 3" == ending(3, "")


def test_where_a_crash_was_is_told_without_the_workers_own_frames() -> None:
    dump = (
        "noise\nFatal Python error: Segmentation fault\n\nCurrent thread 0x1 (most recent call first):\n"
        '  File "/usr/lib/ctypes/__init__.py", line 519 in string_at\n  File "/home/me/my.py", line 3 in f\n'
        '  File "/suite/asking/worker.py", line 9 in _once\n  File "<string>", line 1 in <module>\n'
    )

    assert ('File "__init__.py", line 519 in string_at', 'File "my.py", line 3 in f') == last_places(dump)
    assert () == last_places('  File "my.py", line 3 in f\n')
