"""The columns and the typed parts of a record.

A record is one or more *parts*, each what one run left behind: a header (what was asked of whom, where), a footer (counts
and seconds), rows of observations and rows of claims.  Merging records keeps every part as it is.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the reader of JSON looks at annotations while it runs
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from conformance.record.typed import LATER, Source
from conformance.values import Target, Tier  # noqa: TC001 - the same

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 4
"""Version of the columns and of the header."""

COLUMNS: dict[str, str] = {
    "run_id": "string",
    "target": "string",
    "framework": "string",
    "variant": "string",
    "version": "string",
    "mode": "string",
    "device": "string",
    "control": "bool",
    "op": "string",
    "dtype": "string",
    "family": "string",
    "case": "string",
    "case_id": "string",
    "tier": "string",
    "axis": "int64",
    "shape": "string",
    "layout": "string",
    "cotangent_layout": "string",
    "way": "string",
    "outcome": "string",
    "reason": "string",
    "seconds": "float32",
    "digest": "string",
    "choices": "string",
    "grade": "string",
    "severity": "string",
    "findings": "string",
    "expected": "string",
    "max_ulp": "float64",
    "max_ulp_at": "int64",
    "error_over_bound": "float64",
    "row_sum_error": "float32",
    "logit_gap": "float32",
    "nonfinite_expected": "int64",
    "nonfinite_got": "int64",
    "witness": "string",
    "inputs": "string",
}
"""Column → pandas dtype; what each means stands in ``reports/README.md``."""

CLAIM_COLUMNS: dict[str, str] = dict.fromkeys(
    ("run_id", "claim", "statement", "target", "version", "dtype", "verdict", "evidence"), "string"
)
"""The same for the table of claims."""


@dataclass(frozen=True)
class Subject:
    """One installed framework that was asked.

    Attributes
    ----------
    framework, variant, version
        Its name, what else of its environment makes it another one, and the version that it reports.
    python, numpy
        Versions of the interpreter of its worker and of NumPy there.
    versions
        Distribution → version, of those that its adapter names.
    variables
        Environment variable → value, of those that its adapter names and that are set.
    kernel
        Where a function of somebody's own is; empty for a framework.
    contract
        What such a function promises, to which its questions were cut: JSON of the terms; empty for everything.
    """

    framework: str
    variant: str = ""
    version: str = ""
    python: str = ""
    numpy: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    kernel: str = ""
    contract: str = field(default="", metadata={LATER: True})

    @property
    def name(self) -> str:
        """framework, or framework:variant."""
        return f"{self.framework}:{self.variant}" if self.variant else self.framework


@dataclass(frozen=True)
class Machine:
    """Everything about a machine that a result may depend on.

    Attributes
    ----------
    platform
        Architecture and widest vector set, ``x86_64/avx512``: what a ledger entry binds on.
    threads
        Environment variable → value, of those that set a number of threads.
    gpus
        Name, driver and memory of each, as its driver reports them.
    """

    platform: str
    system: str = ""
    libc: str = ""
    cpu: str = ""
    cpu_flags: str = ""
    cores: int = 0
    memory: int = 0
    threads: Mapping[str, str] = field(default_factory=dict)
    gpus: tuple[str, ...] = ()
    python: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What a run was going to ask.

    Attributes
    ----------
    targets
        In the order of the record.
    families
        Family → its reason in one line.
    absent
        Framework → why it was not asked.
    limits
        What a batch and a worker may take, and whatever else was restricted: name → text.
    questions
        A hash of the families' sources: two runs with the same one, tier and seed ask the same.
    not_asked
        What the plan leaves out of a target's questions, and why that can hide nothing: a sentence each.
    """

    tier: Tier
    seed: int
    ops: tuple[str, ...]
    dtypes: tuple[str, ...]
    families: Mapping[str, str]
    targets: tuple[Target, ...]
    absent: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    questions: str = ""
    not_asked: tuple[str, ...] = ()


