"""The worker: a program that holds one framework and answers questions, in any Python from 3.9 on.

    python conformance/asking/worker.py

It reads requests from its standard input and writes replies to its standard output (see ``docs/protocol.md``).  It needs
its framework, NumPy and the standard library, and runs from the source of this project: nothing has to be installed.
"""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import sys
import time
import traceback
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    Array = tuple[str, "np.ndarray"]
    Message = dict[str, Any]
    Reply = tuple[Message, list[Array]]


FRAMES = 6
"""How many frames of a traceback are told."""


def _find_conformance() -> None:
    """Let ``conformance`` be the package this file stands in, and nothing else of that folder be importable."""
    import importlib.util  # noqa: PLC0415 - only where this file is the program

    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - before anything else is imported
    home = os.path.dirname(here)  # noqa: PTH120
    if sys.path and os.path.abspath(sys.path[0]) == here:  # noqa: PTH100
        del sys.path[0]
    spec = importlib.util.spec_from_file_location(
        "conformance",
        os.path.join(home, "__init__.py"),  # noqa: PTH118
        submodule_search_locations=[home],
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["conformance"] = module
    spec.loader.exec_module(module)


def describe(error: BaseException) -> str:
    """An exception in one line of at most 300 characters."""
    try:
        lines = str(error).strip().splitlines()
    except BaseException:  # noqa: BLE001 - an exception may be of the kernel's own making
        lines = ["its message cannot be read"]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]


def last_place(error: BaseException) -> str:
    """File, line and function in which an exception was raised, of at most 200 characters; empty if that is not known."""
    trace = error.__traceback__
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return f"{os.path.basename(code.co_filename)}:{trace.tb_lineno} in {code.co_name}"[:200]  # noqa: PTH119


