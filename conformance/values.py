"""The frozen values that travel between rooms.

family → case → question → worker → observation → judgement → journal → view → report: each arrow hands over one of
these, and nothing else.  Outcomes are types, not flags, so "unsupported", "raised" and "wrong" cannot be mixed up.
Arrays of numbers are float64, and every element is exactly representable in the dtype that stands beside them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from reference.formats import EVERY_FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from reference.formats import Format
    from reference.ops import Op

    Numbers = NDArray[np.float64]


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
    """What a finding means, mildest first: nothing, a named choice, legal but worth knowing, or wrong."""

    NONE = "none"
    POLICY = "policy"
    DEGRADED = "degraded"
    VIOLATION = "violation"


GATES = (Severity.VIOLATION, Severity.DEGRADED)
"""What a run can be told to fail on: findings of that severity and of worse."""


# What is asked.


@dataclass(frozen=True)
class Call:
    """How an op is called, apart from its inputs.

    Attributes
    ----------
    way
        A name of :data:`conformance.calls.WAYS`: ``plain`` is f(x, axis); others put an operation in front of the op,
        in one function with it, or use an argument of its own.
    axis
        The axis of the rows, as it is handed over: it may be negative, and out of range.
    layout
        How the first array, or the one of ``out=``, lies in memory: a name of
        :data:`conformance.frameworks.base.LAYOUTS`; empty for C order.
    cotangent_layout
        The same of the cotangent.
    """

    way: str = "plain"
    axis: int = -1
    layout: str = ""
    cotangent_layout: str = ""


@dataclass(frozen=True, eq=False)
class Inputs:
    """The arrays that are handed over.

    Attributes
    ----------
    x
        float64, of any shape: the logits, or what they are computed from where the call has an operation in front.
    dtype
        The dtype that ``x`` is handed over in: a format, or ``int8``, ``bool``, ``complex64``, ….
    operand
        float64, the second array of such a call, in the format of the case: of the shape of ``x`` or with a last axis
        of one; None where the call has none.
    cotangent
        float64 of the shape of ``x``, in the format of the case; None where the op takes none.
    """

    x: Numbers
    dtype: str
    operand: Numbers | None = None
    cotangent: Numbers | None = None

    def stored(self, format: Format) -> list[tuple[str, NDArray[Any]]]:
        """(dtype, array in its storage dtype) of x, of the operand and of the cotangent, as far as they are there."""
        x = EVERY_FORMAT[self.dtype].encode(self.x) if self.dtype in EVERY_FORMAT else self.x.astype(self.dtype)
        others = (array for array in (self.operand, self.cotangent) if array is not None)
        return [(self.dtype, x), *((format.name, format.encode(array)) for array in others)]

    def map(self, change: Callable[[Numbers], Numbers]) -> Inputs:
        """The same inputs with every array changed in the same way."""
        parts = (None if part is None else change(part) for part in (self.operand, self.cotangent))
        return Inputs(change(self.x), self.dtype, *parts)

    @staticmethod
    def stack(parts: Sequence[Inputs]) -> Inputs:
        """Inputs of one shape, one beside the other along a new first axis."""

        def together(name: str) -> Numbers | None:
            arrays = [getattr(part, name) for part in parts]
            return None if arrays[0] is None else np.stack(arrays)

        x = together("x")
        assert x is not None
        return Inputs(x, parts[0].dtype, together("operand"), together("cotangent"))


@dataclass(frozen=True, eq=False)
class Case:
    """One question: an op, in a format, called in one way on the bits of its inputs.

    Attributes
    ----------
    op, format
        What is asked, and the format of the answer that is due.
    family, name
        Why it is hard; ``name`` is unique in its family for each format.
    logits
        float64: what the op is taken of, rounded to ``format``.  It is ``inputs.x`` where the call is plain.
    unrounded
        float64: the logits as if an operation in front had not rounded them; None where that makes no difference.
    tier
        The lowest tier that asks it.
    alone
        True where the array is asked as it is, because its rank, layout or batch is the question; otherwise rows of
        equal length travel as one array.
    raises
        True where the only right answer is an error (an axis out of range).
    policy
        The policy question to which an error is one legal answer; empty where an error is wrong.
    """

    op: Op
    format: Format
    family: str
    name: str
    inputs: Inputs
    call: Call
    logits: Numbers
    unrounded: Numbers | None = None
    tier: Tier = Tier.STANDARD
    alone: bool = False
    raises: bool = False
    policy: str = ""

    @property
    def recorded_dtype(self) -> str:
        """The dtype column of the record: the format of the answer if something stands in front, else that of x."""
        return self.inputs.dtype if self.call.way == "plain" else self.format.name

    @property
    def stacks(self) -> bool:
        """Whether it may travel with others of its length as one array of shape (rows, n), asked along the last axis."""
        call = self.call
        single = self.alone or self.raises or bool(self.policy) or bool(call.layout or call.cotangent_layout)
        return not single and self.inputs.dtype == self.format.name and self.logits.ndim == 1 and call.axis == -1

    @cached_property
    def id(self) -> str:
        """A hash of everything that can change the answer, 16 hex digits: the same question has the same id for ever."""
        digest = hashlib.blake2b(digest_size=8)
        call = self.call
        how = [self.op.name, self.format.name, call.way, str(call.axis), call.layout]
        if call.cotangent_layout:  # a part of its own where there is one, so that all other ids are what they were
            how.append(call.cotangent_layout)
        # A question that travels alone is another one than the same row in the company of others.
        parts = [*(text.encode() for text in how), b"alone" if not self.stacks else b"stacked"]
        for dtype, stored in self.inputs.stored(self.format):
            parts += [dtype.encode(), str(stored.shape).encode(), stored.tobytes()]
        for part in parts:
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Batch:
    """Cases that travel as one array: equal op, format, way and shape.

    A case that does not :attr:`Case.stacks` is a batch of its own and keeps its shape; the others are stacked to shape
    (rows, n) and asked along the last axis, so that a compiled mode meets few shapes.
    """

    cases: tuple[Case, ...]

    @property
    def op(self) -> Op:
        """The op of every case."""
        return self.cases[0].op

    @property
    def format(self) -> Format:
        """The format of the answer that is due to every case."""
        return self.cases[0].format

    @property
    def call(self) -> Call:
        """How every case is called."""
        return self.cases[0].call

    @property
    def stacked(self) -> bool:
        """Whether the first axis counts the cases."""
        return self.cases[0].stacks

    @cached_property
    def id(self) -> str:
        """A hash of the cases' ids, 16 hex digits."""
        return hashlib.blake2b("".join(case.id for case in self.cases).encode(), digest_size=8).hexdigest()

    @cached_property
    def inputs(self) -> Inputs:
        """What is handed over."""
        parts = [case.inputs for case in self.cases]
        return Inputs.stack(parts) if self.stacked else parts[0]

    @cached_property
    def logits(self) -> Numbers:
        """float64: what the op is taken of."""
        parts = [case.logits for case in self.cases]
        return np.stack(parts) if self.stacked else parts[0]

    @cached_property
    def unrounded(self) -> Numbers | None:
        """float64: the logits as if an operation in front had not rounded them; None where that makes no difference."""
        if all(case.unrounded is None for case in self.cases):
            return None
        parts = [case.logits if case.unrounded is None else case.unrounded for case in self.cases]
        return np.stack(parts) if self.stacked else parts[0]

    def halves(self) -> tuple[Batch, Batch]:
        """The same cases as two batches."""
        middle = len(self.cases) // 2
        return Batch(self.cases[:middle]), Batch(self.cases[middle:])


