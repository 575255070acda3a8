"""Which rules are there?  One module a rule, found by listing this package.

A check module has a docstring whose first line is the rule, a ``SEVERITY``, and two functions::

    def find(answer: Answer) -> Lanes          # the lanes that break the rule, whole-array
    def detail(answer: Answer, index) -> str   # one sentence about the worst of them, with figures

Its name is the kind of the finding, the name that a ledger entry gives.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from conformance.values import Severity

if TYPE_CHECKING:
    from types import ModuleType

OUTCOME_KINDS = {
    **dict.fromkeys(
        ("raised", "crashed", "timed_out", "no_error", "dtype", "shape", "input_written", "side_effect"),
        Severity.VIOLATION,
    ),
    "unrepeatable": Severity.DEGRADED,
}
"""Kinds of finding that come from what happened and not from the numbers, and what they mean."""


@dataclass(frozen=True)
class Check:
    """One rule."""

    kind: str
    module: ModuleType

    @property
    def severity(self) -> Severity:
        """What breaking it means."""
        severity: Severity = self.module.SEVERITY
        return severity

    @property
    def rule(self) -> str:
        """The rule in one line."""
        return (self.module.__doc__ or "").strip().splitlines()[0]

    def find(self, answer: Any) -> Any:
        """The lanes that break the rule."""
        return self.module.find(answer)

    def detail(self, answer: Any, index: tuple[Any, ...]) -> str:
        """One sentence about the lane at ``index``."""
        said: str = self.module.detail(answer, index)
        return said


@cache
def all_checks() -> tuple[Check, ...]:
    """Every check, by name."""
    found = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(Check(name, importlib.import_module(f"{__name__}.{name}")) for name in found)


def kinds() -> tuple[str, ...]:
    """Every kind of finding there is."""
    return (*(check.kind for check in all_checks()), *OUTCOME_KINDS)


def severity_of(kind: str) -> Severity:
    """What a finding of this kind means."""
    return next(
        (check.severity for check in all_checks() if check.kind == kind), OUTCOME_KINDS.get(kind, Severity.VIOLATION)
    )
