"""How a script sees one finding: source that calls the function, prints what came and what was due, and exits.

One function a kind of finding, in :data:`SYMPTOMS`.  What they return goes on from arrays with the names ``x``, ``o`` and
``g``, functions ``f`` and ``numbers``, and the modules ``sys``, ``math`` and ``numpy``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.values import Finding, Witness

FORKED = ("crashed", "timed_out", "out_of_memory")
"""Kinds whose fault would end the script itself."""

_ANSWERS = "dtype, answers = numbers({call})\nanswers = numpy.array(answers)\n"
_EXIT = "sys.exit(0 if {right} else 1)\n"


@dataclass(frozen=True)
class Asked:
    """What the source of a fault depends on.

    Attributes
    ----------
    call
        Source of the call.
    log
        Whether the answers are log-probabilities.
    dtype
        The dtype that was asked.
    shape
        Of the array that is handed over.
    corner
        The index of the case in it, as far as it has one: ``(3,)`` for the fourth of several rows, else ``()``.
    axis
        The axis of the rows, counted from the first.
    """

    call: str
    log: bool
    dtype: str
    shape: tuple[int, ...]
    corner: tuple[int, ...]
    axis: int

    def lane(self, flat: int) -> tuple[int, ...]:
        """The index of a lane of the case, counted through its array, in the array that is handed over."""
        inner = self.shape[len(self.corner) :]
        return (*self.corner, *(int(place) for place in np.unravel_index(flat, inner))) if inner else ()

    def row(self, flat: int) -> str:
        """Source of the index of that lane's row."""
        places = [":" if at == self.axis else str(place) for at, place in enumerate(self.lane(flat))]
        return f"[{', '.join(places)}]" if places else ".reshape(1)"


def visible(finding: Finding, size: int) -> bool:
    """Whether a script can see a finding about an array of so many numbers."""
    told = finding.witness
    if finding.kind not in _LANES:
        return finding.kind in SYMPTOMS
    # A record may be damaged.
    return told is not None and 0 <= told.index < size and (finding.kind not in _PAIRS or 0 <= told.beside < size)


def source(finding: Finding, asked: Asked) -> str:
    """The source for a finding that is :func:`visible`."""
    return SYMPTOMS[finding.kind](finding, asked)


def number(value: float) -> str:
    """A number as Python source."""
    return repr(value) if math.isfinite(value) else f"float('{value}')"


def _index(place: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, place))}]" if place else "[()]"


def _witness(finding: Finding) -> Witness:
    assert finding.witness is not None, finding.kind
    return finding.witness


def _lane(finding: Finding, asked: Asked) -> str:
    """An answer beside its truth."""
    told = _witness(finding)
    lines = [
        f"answer = float(answers{_index(asked.lane(told.index))})",
        f"truth, bound = {number(told.expected)}, {number(told.bound)}",
    ]
    if math.isnan(told.expected):
        right = "answer != answer"
    elif math.isinf(told.expected) or not math.isfinite(told.bound):
        right = "answer == truth"
    elif told.rest:
        lines.append(f"rest = {number(told.rest)}  # of the truth, which is between two numbers of {asked.dtype}")
        right = "abs(answer - truth - rest) <= bound"
    else:
        right = "abs(answer - truth) <= bound"
    return _text(asked, *lines, 'print("answer", answer, "truth", truth, "bound", bound)', right=right)


def _range(finding: Finding, asked: Asked) -> str:
    """An answer beside the ends of its range; that of a log-probability is as far beyond zero as its bound reaches."""
    told = _witness(finding)
    most = max(0.0, told.expected + told.bound) if asked.log else 1.0
    return _text(
        asked,
        f"answer = float(answers{_index(asked.lane(told.index))})",
        f"truth, least, most = {number(told.expected)}, {number(-math.inf if asked.log else 0.0)}, {number(most)}",
        'print("answer", answer, "truth", truth, "bound", least, most)',
        right="least <= answer <= most",
    )


def _row_sum(finding: Finding, asked: Asked) -> str:
    """The sum of a row beside one."""
    told = _witness(finding)
    row = f"answers{asked.row(told.index)}"
    return _text(
        asked,
        f"excess = math.fsum([*{f'numpy.exp({row})' if asked.log else row}, -1.0])",
        f"truth, bound = 1.0, {number(told.bound)}",
        'print("answer", 1 + excess, "truth", truth, "bound", bound)',
        right="abs(excess) <= bound",
    )


def _zero_sum(finding: Finding, asked: Asked) -> str:
    """The sum of a row's gradient beside zero."""
    told = _witness(finding)
    return _text(
        asked,
        f"answer = math.fsum(answers{asked.row(told.index)})",
        f"truth, bound = 0.0, {number(told.bound)}",
        'print("answer", answer, "truth", truth, "bound", bound)',
        right="abs(answer) <= bound",
    )


def _beside(wanted: str, sign: str) -> Callable[[Finding, Asked], str]:
    """An answer beside that of another lane."""

    def text(finding: Finding, asked: Asked) -> str:
        told = _witness(finding)
        return _text(
            asked,
            f"answer = float(answers{_index(asked.lane(told.index))})",
            f"other = float(answers{_index(asked.lane(told.beside))})",
            f'print("answer", answer, "truth", {wanted!r}, other, "bound", 0.0)',
            right=f"answer {sign} other",
        )

    return text