def trace_of(error: BaseException) -> list[str]:
    """The last lines of the traceback of an exception, from where the worker called something else."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    return [line[:200] for entry in traceback.format_list(frames[-FRAMES:]) for line in entry.splitlines()]


class Worker:
    """Answers requests with one adapter; used by the worker program, and in-process for a function object."""

    def __init__(self, adapter: Any = None) -> None:
        self.adapter = adapter
        self._controls: dict[tuple[str, str, str], Any] = {}
        self._previous: tuple[Any, bytes] | None = None

    def reply(self, message: Message, arrays: list[Array]) -> Reply:
        """The reply to one request; never an exception."""
        answer: Callable[[Message, list[Array]], Reply] | None = {
            "hello": self._hello,
            "call": self._call,
            "numbered": self._numbered,
            "carry": self._carry,
            "program": self._program,
            "forget": self._forget,
        }.get(message["type"])
        if answer is None:
            answer = self._refuse
        with warnings.catch_warnings():
            # A framework's warnings are its maintainers' business, and under -W error they would be exceptions.
            warnings.simplefilter("ignore")
            try:
                said, given = answer(message, arrays)
            except BaseException as error:  # noqa: BLE001 - whatever a framework raises is the answer
                said, given = {"type": "raised", "error": describe(error), "place": last_place(error)}, []
        return {**said, "id": message.get("id")}, given

    @staticmethod
    def _refuse(message: Message, _: list[Array]) -> Reply:
        return {"type": "refused", "why": f"there is no request of the type {message['type']!r}"}, []

    def _hello(self, message: Message, _: list[Array]) -> Reply:
        """Import the framework, and say what it is and has."""
        from conformance.asking.protocol import VERSION  # noqa: PLC0415 - a worker starts with the standard library

        if message.get("protocol") != VERSION:
            return {"type": "refused", "why": f"this worker speaks protocol {VERSION}"}, []
        start = time.perf_counter()
        if self.adapter is None:
            try:
                self.adapter = _load(message)
            except BaseException as error:  # noqa: BLE001 - absent or broken: both are said, neither ends the run
                return {"type": "absent", **_absence(message, error)}, []
        adapter = self.adapter
        devices = [str(device) for device in adapter.devices()]
        return {
            "type": "hello",
            "protocol": VERSION,
            "framework": adapter.name,
            "variant": message.get("variant", ""),
            "variants": [variant.name for variant in adapter.variants],
            "version": str(adapter.version),
            "modes": list(adapter.modes),
            "compiled": list(adapter.compiled),
            "further": list(adapter.further),
            "largest": adapter.largest,
            "devices": devices,
            "ways": list(adapter.ways),
            "layouts": list(adapter.layouts),
            "controls": {} if _variant(adapter, message).modes else self._listed_controls(devices),
            "watched": bool(adapter.twice),
            "contract": adapter.contract.terms(),
            "python": platform.python_version(),
            "numpy": sys.modules["numpy"].__version__,
            "versions": _versions(adapter.distributions),
            "variables": {name: os.environ[name] for name in adapter.variables if name in os.environ},
            "seconds": time.perf_counter() - start,
        }, []

    def _listed_controls(self, devices: list[str]) -> dict[str, list[str]]:
        """Control → the ops it has a formula of; none where the framework has no elementary functions."""
        from conformance.frameworks import controls  # noqa: PLC0415

        if not devices or self.adapter.primitives(devices[0]) is None:
            return {}
        return {name: sorted(control.formulas) for name, control in controls.CONTROLS.items()}

    def _function(self, message: Message) -> Callable[..., Any]:
        """What is called for an op: the framework's own function, a control, or its exp."""
        op, way, mode, device = (message[name] for name in ("op", "way", "mode", "device"))
        if op == "exp":
            exp = self.adapter.primitives(device).exp
            return lambda x, _axis: exp(x)
        if not message.get("control"):
            function: Callable[..., Any] = self.adapter.function(op, way, mode, device)
            return function
        from conformance.frameworks import controls  # noqa: PLC0415

        key = (mode, op, device)
        if key not in self._controls:
            self._controls[key] = controls.function(self.adapter, mode, op, device)
        control: Callable[..., Any] = self._controls[key]
        return control

    def _send(self, message: Message, arrays: list[Array]) -> list[Any]:
        """The framework's own arrays; the layout is that of x, or of what ``out=`` is given, and the cotangent has its own."""
        layouts = [""] * len(arrays)
        layouts[1 if message["way"] == "out" else 0] = message.get("layout", "")
        if message["op"].endswith("_vjp"):
            layouts[-1] = message.get("cotangent_layout", "")
        return [
            self.adapter.send_as(stored, dtype, message["device"], layout)
            for (dtype, stored), layout in zip(arrays, layouts)  # noqa: B905 - Python 3.9
        ]

    def _once(self, message: Message, arrays: list[Array], function: Callable[..., Any]) -> tuple[Any, list[Any]]:
        """One call: its answer, and the arrays it was given."""
        given, axis = self._send(message, arrays), message["axis"]
        before = 1 if message["op"].endswith("_vjp") else len(given)
        return function(*given[:before], axis, *given[before:]), given

    def _call(self, message: Message, arrays: list[Array]) -> Reply:
        """Ask the framework, and see what it did beside answering; a function of a user's own is asked again and again."""
        from conformance.asking.state import State, reopen_streams  # noqa: PLC0415
        from conformance.frameworks.base import NotOffered  # noqa: PLC0415

        adapter, own = self.adapter, os.getpid()
        state = State(adapter)
        effects: list[str] = []
        reply: list[Array] = []
        wrote, when = False, ""
        start = time.perf_counter()
        try:
            function = self._function(message)
            for when, question in _questions(arrays, several=adapter.twice):  # noqa: B007 - said of an exception
                with _threads(adapter, message.get("threads")):
                    answer, given = self._once(message, question, function)
                    dtype, stored = _fetch(adapter, answer, given[0])
                if not reply:
                    seconds = time.perf_counter() - start
                wrote = wrote or self._wrote(message, question, given)
                if adapter.twice:
                    effects += self._watch(answer, stored)
                if not reply or (len(reply) == 1 and question is arrays and not _same(reply[0], (dtype, stored))):
                    reply.append((dtype, stored))
            said: Message = {"type": "answered", "wrote_input": wrote}
        except BaseException as error:  # noqa: BLE001 - whatever a framework raises is an observation
            seconds = time.perf_counter() - start
            unsupported = isinstance(error, NotOffered)
            told = str(error) if unsupported else describe(error) + when
            said, reply = {"type": "raised", "error": told, "place": last_place(error)}, []
            said["unsupported"] = unsupported
            said["refusal"] = said["unsupported"] or (not when and bool(adapter.refuses(error)))
            said["trace"] = trace_of(error) if adapter.twice else []
        if os.getpid() != own:
            os._exit(0)  # a process that the call forked must not go on as if it were this one
        if reopen_streams():
            effects.append("closed the standard output")
        changes, spoiled = state.changes()
        return {
            **said,
            "seconds": seconds,
            "side_effects": list(dict.fromkeys(effects + changes)),
            "spoiled": spoiled,
        }, reply

    def _numbered(self, message: Message, _: list[Array]) -> Reply:
        """Ask the framework for the answer of rows that are made here; nothing but the answer is looked at."""
        from conformance.asking.numbered import rows  # noqa: PLC0415
        from conformance.frameworks.base import NotOffered  # noqa: PLC0415

        which, axis = (message["start"], message["count"], message["step"]), message["axis"]
        start = time.perf_counter()
        try:
            function = self._function(message)
            arrays = [(one["dtype"], rows(one["lanes"], *which, one["storage"], axis)) for one in message["rows"]]
            given = self._send(message, arrays)
            start = time.perf_counter()
            answer = _fetch(self.adapter, function(given[0], axis, *given[1:]), given[0])
        except BaseException as error:  # noqa: BLE001 - whatever a framework raises is an observation
            said: Message = {"type": "raised", "error": describe(error), "place": last_place(error)}
            said["unsupported"] = isinstance(error, NotOffered)
            return {**said, "seconds": time.perf_counter() - start}, []
        return {"type": "answered", "seconds": time.perf_counter() - start}, [answer]

    def _wrote(self, message: Message, arrays: list[Array], given: list[Any]) -> bool:
        """Whether the bits of an input are others now; but for the operand of ``out``, which is there for that."""
        pairs = list(zip(given, arrays))[: 1 if message["way"] == "out" else None]  # noqa: B905 - Python 3.9
        return any(self.adapter.fetch(array)[1].tobytes() != stored.tobytes() for array, (_, stored) in pairs)

    def _watch(self, answer: Any, stored: np.ndarray) -> list[str]:
        """Whether the answer to an earlier question is still what it was."""
        effects = []
        if self._previous is not None:
            before, bits = self._previous
            now = stored if before is answer else self.adapter.fetch(before)[1]
            if now.tobytes() != bits:
                effects.append("overwrote the answer of an earlier call")
        self._previous = (answer, stored.tobytes()) if stored.size else None
        return effects

    def _carry(self, message: Message, arrays: list[Array]) -> Reply:
        """Hand an array to the framework and back."""
        ((dtype, stored),) = arrays
        back = self.adapter.fetch(self.adapter.send(stored, dtype, message["device"]))
        return {"type": "carried"}, [back]

    def _program(self, message: Message, _: list[Array]) -> Reply:
        program = self.adapter.program(message["op"], message["way"], message["mode"], message["device"])
        texts = {name: getattr(program, name) for name in ("setup", "array", "define", "numbers")}
        return {"type": "program", **texts}, []

    def _forget(self, _message: Message, _: list[Array]) -> Reply:
        self._controls.clear()
        self._previous = None
        self.adapter.forget()
        return {"type": "done"}, []


