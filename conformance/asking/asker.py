"""Asking one subject: its worker is started, questioned, and replaced when a question has ended it.

Everything a framework does is an observation of the case that made it do so.  A batch that raises, crashes, hangs, takes
all memory or changes its process is halved, each half asked of a worker that is well, until one case is left to blame; all
others are answered.  Two probes come before the questions of a target, op and format.  The *transport check* hands a row
of subnormals, signed zeros, extremes and NaN to the framework and back, bit for bit: otherwise a flush on the way in would
be blamed on softmax.  The *support probe* asks for the op of a small array of zeros: a target that refuses even that does not
support it, which is not the same as failing it.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.asking.connections import Limits, Lost
from conformance.asking.hello import AbsentSubject, hello_of
from conformance.asking.numbered import shape
from conformance.asking.protocol import VERSION
from conformance.values import Answered, Batch, Call, Crashed, NotAsked, OutOfMemory, Raised, TimedOut, Unsupported
from reference.formats import EVERY_FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from conformance.asking.connections import Connection
    from conformance.asking.hello import Hello
    from conformance.asking.protocol import Array, Message
    from conformance.values import Observation, Target
    from reference.formats import Format
    from reference.ops import Op

PATIENCE = 8
"""Cases that may end their worker over one target, op and format, before the rest of these questions is given up.