# Who is asked.


@dataclass(frozen=True, order=True)
class Target:
    """A framework at a version, in a mode, on a device.

    Attributes
    ----------
    framework
        Its name; a kernel of somebody's own has the name of its function.
    mode
        How its functions are run (eager, jit, …), or the name of a control.
    device
        As the framework reports it: cpu, cuda:0, ….
    variant
        What else of its environment makes it another one (a backend, an opset); empty for most.
    version
        As the framework reports it.
    control
        True for a textbook formula on the framework's own elementary functions.
    """

    framework: str
    mode: str
    device: str
    variant: str = ""
    version: str = ""
    control: bool = False

    def __str__(self) -> str:
        name = f"{self.framework}:{self.variant}" if self.variant else self.framework
        return f"{name}/{self.mode}/{self.device}"

    @property
    def versioned(self) -> str:
        """With the version, where two of a framework stand side by side: ``jax@0.9.2/jit/cuda:0``."""
        name, _, rest = str(self).partition("/")
        return f"{name}@{self.version}/{rest}"


# What came back.


@dataclass(frozen=True, eq=False)
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
    seconds
        Of the call, the array's way in and out included.
    wrote_input
        True if the bits of an input were different afterwards.
    side_effects
        What else the call did that a function must not do, a sentence each.
    again
        What a later call on the same bits returned, where that was something else; None where all returned the same.
    """

    dtype: str
    shape: tuple[int, ...]
    stored: NDArray[Any]
    seconds: float
    wrote_input: bool = False
    side_effects: tuple[str, ...] = ()
    again: Answered | None = None


@dataclass(frozen=True)
class Unsupported:
    """The target does not offer this op, dtype, call or layout, and says so."""

    why: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Raised:
    """The target raised an exception; ``trace`` is its traceback, of a function of a user's own."""

    error: str
    seconds: float = 0.0
    trace: tuple[str, ...] = ()


