"""The frozen values that travel between rooms.

family → case → target → observation → judgement → record → report: each arrow hands over one of
these, and nothing else.  Outcomes are types, not flags, so "unsupported", "raised" and "wrong"
cannot be mixed up.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from reference.formats import EVERY_FORMAT, Format

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Tier(IntEnum):
    """How much is asked; a higher tier contains the lower ones."""

    SMOKE = 0
    STANDARD = 1
    EXHAUSTIVE = 2


class Grade(StrEnum):
    """How accurate an answer is, best first."""

    EXACT = "exact"
    FAITHFUL = "faithful"
    STABLE = "stable"
    LOOSE = "loose"
    DIVERGENT = "divergent"


class Severity(StrEnum):
    """What a finding means: nothing, a named choice, legal but worth knowing, or wrong."""

    NONE = "none"
    POLICY = "policy"
    DEGRADED = "degraded"
    VIOLATION = "violation"


@dataclass(frozen=True)
class Row:
    """What a family asks, before the op is chosen.

    Attributes
    ----------
    name
        Names the row within its family; unique for each format.
    values
        float64 array of any shape, each element exactly representable in the format.
    axis
        The axis softmax is taken along.
    tier
        The lowest tier that asks it.
    raises
        True where the only right answer is an error (an axis out of range).
    alone
        True where the array is asked as it is, because its rank, layout or batch is the question;
        otherwise rows of equal length travel as one array.
    policy
        The policy question to which an error is one legal answer; such a row is alone.
    layout
        How the array, or the ``out`` that is asked for, lies in memory: a name of
        ``conformance.frameworks.base.LAYOUTS``; such a row is alone.
    producer
        What stands in front of the op, in one function with it: a name of ``conformance.producers.PRODUCERS``.
    operand
        The second operand of the producer, in the same format: of the shape of ``values``, or one number a row;
        zero where none is given.
    sent
        The dtype of the array where it is not the asked format: ``int32``, ``bool``, ``float8_e5m2``, ….  The values
        are representable in both, the answer may be in any format, and the row is alone.  With the producer
        ``cast`` it is the format of ``values``, and the answer must be in the asked one.
    """

    name: str
    values: NDArray[np.float64]
    axis: int = -1
    tier: Tier = Tier.STANDARD
    raises: bool = False
    alone: bool = False
    policy: str = ""
    layout: str = ""
    producer: str = ""
    operand: NDArray[np.float64] | None = None
    sent: str = ""


@dataclass(frozen=True)
class Produced:
    """What a case hands over where something stands in front of the op: ``producer(x, operand)`` are the logits.

    Attributes
    ----------
    unrounded
        The logits as if the producer had not rounded them to the format, in float64; None where it does not round.
    """

    producer: str
    x: NDArray[np.float64] = field(repr=False, compare=False)
    operand: NDArray[np.float64] = field(repr=False, compare=False)
    unrounded: NDArray[np.float64] | None = field(repr=False, compare=False)


@dataclass(frozen=True)
class Case:
    """One question: an op on the bits of one array of logits along one axis."""

    family: str
    name: str
    op: str
    dtype: str
    values: NDArray[np.float64] = field(repr=False, compare=False)
    axis: int = -1
    tier: Tier = Tier.STANDARD
    raises: bool = False
    alone: bool = False
    policy: str = ""
    layout: str = ""
    produced: Produced | None = None
    sent: str = ""

    @property
    def format(self) -> Format:
        """The format of the input, and of the answer."""
        return EVERY_FORMAT[self.dtype]

    @property
    def producer(self) -> str:
        """What stands in front of the op; empty where nothing does."""
        return self.produced.producer if self.produced else ""

    @property
    def known_as(self) -> str:
        """The dtype it stands under in the record: of the answer that is due, or of an array of no asked format."""
        return self.dtype if self.produced else self.sent or self.dtype

    @cached_property
    def id(self) -> str:
        """A hash of the content: the same question has the same id for ever."""
        digest = hashlib.blake2b(digest_size=8)
        digest.update(f"{self.op}|{self.dtype}|{self.axis}|{self.values.shape}|".encode())
        digest.update(self.format.encode(self.values).tobytes())
        digest.update(f"{self.layout}{self.producer}{self.sent}".encode())
        if self.produced:
            digest.update(EVERY_FORMAT[self.sent or self.dtype].encode(self.produced.x).tobytes())
            digest.update(self.format.encode(self.produced.operand).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, order=True)
class Target:
    """Whom we ask: a framework, in a mode, on a device."""

    framework: str
    mode: str
    device: str
    control: bool = False

    def __str__(self) -> str:
        return f"{self.framework}/{self.mode}/{self.device}"


@dataclass(frozen=True)
class Answered:
    """The target returned an array.

    Attributes
    ----------
    dtype
        What the framework says it returned, by the framework's own name.
    shape
        The shape it returned.
    stored
        The answer in the storage dtype of the format it returned.
    wrote_input
        True if the bits of the input were different afterwards.
    side_effects
        What else the call did that a function must not do, a sentence each.
    repeatable
        False if a second call on the same bits returned others.
    """

    dtype: str
    shape: tuple[int, ...]
    stored: NDArray[Any]
    seconds: float
    wrote_input: bool = False
    side_effects: tuple[str, ...] = ()
    repeatable: bool = True


@dataclass(frozen=True)
class Unsupported:
    """The target does not offer this op, dtype or device, and says so."""

    why: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Raised:
    """The target raised an exception where an answer was due, or where an error was due."""

    error: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Crashed:
    """The process of the target died."""

    how: str
    seconds: float = 0.0


@dataclass(frozen=True)
class TimedOut:
    """The target did not answer in time."""

    seconds: float


Observation = Answered | Unsupported | Raised | Crashed | TimedOut
"""What a target did with one question, or with a batch of them."""


@dataclass(frozen=True)
class Batch:
    """Questions that travel as one array: equal op, dtype, axis and row length.

    A batch of one case about rank, layout or position keeps the case's own shape; every other batch
    stacks its rows to shape (rows, n), asked along the last axis, so that a compiled mode meets a
    few shapes and not thousands.
    """

    cases: tuple[Case, ...]

    @property
    def op(self) -> str:
        """The op of every case."""
        return self.cases[0].op

    @property
    def format(self) -> Format:
        """The format of every case."""
        return self.cases[0].format

    @property
    def axis(self) -> int:
        """The axis of the stacked array."""
        return self.cases[0].axis

    @property
    def layout(self) -> str:
        """The memory layout of the array; only a lone case has another than the plain one."""
        return self.cases[0].layout

    @property
    def producer(self) -> str:
        """What stands in front of the op in every case."""
        return self.cases[0].producer

    @property
    def sent(self) -> str:
        """The dtype of the array that is handed over."""
        return self.cases[0].sent or self.format.name

    @property
    def stacked(self) -> bool:
        """Whether the rows were stacked."""
        first = self.cases[0]
        return not (
            first.alone
            or first.raises
            or first.policy
            or first.layout
            or first.sent
            or first.values.ndim != 1
            or first.axis != -1
        )

    def _together(self, parts: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.stack(parts) if self.stacked else parts[0]

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """The logits, as float64."""
        return self._together([case.values for case in self.cases])

    @cached_property
    def stored(self) -> NDArray[Any]:
        """The array that is handed over, in the storage dtype of its format: the logits, or what they are made of."""
        x = self._together([case.produced.x if case.produced else case.values for case in self.cases])
        return EVERY_FORMAT[self.sent].encode(x) if self.sent in EVERY_FORMAT else x.astype(self.sent)

    @property
    def handed(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where there is a producer, its two operands, as float64."""
        parts = [case.produced for case in self.cases if case.produced]
        return self._together([part.x for part in parts]), self._together([part.operand for part in parts])

    @cached_property
    def operand(self) -> NDArray[Any]:
        """The second array that is handed over, where there is a producer."""
        return self.format.encode(self.handed[1])

    def halves(self) -> tuple[Batch, Batch]:
        """The same questions as two batches."""
        middle = len(self.cases) // 2
        return Batch(self.cases[:middle]), Batch(self.cases[middle:])


@dataclass(frozen=True)
class Finding:
    """One thing a check says about one answer.

    Attributes
    ----------
    kind
        The name of the check.
    detail
        One sentence with the figures.
    witness
        The smallest evidence: input, expected, got, bound, as hex floats; empty where there is no element.
    """

    kind: str
    severity: Severity
    detail: str
    witness: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """What the judge says about one answer.

    Attributes
    ----------
    max_ulp
        Largest error in units of the truth's last place (of the output format); NaN without an answer.
    max_ulp_at
        Flat index of that element, -1 without an answer.
    error_over_bound
        Largest error divided by the *stable* bound at that element; NaN without an answer.
    row_sum_error
        softmax: largest |Σp - 1|; log_softmax: largest |Σexp(y) - 1|; NaN without an answer.
    """

    grade: Grade | None
    severity: Severity
    findings: tuple[Finding, ...]
    policy: str = ""
    max_ulp: float = float("nan")
    max_ulp_at: int = -1
    error_over_bound: float = float("nan")
    row_sum_error: float = float("nan")
    nonfinite_expected: int = 0
    nonfinite_got: int = 0