def _unnamed(finding: Finding, asked: Asked) -> str:
    """A row beside those that have a name."""
    told = _witness(finding)
    return _text(
        asked,
        f"row, infinite = answers{asked.row(told.index)}, infinite{asked.row(told.index)}",
        f"nothing, share, unit = {number(-math.inf if asked.log else 0.0)}, {number(told.expected)}, {number(told.bound)}",
        "shared = abs(row - share) <= unit",
        "if infinite.any():",
        "    lanes = [(infinite & shared) | (~infinite & (row == nothing))]",
        "    lanes.append(numpy.where(infinite, numpy.isnan(row), row == nothing))",
        "else:",
        "    lanes = [row == nothing, shared]",
        'print("answer", row, "truth", "NaN,", nothing, "or", share, "in every lane", "bound", unit)',
        right="any(named.all() for named in [numpy.isnan(row), *lanes])",
    )


def _raised(finding: Finding, asked: Asked) -> str:
    del finding
    return (
        f"try:\n    numbers({asked.call})\nexcept Exception as error:\n"
        '    print("answer", repr(error), "truth", "an array", "bound", "none")\n    sys.exit(1)\n'
        'print("answer", "an array", "truth", "an array", "bound", "none")\nsys.exit(0)\n'
    )


def _no_error(finding: Finding, asked: Asked) -> str:
    del finding
    return (
        f"try:\n    dtype, answers = numbers({asked.call})\nexcept Exception as error:\n"
        '    print("answer", repr(error), "truth", "an error", "bound", "none")\n    sys.exit(0)\n'
        'print("answer", answers, "truth", "an error", "bound", "none")\nsys.exit(1)\n'
    )


def _dtype(finding: Finding, asked: Asked) -> str:
    floats = ("float", "bfloat")
    if asked.dtype.startswith(floats):
        due, right = asked.dtype, f"dtype == {asked.dtype!r}"
    else:
        due, right = "a dtype of floats", f"dtype.startswith({(*floats, 'complex')!r})"
    del finding
    return _text(asked, f'print("answer", dtype, "truth", {due!r}, "bound", "none")', right=right)


def _shape(finding: Finding, asked: Asked) -> str:
    del finding
    shown = f'print("answer", answers.shape, "truth", {asked.shape!r}, "bound", "none")'
    return _text(asked, shown, right=f"answers.shape == {asked.shape!r}")


def _input_written(finding: Finding, asked: Asked) -> str:
    del finding
    return (
        "before = repr(numbers(x))\n"
        f"numbers({asked.call})\n"
        'print("answer", numbers(x), "truth", before, "bound", "none")\n'
        + _EXIT.format(right="repr(numbers(x)) == before")
    )


def _unrepeatable(finding: Finding, asked: Asked) -> str:
    del finding
    return (
        f"first, second = (repr(numbers({asked.call})) for _ in range(2))\n"
        'print("answer", second, "truth", "that of the first call,", first, "bound", "none")\n'
        + _EXIT.format(right="first == second")
    )


def _ended(finding: Finding, asked: Asked) -> str:
    """The call alone: it is made by a child, and what became of that is seen by its parent; see :func:`forked`."""
    del finding
    return f"numbers({asked.call})\nos._exit(0)\n"


def forked(seconds: float, memory: float) -> str:
    """Source that goes on in a child, and whose parent says how that ended; for the kinds in :data:`FORKED`.

    Parameters
    ----------
    seconds, memory
        What the child may take; memory in GiB.
    """
    alarm = f"signal.alarm({math.ceil(seconds)})\n" if math.isfinite(seconds) else ""
    return (
        "child = os.fork()\nif child:\n    _, status, used = os.wait4(child, 0)\n"
        "    gone, memory = os.waitstatus_to_exitcode(status), used.ru_maxrss / 2**20\n"
        '    print("answer", f"status {gone}, {memory:.3g} GiB", "truth", "status 0", '
        f'"bound", "{seconds:g} s, {memory:g} GiB")\n'
        f"    sys.exit(0 if gone == 0 and memory <= {number(memory)} else 1)\n{alarm}"
    )


def _text(asked: Asked, *lines: str, right: str) -> str:
    return _ANSWERS.format(call=asked.call) + "".join(f"{line}\n" for line in lines) + _EXIT.format(right=right)


_PAIRS = {
    "order": _beside("at least that of a smaller logit,", ">="),
    "ties": _beside("that of an equal logit,", "=="),
}
"""Kinds that a witness of two lanes shows."""

_LANES = {
    **dict.fromkeys(("accuracy", "loose", "lost_normal", "nonfinite"), _lane),
    "range": _range,
    "row_sum": _row_sum,
    "zero_sum": _zero_sum,
    "unnamed_policy": _unnamed,
    **_PAIRS,
}
"""Kinds that a witness shows."""

SYMPTOMS: dict[str, Callable[[Finding, Asked], str]] = {
    **_LANES,
    "raised": _raised,
    "no_error": _no_error,
    "dtype": _dtype,
    "shape": _shape,
    "input_written": _input_written,
    "unrepeatable": _unrepeatable,
    **dict.fromkeys(FORKED, _ended),
}
"""Kind of finding → its source.  A side effect has none: what else a call did is seen by who watches it."""
