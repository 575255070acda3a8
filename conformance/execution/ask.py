"""What does a target do with a batch of questions?

Everything a framework does is an observation: an answer, an exception, an exit.  Two probes come
before the questions.  The *transport check* hands a row of subnormals, signed zeros, extremes and
NaN through the framework's own array type and back, bit for bit: otherwise a flush on the way in
would be blamed on softmax.  The *support probe* asks for softmax of two zeros: a target that
cannot do even that does not support the op in this dtype, which is not the same as failing it.
"""

from __future__ import annotations

import time
import warnings
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from conformance.frameworks import controls
from conformance.values import Answered, Batch, Observation, Raised, Target, Unsupported

P = ParamSpec("P")
R = TypeVar("R")

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.frameworks.base import Framework
    from reference.formats import Format


def deaf(talk: Callable[P, R]) -> Callable[P, R]:
    """Talk to a framework without hearing its warnings.

    They are its maintainers' business, and under ``-W error`` they would become exceptions: what a
    target answers must not depend on the warning filters of who asks.
    """

    @wraps(talk)
    def quietly(*args: P.args, **kwargs: P.kwargs) -> R:
        with warnings.catch_warnings(action="ignore"):
            return talk(*args, **kwargs)

    return quietly


def transport_probe(format: Format) -> np.ndarray:
    """Bits that a lossy border changes: signed zeros, subnormals, extremes, infinities, NaN."""
    eta, tiny, big = format.smallest_subnormal, format.smallest_normal, format.max
    half = np.array([0.0, eta, 3 * eta, tiny - eta, tiny, 1.0, 1.0 + 2 * format.unit_roundoff, big, np.inf])
    return format.encode(np.concatenate([half, -half, [np.nan]]))


@deaf
def transport(framework: Framework, format: Format, device: str) -> str:
    """Why bits do not cross this border unchanged; empty where they do."""
    probe = transport_probe(format)
    try:
        dtype, back = framework.fetch(framework.send(probe, format.name, device))
    except Exception as error:  # noqa: BLE001 - whatever a framework raises here is the answer
        return f"transport: {describe(error)}"
    if dtype != format.name:
        return f"transport: sent {format.name}, got {dtype} back"
    if back.tobytes() != probe.tobytes():
        changed = int(np.argmax(back.reshape(-1) != probe))
        return f"transport: element {changed} of the probe row came back with other bits"
    return ""


def describe(error: BaseException) -> str:
    """An exception in one line of at most 300 characters."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # noqa: BLE001 - an exception may be of the kernel's own making
        lines = ["its message cannot be read"]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]


class Respondent:
    """A target that is ready to be asked about one op in one format."""

    def __init__(self, framework: Framework, target: Target, op: str, format: Format) -> None:
        self.framework = framework
        self.target = target
        self.op = op
        self.format = format
        self.call: Callable[[Any, int], Any] | None = None
        self._behind: dict[str, Callable[[Any, Any, int], Any]] = {}
        self.why_not = transport(framework, format, target.device)
        if not self.why_not:
            self.why_not = self._prepare()

    @deaf
    def _prepare(self) -> str:
        device, mode = self.target.device, self.target.mode
        if self.target.control:
            self.call = controls.function(self.framework, mode, self.op, device)
            if self.call is None:
                return f"the control {mode} has no {self.op}"
        else:
            self.call = self.framework.function(self.op, mode, device)
        try:
            self.call(self.framework.send(self.format.encode(np.zeros((2, 2))), self.format.name, device), -1)
        except Exception as error:  # noqa: BLE001 - whatever a framework raises here is the answer
            return describe(error)
        return ""

    def ask(self, batch: Batch) -> list[tuple[Batch, Observation]]:
        """Ask one batch.

        Where a batch raises it is halved until the exception belongs to the cases that cause it.
        """
        if self.why_not:
            return [(batch, Unsupported(self.why_not))]
        if why := self._cannot(batch):
            return [(batch, Unsupported(why))]
        observation = self._ask_once(batch)
        if isinstance(observation, Raised) and len(batch.cases) > 1:
            return [part for half in batch.halves() for part in self.ask(half)]
        return [(batch, observation)]

    def _cannot(self, batch: Batch) -> str:
        """Why the batch cannot be asked; empty where it can."""
        name, producer = self.framework.name, batch.producer
        if batch.layout and batch.layout not in self.framework.layouts:
            return f"{name} has no arrays of the layout {batch.layout}"
        if producer and self.target.control:
            return "a control is run eagerly, with nothing in front of it"
        if producer and producer not in self.framework.calls:
            return f"{name} has no {producer} for its softmax"
        return self._border(batch) if batch.sent != self.format.name else ""

    @deaf
    def _border(self, batch: Batch) -> str:
        """Why an array of another dtype does not cross the border unchanged."""
        try:
            dtype, back = self.framework.fetch(self.framework.send(batch.stored, batch.sent, self.target.device))
        except Exception as error:  # noqa: BLE001 - whatever a framework raises here is the answer
            return f"transport: {describe(error)}"
        same = dtype == batch.sent and back.tobytes() == batch.stored.tobytes()
        return "" if same else f"transport: sent {batch.sent}, got {dtype} back"

    def _call(self, batch: Batch, x: Any) -> Any:
        assert self.call is not None
        if not (producer := batch.producer):
            return self.call(x, batch.axis)
        device = self.target.device
        if producer not in self._behind:
            self._behind[producer] = self.framework.produced(self.op, producer, self.target.mode, device)
        layout = batch.layout if producer == "out" else ""
        operand = self.framework.send_as(batch.operand, self.format.name, device, layout)
        return self._behind[producer](x, operand, batch.axis)

    @deaf
    def _ask_once(self, batch: Batch) -> Observation:
        start = time.perf_counter()
        try:
            layout = "" if batch.producer == "out" else batch.layout
            x = self.framework.send_as(batch.stored, batch.sent, self.target.device, layout)
            dtype, stored = self.framework.fetch(self._call(batch, x))
            wrote = self.framework.fetch(x)[1].tobytes() != batch.stored.tobytes()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a framework raises is an observation
            return Raised(describe(error), time.perf_counter() - start)
        return Answered(dtype, stored.shape, stored, time.perf_counter() - start, wrote_input=wrote)
