"""Connections to a worker: a process behind pipes, or an adapter in this process.  One interface, and limits.

A connection carries one request at a time.  What ends it is an exception that holds the observation: the process died, took
too long, took too much memory, or printed without end.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import re
import secrets
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol

from conformance.asking import protocol, state
from conformance.asking.worker import FRAMES, Worker
from conformance.values import Crashed, OutOfMemory, TimedOut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from conformance.asking.protocol import Array, Message

PROGRAM = Path(__file__).with_name("worker.py")

_MARK = "CONFORMANCE_WORKER"
"""Environment variable that marks a worker and whatever it starts, so that none of it outlives the run."""

_LOOK = 0.1
"""Seconds between two looks at a worker's memory."""

_KEPT = 8192
"""Bytes of what a worker printed last that are kept, for its last words."""


@dataclass(frozen=True)
class Limits:
    """What a worker may take.

    Attributes
    ----------
    seconds
        For one batch.
    start
        Seconds, from the start of the process until its framework is imported.
    memory
        Bytes of resident memory of the process and its children.
    output
        Bytes that it may print while it answers one request.
    """

    seconds: float = 120.0
    start: float = 120.0
    memory: int = 8 * 2**30
    output: int = 16 * 2**20


def default_memory() -> int:
    """40% of the machine's memory, in bytes."""
    return int(0.4 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


class Lost(Exception):
    """The connection has ended; ``observation`` says how."""

    def __init__(self, observation: Crashed | TimedOut | OutOfMemory) -> None:
        super().__init__(str(observation))
        self.observation = observation


class Connection(Protocol):
    """A way to a worker."""

    def exchange(self, message: Message, arrays: Sequence[Array], seconds: float) -> tuple[Message, list[Array], str]:
        """Send a request and wait for its reply; also what was printed meanwhile.

        Raises
        ------
        Lost
            If the worker is gone, or was ended because it broke a limit; the connection is closed then.
        """

    def ready(self) -> bool:
        """Whether a request can be sent: false if the worker has ended, or has said something that nobody asked for."""

    def close(self) -> None:
        """End the worker and whatever it started."""


class Direct:
    """An adapter in this process: for a function object, which no other process has.

    There are no limits here: a crash or a hang is this process's own.
    """

    def __init__(self, adapter: object) -> None:
        self._worker = Worker(adapter)

    def exchange(self, message: Message, arrays: Sequence[Array], seconds: float) -> tuple[Message, list[Array], str]:  # noqa: ARG002
        """See :class:`Connection`."""
        with state.captured() as said, _interrupts() as interrupted:
            reply, back = self._worker.reply(message, list(arrays))
        if interrupted:
            raise KeyboardInterrupt
        return reply, back, said[0].decode(errors="replace")

    def ready(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Nothing to end."""


@contextlib.contextmanager
def _interrupts() -> Iterator[list[int]]:
    """A list that holds something once Ctrl-C was pressed: a function may raise KeyboardInterrupt by itself."""
    pressed: list[int] = []

    def note(number: int, _frame: object) -> None:
        pressed.append(number)
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGINT, note)
    except ValueError:  # not in the main thread, which alone gets signals
        yield pressed
        return
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


class Process:
    """A worker program in a process of its own, behind pipes."""

    def __init__(
        self,
        command: Sequence[str],
        limits: Limits,
        *,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """``stopped`` is asked now and then while a reply is awaited; once it says True the wait is interrupted.

        Raises
        ------
        OSError
            If the program cannot be started.
        """
        self.limits, self._stopped = limits, stopped
        self._token = secrets.token_hex(16)
        environment = {**os.environ, _MARK: self._token}
        self._process = subprocess.Popen(  # noqa: S603 - a program the user named
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=environment,
        )
        pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        assert all(pipes)
        self._in, self._out, self._err = (pipe.fileno() for pipe in pipes if pipe)
        for descriptor in (self._in, self._out, self._err):
            os.set_blocking(descriptor, False)
            with contextlib.suppress(OSError):  # a large pipe is filled in one turn, and emptied in one
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, 2**20)
        self._decoder = protocol.Decoder()
        self._printed = bytearray()
        self._closed = False

    def exchange(self, message: Message, arrays: Sequence[Array], seconds: float) -> tuple[Message, list[Array], str]:
        """See :class:`Connection`."""
        start = time.monotonic()
        if self._stopped():
            self.close()
            raise KeyboardInterrupt
        self._take_output(bytearray(), None)  # what was printed since the last reply belongs to no request
        try:
            return self._exchange(protocol.encode(message, arrays), start, seconds)
        except protocol.ProtocolError as error:
            self._lose(Crashed(f"broke the protocol: {error}", time.monotonic() - start))
        except BaseException:
            self.close()
            raise

    def ready(self) -> bool:
        """See :class:`Connection`."""
        return not self._closed and self._process.poll() is None and self._read() == -1 and self._decoder.empty

    def _exchange(self, pieces: list[bytes], start: float, seconds: float) -> tuple[Message, list[Array], str]:
        waiting = [memoryview(piece) for piece in pieces if piece]
        printed = bytearray()
        with selectors.DefaultSelector() as ready:
            ready.register(self._in, selectors.EVENT_WRITE)
            ready.register(self._out, selectors.EVENT_READ)
            ready.register(self._err, selectors.EVENT_READ)
            look = time.monotonic() + _LOOK
            while True:
                events = ready.select(timeout=_LOOK)
                now = time.monotonic()
                for key, _ in events:
                    if key.fd == self._in:
                        self._write(waiting, ready)
                    elif key.fd == self._err:
                        self._take_output(printed, ready)
                    elif self._read() == 0:
                        ready.unregister(self._out)
                if (found := self._decoder.message()) is not None:
                    self._take_output(printed, None)
                    return (*found, bytes(printed).decode(errors="replace"))
                if len(printed) > self.limits.output:
                    self._lose(Crashed(f"printed more than {_size(self.limits.output)} and was ended", now - start))
                if not events or now >= look:
                    self._look(start, seconds)
                    look = now + _LOOK

    def _look(self, start: float, seconds: float) -> None:
        """End the wait if the worker is gone, or has taken too much."""
        gone = time.monotonic() - start
        if self._stopped():
            raise KeyboardInterrupt
        if self._process.poll() is not None:
            self._take_output(bytearray(), None)
            printed = bytes(self._printed).decode(errors="replace")
            self._lose(Crashed(_ending(self._process.returncode, printed), gone, last_places(printed)))
        if gone > seconds:
            self._lose(TimedOut(seconds, gone))
        if _resident(self._process.pid) > self.limits.memory:
            self._lose(OutOfMemory(self.limits.memory, gone))

    def _write(self, waiting: list[memoryview], ready: selectors.BaseSelector) -> None:
        try:
            while waiting:
                written = os.write(self._in, waiting[0])
                if written == len(waiting[0]):
                    del waiting[0]
                else:
                    waiting[0] = waiting[0][written:]
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EPIPE:
                raise
            waiting.clear()  # it is gone, which the next look will see
        ready.unregister(self._in)

    def _read(self) -> int:
        """Take what has arrived of a reply; how many bytes, 0 at the end of the pipe, -1 if there are none yet."""
        try:
            data = os.read(self._out, max(2**16, min(self._decoder.needed, 2**24)))
        except BlockingIOError:
            return -1
        self._decoder.feed(data)
        return len(data)

    def _take_output(self, printed: bytearray, ready: selectors.BaseSelector | None) -> None:
        """Append what the worker has printed, until it is more than the limit; the last of it is kept for its last words."""
        while len(printed) <= self.limits.output:
            try:
                data = os.read(self._err, 2**16)
            except BlockingIOError:
                return
            if not data:
                if ready is not None:
                    ready.unregister(self._err)
                return
            printed += data
            self._printed += data
            del self._printed[:-_KEPT]

    def _lose(self, observation: Crashed | TimedOut | OutOfMemory) -> NoReturn:
        self.close()
        raise Lost(observation)

    def close(self) -> None:
        """See :class:`Connection`."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        end_marked(self._token)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()


def worker_command(python: str = sys.executable) -> list[str]:
    """The command line of a worker in an interpreter."""
    return [python, str(PROGRAM)]


def _ending(status: int, printed: str) -> str:
    """How a process ended, and the last line that tells something of what it printed."""
    if status < 0:
        try:
            how = f"the process was ended by {signal.Signals(-status).name}"
        except ValueError:
            how = f"the process was ended by signal {-status}"
    else:
        how = f"the process ended with exit status {status}"
    words = last_words(printed)
    return f"{how}; last words: {words}" if words else how


def last_places(text: str) -> tuple[str, ...]:
    """Where Python was when it crashed, the last call first, as far as what the worker called; empty if it does not say."""
    _, fatal, dump = _without_folders(text).rpartition("Fatal Python error")
    lines = [line.strip() for line in dump.splitlines() if line.lstrip().startswith("File ")] if fatal else []
    called = itertools.takewhile(lambda line: not line.startswith(f'File "{PROGRAM.name}"'), lines)
    return tuple(line[:200] for line in itertools.islice(called, FRAMES))


def _without_folders(text: str) -> str:
    """Where a file lies is the machine's business."""
    return re.sub(r'File "[^"]*/([^"/]+)"', r'File "\1"', text)


def last_words(text: str) -> str:
    """The line of an output that says most about an end, of at most 200 characters."""
    text = _without_folders(text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    fatal = [i for i, line in enumerate(lines) if line.startswith("Fatal Python error")]
    if fatal:
        places = [line for line in lines[fatal[-1] :] if line.startswith("File ")]
        return f"{lines[fatal[-1]]} {places[0] if places else ''}".strip()[:200]
    # What Python says of unclosed files and the like stands behind the exception that ended it.
    raised = re.findall(r"^Traceback \(most recent call last\):\n(?:[ \t].*\n)*(\S.*)", text, re.MULTILINE)
    # Node says its version behind the exception that ended it, whose places follow its message.
    raised = raised or re.findall(r"^(\S.*)\n(?: {4}at .*\n)+", text, re.MULTILINE)
    return (raised or lines or [""])[-1].strip()[:200]


def _resident(pid: int) -> int:
    """Bytes of resident memory of a process and its children; 0 where that is not known."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(_resident(int(child)) for child in children)


def _size(count: int) -> str:
    return f"{count / 2**20:g} MiB"


def end_marked(token: str) -> None:
    """End every process that has inherited a worker's mark, whatever session it has gone to."""
    wanted = f"{_MARK}={token}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)