@dataclass(frozen=True)
class Header:
    """One run: when, by which command, of which suite, on which machine, and which frameworks it asked.

    Attributes
    ----------
    run_id
        12 hexadecimal digits; the column of that name says which part a row belongs to.
    started
        When it was begun, ISO 8601 in UTC.
    proves_not
        What a clean run of its tier does not prove.
    """

    run_id: str
    suite_version: str
    started: str
    command: str
    proves_not: str
    plan: Plan
    machine: Machine
    subjects: tuple[Subject, ...]


@dataclass(frozen=True)
class Footer:
    """How a run ended.

    Attributes
    ----------
    rows, claims
        How many rows of each table it left.
    complete
        Whether everything planned was done.
    seconds
        Wall time, of all its sittings together.
    timing
        Framework → part (import, ask, judge, …) → seconds.
    escalated
        How many rows' truths were computed twice, because a verdict hung on it.
    """

    rows: int
    claims: int
    complete: bool
    seconds: float
    timing: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    escalated: int = 0


@dataclass(frozen=True)
class Part:
    """What one run left behind, apart from its rows."""

    header: Header
    footer: Footer
    programs: Mapping[str, tuple[Source, Source, Source, Source]] = field(default_factory=dict)
    """``framework@version/mode/device op way`` → the four texts of its program (:class:`conformance.frameworks.base.Program`)."""


@dataclass(frozen=True, eq=False)
class Record:
    """One run, or several merged.

    Attributes
    ----------
    parts
        One a run.
    observations
        One row for each (target, op, dtype, case), columns as in :data:`COLUMNS`, in their one order.
    claims
        One row for each (claim, target, dtype), columns as in :data:`CLAIM_COLUMNS`.
    """

    parts: tuple[Part, ...]
    observations: pd.DataFrame
    claims: pd.DataFrame

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """Every target of every part, each once."""
        return tuple(dict.fromkeys(target for part in self.parts for target in part.header.plan.targets))

    @cached_property
    def names(self) -> dict[Target, str]:
        """Target → how it is called here: with its version where the same one stands here at another."""
        plain = [str(target) for target in self.targets]
        return {t: t.versioned if plain.count(str(t)) > 1 else str(t) for t in self.targets}

    @property
    def run_id(self) -> str:
        """Those of all parts, joined by ``+``."""
        return "+".join(part.header.run_id for part in self.parts)

    @property
    def suite_version(self) -> str:
        """Equal in all parts."""
        return self.parts[0].header.suite_version

    @property
    def tier(self) -> Tier:
        """Equal in all parts."""
        return self.parts[0].header.plan.tier

    @property
    def seed(self) -> int:
        """Equal in all parts."""
        return self.parts[0].header.plan.seed

    @property
    def started(self) -> str:
        """When the first part was begun, ISO 8601."""
        return min(part.header.started for part in self.parts)

    @property
    def seconds(self) -> float:
        """Wall time of all parts together."""
        return sum(part.footer.seconds for part in self.parts)

    @property
    def complete(self) -> bool:
        """Whether every part is."""
        return all(part.footer.complete for part in self.parts)

    @cached_property
    def families(self) -> dict[str, str]:
        """Family → its reason, of all parts."""
        return {name: why for part in self.parts for name, why in part.header.plan.families.items()}

    @cached_property
    def ops(self) -> tuple[str, ...]:
        """The ops of all parts."""
        return tuple(dict.fromkeys(op for part in self.parts for op in part.header.plan.ops))

    @cached_property
    def dtypes(self) -> tuple[str, ...]:
        """The dtypes of all parts."""
        return tuple(dict.fromkeys(dtype for part in self.parts for dtype in part.header.plan.dtypes))

    @cached_property
    def absent(self) -> dict[str, str]:
        """Framework → why it was not asked, of those that no part asked."""
        asked = {target.framework for target in self.targets}
        return {k: v for part in self.parts for k, v in part.header.plan.absent.items() if k not in asked}