@dataclass(frozen=True)
class Crashed:
    """The process of the target ended, or was ended for what it did; ``trace`` says where it was, if it could tell."""

    how: str
    seconds: float = 0.0
    trace: tuple[str, ...] = ()


@dataclass(frozen=True)
class TimedOut:
    """The target did not answer within ``limit`` seconds, and was ended."""

    limit: float
    seconds: float = 0.0


@dataclass(frozen=True)
class OutOfMemory:
    """The process of the target took more than ``limit`` bytes, and was ended."""

    limit: int
    seconds: float = 0.0


@dataclass(frozen=True)
class NotAsked:
    """The suite gave up on a target that had ended too many processes; nothing is said of these cases."""

    why: str
    seconds: float = 0.0


Observation = Answered | Unsupported | Raised | Crashed | TimedOut | OutOfMemory | NotAsked
"""What a target did with one batch; what it did with each of its cases, once nothing but one case is to blame."""

OUTCOMES: dict[type, str] = {
    Answered: "answered",
    Unsupported: "unsupported",
    Raised: "raised",
    Crashed: "crashed",
    TimedOut: "timed_out",
    OutOfMemory: "out_of_memory",
    NotAsked: "not_asked",
}
"""Observation → its name in the record."""


# What is said of it.


@dataclass(frozen=True, order=True)
class Choice:
    """One answer to one policy question, where no single answer is right."""

    question: str
    answer: str

    def __str__(self) -> str:
        return f"{self.question}={self.answer}"


@dataclass(frozen=True)
class Witness:
    """The lane that shows a finding best.

    Attributes
    ----------
    index
        The flat index of the lane in the array of its case.
    logit
        What the op is taken of there.
    got
        float64: what came; for a row whose sum is wrong, the sum.
    expected
        float64: the truth rounded to the format.
    rest
        float64: the truth less ``expected``; 0 where that is not finite.
    bound
        float64: the largest absolute error that the broken rule allows there.
    beside
        The flat index of the lane that it is compared with, where the rule is about two lanes of a row; otherwise -1.
    """

    index: int
    logit: float
    got: float
    expected: float
    rest: float
    bound: float
    beside: int = -1


@dataclass(frozen=True, eq=False)
class Exhibit:
    """What was handed over where a finding showed: with the call, all that it takes to ask again.

    Attributes
    ----------
    inputs
        Of the case; None where the record has no room for them, and they have to be made again.
    rows
        How many rows of its length travelled with it as one array; 0 where its array was asked as it is.
    place
        Which of these rows it was, counted from zero.
    """

    inputs: Inputs | None
    rows: int = 0
    place: int = 0


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
        The smallest evidence; None where there is no lane to show.
    trace
        The lines of a traceback; empty where nothing was raised and nothing crashed.
    """

    kind: str
    severity: Severity
    detail: str
    witness: Witness | None = None
    trace: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """What the judge says about the answer to one case.

    Attributes
    ----------
    grade
        None without numbers to grade.
    choices
        The policy questions that the answer settles, and how.
    max_ulp
        Largest error in units of the truth's last place (of the output format), of a vjp without the lanes that cancel; NaN
        where there is none.
    max_ulp_at
        Flat index of that element, -1 without an answer.
    error_over_bound
        Largest error divided by the *stable* bound at that element; NaN without an answer.
    row_sum_error
        softmax: largest |Σp - 1|; log_softmax: largest |Σexp(y) - 1|; NaN without an answer and for vjps.
    nonfinite_expected, nonfinite_got
        How many lanes of the truth, and of the answer, are not finite.
    """

    grade: Grade | None
    severity: Severity
    findings: tuple[Finding, ...] = ()
    choices: tuple[Choice, ...] = ()
    max_ulp: float = float("nan")
    max_ulp_at: int = -1
    error_over_bound: float = float("nan")
    row_sum_error: float = float("nan")
    nonfinite_expected: int = 0
    nonfinite_got: int = 0