def _fetch(adapter: Any, answer: Any, like: Any) -> Array:
    """The answer's dtype and bits; a dtype that says what came instead, where it is no array."""
    import numpy as np  # noqa: PLC0415

    if adapter.twice and not isinstance(answer, (type(like), np.generic)):
        kind = f"{type(answer).__module__}.{type(answer).__qualname__}"
        return f"an object of type {kind.removeprefix('builtins.')}", np.empty(0)
    dtype, stored = adapter.fetch(answer)
    return str(dtype), np.asarray(stored)


def _questions(arrays: list[Array], *, several: bool) -> list[tuple[str, list[Array]]]:
    """What is asked, and what an exception there says of when it came.

    The same bits again at once, for a function that remembers them; and after other numbers of the same shape, for one
    that returns what a buffer still holds.
    """
    if not several:
        return [("", arrays)]
    between = " (asked about other numbers of the same shape)"
    again = " (asked again about the same numbers)"
    return [("", arrays), (again, arrays), (between, [_reversed(*array) for array in arrays]), (again, arrays)]


def _reversed(dtype: str, stored: np.ndarray) -> Array:
    """The same numbers from the last to the first, or zeros where that is no difference."""
    import numpy as np  # noqa: PLC0415

    other = np.ascontiguousarray(stored.reshape(-1)[::-1]).reshape(stored.shape)
    return dtype, other if other.tobytes() != stored.tobytes() else np.zeros_like(stored)