A hang counts three, since finding its case takes minutes.
"""


def transport_probe(format: Format) -> np.ndarray:
    """Bits that a lossy border changes: signed zeros, subnormals, extremes, infinities, NaN; in the storage dtype."""
    eta, tiny, big = format.smallest_subnormal, format.smallest_normal, format.max
    half = np.array([0.0, eta, 3 * eta, tiny - eta, tiny, 1.0, 1.0 + 2 * format.unit_roundoff, big, format.overflow])
    return format.encode(np.concatenate([half, -half, [np.nan]]))


@dataclass
class Asker:
    """One subject that can be asked, whatever it does to its workers.

    Attributes
    ----------
    open
        Opens a connection to a new worker.
    request
        The hello request: which framework, which variant, which kernel.
    limits
        What a worker may take.
    must
        Whether an op that the support probe cannot get an answer to is a failure and not unsupported.
    """

    open: Callable[[], Connection]
    request: Message
    limits: Limits = field(default_factory=Limits)
    must: bool = False

    def __post_init__(self) -> None:
        self.seconds = 0.0
        """What starting workers has taken."""
        self.blamed = 0
        """See :data:`PATIENCE`."""
        self._connection: Connection | None = None
        self._number = 0
        self._spoiled = False
        self._gone = ""
        """Why no worker can be started any more: it is not tried again for every batch."""
        self._probed: dict[object, str] = {}
        self.hello: Hello | None = None

    # The worker.

    def start(self) -> Hello:
        """Start a worker, if there is none, and hear what it has.

        Raises
        ------
        AbsentSubject
            If it has no such framework, speaks another protocol, or does not survive the import.
        """
        if self._connection is not None and self.hello is not None:
            return self.hello
        if self._gone:
            raise AbsentSubject(self._gone)
        start = time.perf_counter()
        try:
            connection = self.open()
        except OSError as error:
            raise AbsentSubject(f"its worker cannot be started: {error.strerror}") from None
        try:
            message, _, _ = connection.exchange(
                {"type": "hello", "protocol": VERSION, **self.request}, [], self.limits.start
            )
            self.hello = hello_of(message, time.perf_counter() - start)
        except Lost as lost:
            self._gone = f"its import failed: {told(lost.observation)}"
            raise AbsentSubject(self._gone) from None
        except AbsentSubject as absent:
            self._gone = str(absent)
            connection.close()
            raise
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self.seconds += time.perf_counter() - start
        return self.hello

    def close(self) -> None:
        """End the worker."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, message: Message, arrays: Sequence[Array], seconds: float) -> tuple[Message, list[Array], str]:
        """One request to a worker that is well; where it ends, the next request goes to a new one."""
        if self._connection is not None and not self._connection.ready():
            self.close()  # it has ended since its last reply, which is nothing that the next case has done
        self.start()
        assert self._connection is not None
        self._number += 1
        try:
            reply, back, printed = self._connection.exchange({**message, "id": self._number}, arrays, seconds)
        except BaseException:
            self._connection = None  # it has ended
            raise
        if reply.get("id") != self._number:
            self.close()
            raise Lost(Crashed(f"answered question {reply.get('id')!r} where {self._number} was asked"))
        return reply, back, printed

    def forget(self) -> None:
        """Let the worker drop what it has compiled; called between tasks."""
        self._probed.clear()
        self.blamed = 0
        if self._connection is not None:
            with contextlib.suppress(Lost):
                self._exchange({"type": "forget"}, [], self.limits.seconds)

    def program(self, op: str, way: str, target: Target) -> tuple[str, str, str, str] | None:
        """The source of a call, as four texts (see ``docs/protocol.md``); None where there is none."""
        message = {"type": "program", "op": op, "way": way, "mode": target.mode, "device": target.device}
        try:
            reply, _, _ = self._exchange(message, [], self.limits.seconds)
        except (Lost, AbsentSubject):
            return None
        texts = tuple(reply.get(name) for name in ("setup", "array", "define", "numbers"))
        return texts if all(isinstance(text, str) for text in texts) else None  # type: ignore[return-value]

    # The questions.

    def ask(self, target: Target, batch: Batch) -> Iterator[tuple[Batch, Observation]]:
        """The observations of one batch: of it as a whole, or of its parts where a part behaves unlike the rest."""
        refusal = self._refusal(target, batch)
        if refusal is not None:
            yield batch, refusal
            return
        yield from self._divided(target, batch, self.limits.seconds)

    def _refusal(self, target: Target, batch: Batch) -> Observation | None:
        """Why the batch is not asked; None where it is."""
        try:
            hello = self.start()
        except AbsentSubject as absent:
            return NotAsked(f"its worker did not come back: {absent}")
        call, dtype = batch.call, batch.inputs.dtype
        for layout in (call.layout, call.cotangent_layout):
            if layout and layout not in hello.layouts:
                return Unsupported(f"{target.framework} has no arrays of the layout {layout}")
        if hello.largest is not None and batch.cases[0].logits.size > hello.largest:
            return Unsupported(f"{target.framework} is not asked arrays of more than {hello.largest:,} numbers here")
        if call.way not in ("plain", *(() if target.control else hello.ways)):
            return Unsupported(f"{target.framework} cannot be called in the way {call.way}")
        if hello.watched and dtype != batch.format.name:
            return Unsupported("a function of one's own is asked only in the dtypes that it is said to take")
        for wanted in dict.fromkeys((batch.format.name, dtype)):
            if why := self._carries(target, wanted):
                return Unsupported(why)
        why = self._supports(target, batch.op, batch.format)
        if why:
            return Raised(why) if self.must else Unsupported(why)
        return None

    def cannot(self, target: Target, op: Op, format: Format) -> str:
        """Why a target is not asked an op in a format, by the two probes; empty where it is.

        Raises
        ------
        AbsentSubject
            If no worker can be started.
        """
        self.start()
        return self._carries(target, format.name) or self._supports(target, op, format)

    def _carries(self, target: Target, dtype: str) -> str:
        return self._probe(("transport", target.device, dtype), partial(self._transport, target, dtype))

    def _supports(self, target: Target, op: Op, format: Format) -> str:
        return self._probe(("support", target, op.name, format.name), partial(self._support, target, op, format))

    def _probe(self, key: object, probe: Callable[[], str]) -> str:
        """The answer to a probe, asked once a task; one that ends its worker settles nothing, and the cases are asked."""
        if key not in self._probed:
            self._probed[key] = ""
            with contextlib.suppress(Lost, AbsentSubject):
                self._probed[key] = probe()
        return self._probed[key]

    def _transport(self, target: Target, dtype: str) -> str:
        """Why bits of a dtype do not reach the framework and come back unchanged; empty where they do."""
        format = EVERY_FORMAT.get(dtype)
        probe = transport_probe(format) if format else np.array([0, 1], dtype)
        reply, back, _ = self._exchange(
            {"type": "carry", "device": target.device}, [(dtype, probe)], self.limits.seconds
        )
        return _changed(dtype, probe, reply, back)

    def _support(self, target: Target, op: Op, format: Format) -> str:
        """How rows of zeros are refused; empty where they are answered, or fail otherwise: the questions show how."""
        assert self.hello is not None
        arrays = [(format.name, format.encode(np.zeros(self.hello.contract.small)))] * (2 if op.takes_cotangent else 1)
        reply, _, _ = self._exchange(self._call(target, op.name, Call()), arrays, self.limits.seconds)
        return str(reply.get("error", "")) if reply["type"] == "raised" and reply.get("refusal") else ""

    @staticmethod
    def _call(target: Target, op: str, call: Call) -> Message:
        return {
            "type": "call",
            "op": op,
            "way": call.way,
            "mode": target.mode,
            "device": target.device,
            "control": target.control,
            "axis": call.axis,
            "layout": call.layout,
            "cotangent_layout": call.cotangent_layout,
        }

    def call(self, target: Target, op: str, arrays: Sequence[Array], axis: int, **more: Any) -> Observation:
        """One call outside the cases: an op by name (``exp`` too) of arrays in their storage dtypes."""
        message = self._call(target, op, Call(axis=axis)) | more
        try:
            reply, back, printed = self._exchange(message, arrays, self.limits.seconds)
        except Lost as lost:
            return lost.observation
        except AbsentSubject as absent:
            return NotAsked(f"its worker did not come back: {absent}")
        return self._observation(reply, back, printed)

    def numbered(
        self, target: Target, op: str, axis: int, rows: Sequence[Message], start: int, count: int, step: int
    ) -> Observation:
        """One call on rows that the worker makes itself (``docs/protocol.md``); answered in their shape and dtype, or not."""
        message = self._call(target, op, Call(axis=axis)) | {"type": "numbered", "rows": list(rows)}
        message |= {"start": start, "count": count, "step": step}
        try:
            reply, back, printed = self._exchange(message, [], self.limits.seconds)
        except Lost as lost:
            return lost.observation
        except AbsentSubject as absent:
            return NotAsked(f"its worker did not come back: {absent}")
        if reply["type"] == "refused":
            return Unsupported("its worker makes no numbered rows")
        seen = self._observation(reply, back, printed)
        dtype, due = rows[0]["dtype"], shape(rows[0]["lanes"], count, axis)
        if isinstance(seen, Answered) and (seen.dtype, seen.shape) != (dtype, due):
            said = f"answered {seen.dtype} of the shape {seen.shape}, where {dtype} of {due} was due"
            return Raised(said, seen.seconds)
        return seen

    def _divided(self, target: Target, batch: Batch, seconds: float) -> Iterator[tuple[Batch, Observation]]:
        """Ask a batch; where there is something wrong with it as a whole, ask its halves, down to one case."""
        seen = self._asked(target, batch, seconds)
        if len(batch.cases) == 1 or not _blamed(seen, batch):
            self.blamed += {Crashed: 1, OutOfMemory: 1, TimedOut: 3}.get(type(seen), int(self._spoiled))
            yield batch, seen
            return
        # A half is asked with less patience, since there will be more of them; one case has the whole limit.
        patience = min(seconds, max(10.0, self.limits.seconds / 4))
        parts = [
            part
            for half in batch.halves()
            for part in self._divided(target, half, patience if len(half.cases) > 1 else self.limits.seconds)
        ]
        if not any(_blamed(observation, part) or isinstance(observation, NotAsked) for part, observation in parts):
            first, *rest = _first_apart(*parts[0])
            parts[:1] = [self._in_company(first, batch, seen), *rest]
        yield from parts

    @staticmethod
    def _in_company(first: tuple[Batch, Observation], whole: Batch, seen: Observation) -> tuple[Batch, Observation]:
        """What a batch did that none of its parts does again: it stands with the first of them, and says so."""
        part, observation = first
        said = f" (as one array of {len(whole.cases)} rows; asked apart they were answered)"
        match seen:
            case Raised(error=error):
                return part, replace(seen, error=error + said)
            case Crashed(how=how):
                return part, replace(seen, how=how + said)
            case TimedOut(limit=limit):
                return part, Crashed(f"no answer within {limit:g} s" + said, seen.seconds)
            case OutOfMemory(limit=limit):
                return part, Crashed(f"more than {limit} bytes of memory" + said, seen.seconds)
            case Answered(shape=shape) if isinstance(observation, Answered):
                effects = tuple(effect + said for effect in seen.side_effects)
                return part, replace(
                    observation,
                    dtype=seen.dtype,
                    shape=observation.shape if shape == whole.logits.shape else shape,
                    side_effects=observation.side_effects + effects,
                    wrote_input=seen.wrote_input,
                    again=_rows(seen.again, whole, slice(1)) if seen.again else observation.again,
                )
        return part, observation

    def _asked(self, target: Target, batch: Batch, seconds: float) -> Observation:
        self._spoiled = False
        if self.blamed >= PATIENCE:
            return NotAsked("too many cases had ended their worker over this target, op and dtype")
        message = self._call(target, batch.op.name, batch.call)
        try:
            reply, back, printed = self._exchange(message, batch.inputs.stored(batch.format), seconds)
        except Lost as lost:
            return lost.observation
        except AbsentSubject as absent:
            self.blamed = PATIENCE
            return NotAsked(f"its worker did not come back: {absent}")
        return self._observation(reply, back, printed)

    def _observation(self, reply: Message, back: Sequence[Array], printed: str) -> Observation:
        """A reply as a value; a worker that could not keep its process as it was is replaced."""
        seconds, effects = reply.get("seconds", 0.0), reply.get("side_effects", [])
        if type(seconds) not in (int, float) or not isinstance(effects, list):
            self.close()
            return Crashed(f"broke the protocol: seconds {ascii(seconds)[:40]}, side_effects {ascii(effects)[:40]}")
        effects = [str(effect) for effect in effects]
        assert self.hello is not None
        if self.hello.watched and (lines := printed.strip().splitlines()):
            effects.append(f"printed {lines[0][:80]!r}")
        self._spoiled = bool(reply.get("spoiled"))
        if self._spoiled:
            self.close()
        if reply["type"] == "answered" and len(back) in (1, 2):
            for dtype, stored in back:
                wanted = EVERY_FORMAT[dtype].storage if dtype in EVERY_FORMAT else stored.dtype.name
                if stored.dtype.name != wanted:
                    return Raised(
                        f"its adapter returned {dtype} as {stored.dtype.name}, which is stored as {wanted}", seconds
                    )
            first, *later = (Answered(dtype, stored.shape, stored, seconds) for dtype, stored in back)
            return replace(
                first,
                wrote_input=bool(reply.get("wrote_input")),
                side_effects=tuple(effects),
                again=later[0] if later else None,
            )
        if reply["type"] == "raised" and reply.get("unsupported"):
            return Unsupported(str(reply.get("error", "")))
        if reply["type"] == "raised":
            place = f" ({reply['place']})" if reply.get("place") and self.hello.watched else ""
            trace = reply.get("trace", [])
            told = tuple(str(line) for line in trace) if isinstance(trace, list) else ()
            return Raised(str(reply.get("error", "")) + place, seconds, told)
        self.close()
        return Crashed(
            f"broke the protocol: a call was answered with {reply['type']!r} and {len(back)} arrays", seconds
        )


