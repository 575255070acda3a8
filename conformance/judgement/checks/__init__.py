"""The rules that an answer is checked against: one module a rule, found by listing this package.

A check module has a docstring whose first line is the rule, a ``SEVERITY``, and two to four functions::

    def applies(op: Op) -> bool                         # whether the rule is one of this op; of every op if left out
    def find(answer: Answer) -> Lanes                   # the lanes that break the rule, of the shape of the question
    def detail(answer: Answer, index: Index) -> str     # one sentence about the worst of them, with figures
    def evidence(lane: Witness, answer: Answer, index: Index) -> Witness    # that lane as this rule sees it, if it is
                                                        # not the error of an answer within the loose bound

Its name is the kind of the finding, which is the name that a ledger entry gives.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol, cast

from conformance.values import Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.judgement.answer import Answer
    from conformance.judgement.question import Lanes
    from conformance.values import Witness
    from reference.ops import Op

    Index = tuple[int, ...]

OUTCOME_KINDS: dict[str, tuple[Severity, str]] = {
    "raised": (Severity.VIOLATION, "The call raises no exception where an answer is due."),
    "crashed": (Severity.VIOLATION, "The call does not end the process."),
    "timed_out": (Severity.VIOLATION, "The call returns within the time limit."),
    "out_of_memory": (Severity.VIOLATION, "The call stays within the memory limit."),
    "no_error": (Severity.VIOLATION, "An axis out of range is an error."),
    "dtype": (Severity.VIOLATION, "The answer has the dtype that was asked."),
    "shape": (Severity.VIOLATION, "The answer has the shape of the logits."),
    "input_written": (Severity.VIOLATION, "The call leaves its inputs as they are."),
    "side_effect": (Severity.VIOLATION, "The call does nothing but return an answer."),
    "unrepeatable": (Severity.DEGRADED, "A later call on the same bits returns the same bits."),
}
"""Kinds of finding that come from what happened and not from the numbers: what they mean, and the rule that is broken."""


class _Module(Protocol):
    """What a check module holds; ``applies`` and ``evidence`` are optional and so are not named here."""

    SEVERITY: Severity

    @staticmethod
    def find(answer: Answer) -> Lanes: ...

    @staticmethod
    def detail(answer: Answer, index: Index) -> str: ...


@dataclass(frozen=True)
class Check:
    """One rule about the numbers of an answer.

    Attributes
    ----------
    kind
        The name of its module, and of its findings.
    severity
        What breaking it means.
    rule
        The rule in one sentence.
    applies
        Whether it is a rule of an op.
    find
        The lanes of an answer that break it, bool, of the shape of the question.
    detail
        One sentence about the lane at an index into the question's array.
    evidence
        The witness of that lane, from one with the loose bound.
    """

    kind: str
    severity: Severity
    rule: str
    applies: Callable[[Op], bool]
    find: Callable[[Answer], Lanes]
    detail: Callable[[Answer, Index], str]
    evidence: Callable[[Witness, Answer, Index], Witness]


def _as_it_is(lane: Witness, answer: Answer, index: Index) -> Witness:  # noqa: ARG001 - the signature of a check's own
    return lane


def _every_op(op: Op) -> bool:  # noqa: ARG001 - the signature of a check's own predicate
    return True


def _read(kind: str) -> Check:
    """The check that a module of this package is."""
    module = importlib.import_module(f"{__name__}.{kind}")
    applies: Callable[[Op], bool] = getattr(module, "applies", _every_op)
    rule = (module.__doc__ or "").strip().splitlines()[0]
    evidence: Callable[[Witness, Answer, Index], Witness] = getattr(module, "evidence", _as_it_is)
    typed = cast("_Module", module)
    return Check(kind, typed.SEVERITY, rule, applies, typed.find, typed.detail, evidence)


@cache
def all_checks() -> tuple[Check, ...]:
    """Every check, by name."""
    return tuple(_read(kind) for kind in sorted(module.name for module in pkgutil.iter_modules(__path__)))


@cache
def checks_of(op: Op) -> tuple[Check, ...]:
    """The checks that apply to an op, by name."""
    return tuple(check for check in all_checks() if check.applies(op))


def kinds() -> tuple[str, ...]:
    """Every kind of finding there is."""
    return (*(check.kind for check in all_checks()), *OUTCOME_KINDS)


def severity_of(kind: str) -> Severity:
    """What a finding of this kind means; a violation where the kind is not known."""
    known = {check.kind: check.severity for check in all_checks()} | {k: s for k, (s, _) in OUTCOME_KINDS.items()}
    return known.get(kind, Severity.VIOLATION)


def rule_of(kind: str) -> str:
    """The rule that a finding of this kind breaks, in one sentence.

    Raises
    ------
    KeyError
        If there is no such kind.
    """
    return ({check.kind: check.rule for check in all_checks()} | {k: r for k, (_, r) in OUTCOME_KINDS.items()})[kind]