def _same(one: Array, other: Array) -> bool:
    """Whether two answers are the same to the last bit."""
    return (one[0], one[1].shape, one[1].tobytes()) == (other[0], other[1].shape, other[1].tobytes())


def _threads(adapter: Any, count: int | None) -> Any:
    return contextlib.nullcontext() if count is None else adapter.threads(count)


def _load(message: Message) -> Any:
    """The adapter that a hello names, its framework imported."""
    from conformance import frameworks  # noqa: PLC0415

    if message.get("kernel"):
        from conformance.frameworks.contract import Contract  # noqa: PLC0415
        from conformance.frameworks.kernel import Kernel  # noqa: PLC0415

        return Kernel(message["kernel"], message["framework"], Contract.of(message.get("contract", {}))).load()
    found = frameworks.adapter(message["framework"])
    variant = _variant(found, message)
    os.environ.update(variant.environment)
    adapter = found()
    if variant.modes:
        adapter.modes = variant.modes  # type: ignore[misc]
    return adapter


def _variant(adapter: Any, message: Message) -> Any:
    """The variant of an adapter that a hello names."""
    wanted = message.get("variant", "")
    return next(variant for variant in adapter.variants if variant.name == wanted)


def _absence(message: Message, error: BaseException) -> Message:
    name = message["framework"]
    missing = isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == name
    if message.get("kernel") and type(error).__name__ == "BadKernel":
        return {"why": str(error), "installed": True}
    return {
        "why": "not installed" if missing and not message.get("kernel") else describe(error),
        "installed": not missing,
    }


def _versions(distributions: Any) -> dict[str, str]:
    from importlib import metadata  # noqa: PLC0415

    found = {}
    for name in distributions:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _end_with_parent() -> None:
    """Let the system end this process when the one that started it ends, however it does."""
    with contextlib.suppress(Exception):
        import ctypes  # noqa: PLC0415

        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write("500")  # where memory is short, this process goes first


def main() -> None:
    """Answer until the standard input ends."""
    # Nothing that a framework prints can get into the replies: they leave by a descriptor it does not know.
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the suite, which ends its workers itself
    _end_with_parent()
    import faulthandler  # noqa: PLC0415

    faulthandler.enable()
    from conformance import frameworks  # noqa: PLC0415
    from conformance.asking import protocol  # noqa: PLC0415
    from conformance.asking.state import flush_streams  # noqa: PLC0415

    worker = Worker()
    while True:
        received = protocol.receive(requests)
        if received is None:
            break
        message, arrays = received
        if message["type"] == "catalogue":
            reply: Reply = (
                {
                    "type": "catalogue",
                    "protocol": protocol.VERSION,
                    "python": platform.python_version(),
                    "numpy": sys.modules["numpy"].__version__,
                    "subjects": [vars(subject) for subject in frameworks.subjects()],
                },
                [],
            )
        else:
            reply = worker.reply(message, arrays)
        flush_streams()
        try:
            pieces = protocol.encode(*reply)
        except (protocol.ProtocolError, ValueError, TypeError) as error:
            pieces = protocol.encode({"type": "raised", "error": describe(error), "id": message.get("id")})
        for piece in pieces:
            replies.write(piece)
        replies.flush()
    os._exit(0)  # a framework's threads or exit handlers must not keep the process


if __name__ == "__main__":
    _find_conformance()
    from conformance.asking.worker import main as run

    run()