def _first_apart(batch: Batch, seen: Observation) -> list[tuple[Batch, Observation]]:
    """The first case of a batch that was answered as it should, and the others, each with its part of the answer."""
    if len(batch.cases) == 1 or not isinstance(seen, Answered):
        return [(batch, seen)]
    return [(Batch(batch.cases[part]), _rows(seen, batch, part)) for part in (slice(1), slice(1, None))]


def _rows(answered: Answered, batch: Batch, part: slice) -> Answered:
    """The answer to some cases of a batch; an answer of another shape than was asked has no parts."""
    again = _rows(answered.again, batch, part) if answered.again else None
    if not batch.stacked or answered.shape != batch.logits.shape:
        return replace(answered, again=again)
    stored = answered.stored[part]
    return replace(answered, stored=stored, shape=stored.shape, again=again)


def _blamed(seen: Observation, batch: Batch) -> bool:
    """Whether something is wrong with a batch as a whole that one of its cases may have caused."""
    if isinstance(seen, Answered):
        answers = [seen, seen.again] if seen.again else [seen]
        other = any((one.dtype, one.shape) != (batch.format.name, batch.logits.shape) for one in answers)
        return other or bool(seen.side_effects) or seen.wrote_input
    return isinstance(seen, Raised | Crashed | TimedOut | OutOfMemory)


def told(observation: Observation) -> str:
    """Why there is no answer, in words that are the same in every run."""
    match observation:
        case Raised(error=error):
            return error
        case Unsupported(why=why) | NotAsked(why=why):
            return why
        case Crashed(how=how):
            return how
        case TimedOut(limit=limit):
            return f"no answer within {limit:g} s"
        case OutOfMemory(limit=limit):
            return f"more than {limit / 2**30:.3g} GiB of memory"
    return str(observation)


def _changed(dtype: str, probe: np.ndarray, reply: Message, back: Sequence[Array]) -> str:
    if reply["type"] == "raised":
        return f"transport: {reply.get('error', '')}"
    if reply["type"] != "carried" or len(back) != 1:
        return f"transport: answered with {reply['type']!r}"
    name, stored = back[0]
    if name != dtype:
        return f"transport: sent {dtype}, got {name} back"
    if stored.tobytes() != probe.tobytes():
        if stored.nbytes != probe.nbytes:
            return f"transport: {probe.nbytes} bytes were sent, {stored.nbytes} came back"
        bits, due = (np.frombuffer(one.tobytes(), np.uint8).reshape(len(probe), -1) for one in (stored, probe))
        changed = int(np.argmax((bits != due).any(axis=1)))
        return f"transport: element {changed} of the probe row came back with other bits"
    return ""
