"""A record as people read it: with the ledger of the day, computed when it is asked for and never stored."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from conformance.ledger import Known
from conformance.reporting import controls, faults, policies, tables
from conformance.values import GATES, Severity

if TYPE_CHECKING:
    import pandas as pd

    from conformance.ledger import Entry, Stale
    from conformance.record import Record
    from conformance.reporting.faults import Fault
    from conformance.reporting.policies import Policy


@dataclass(frozen=True, eq=False)
class Reading:
    """A record, and what the entries of a ledger say of it; each view is computed once.

    Attributes
    ----------
    record
        What one or several runs left.
    entries
        The ledger.
    fail_on
        The mildest severity of a finding that must be known; one of :data:`conformance.values.GATES`.
    """

    record: Record
    entries: tuple[Entry, ...] = ()
    fail_on: Severity = Severity.VIOLATION

    @property
    def failing(self) -> tuple[Severity, ...]:
        """The severities of findings that must be known."""
        return GATES[: GATES.index(self.fail_on) + 1]

    @property
    def failed(self) -> bool:
        """Whether there is something unexpected, or an entry that is stale."""
        return bool(len(self.unexpected) or self.stale or (self.inconsistent and Severity.DEGRADED in self.failing))

    @cached_property
    def known(self) -> Known:
        """Which entry knows which finding, and which entries are stale."""
        return Known(self.record, self.entries)

    @property
    def stale(self) -> tuple[Stale, ...]:
        """The entries whose finding was looked for and is gone."""
        return self.known.stale

    @cached_property
    def verdicts(self) -> dict[Any, tuple[tuple[str, bool], ...]]:
        """:func:`conformance.reporting.tables.known`."""
        return tables.known(self)

    @cached_property
    def findings(self) -> pd.DataFrame:
        """:func:`conformance.reporting.tables.findings`."""
        return tables.findings(self)

    @property
    def own(self) -> pd.DataFrame:
        """The findings of the frameworks' own functions, the controls left out."""
        return self.findings[~self.findings["control"]]

    @cached_property
    def control_failures(self) -> pd.DataFrame:
        """:func:`conformance.reporting.controls.control_failures`."""
        return controls.control_failures(self.record)

    @cached_property
    def unexpected(self) -> pd.DataFrame:
        """:func:`conformance.reporting.tables.unexpected`."""
        return tables.unexpected(self)

    @cached_property
    def _unexplained(self) -> frozenset[Any]:
        """Index labels of the observations with something unexpected."""
        return tables.unexplained_rows(self)

    def unknown(self, observations: pd.DataFrame) -> pd.DataFrame:
        """Those of some observations of the record that show something unexpected: they have to be looked at."""
        return observations[observations.index.isin(list(self._unexplained))]

    @cached_property
    def policies(self) -> tuple[Policy, ...]:
        """:func:`conformance.reporting.policies.policies`."""
        return policies.policies(self.record)

    @cached_property
    def inconsistent(self) -> tuple[Policy, ...]:
        """The policies whose question a framework answers in several ways, where no entry knows of it."""
        return tuple(policy for policy in policies.policies(self.record, self.entries) if policy.inconsistent)

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """:func:`conformance.reporting.faults.faults`."""
        return tuple(faults.faults(self))

    @cached_property
    def targets(self) -> pd.DataFrame:
        """:func:`conformance.reporting.tables.targets`."""
        return tables.targets(self)

    @cached_property
    def unanswered(self) -> pd.DataFrame:
        """:func:`conformance.reporting.tables.unanswered`."""
        return tables.unanswered(self.record)

    @property
    def rows(self) -> int:
        """How many observations there are."""
        return len(self.record.observations)

    @property
    def answers(self) -> int:
        """How many of them are answers of the frameworks' own functions."""
        rows = self.record.observations
        return int(((rows["outcome"] == "answered") & ~rows["control"].astype(bool)).sum())

    @property
    def seconds(self) -> float:
        """Wall time of all runs together."""
        return sum(part.footer.seconds for part in self.record.parts)

    @property
    def tiers(self) -> str:
        """The tier, or those of all parts."""
        return ", ".join(dict.fromkeys(part.header.plan.tier.name.lower() for part in self.record.parts))

    @property
    def proves_not(self) -> str:
        """What the tier does not prove, or those of all parts do not."""
        return "; ".join(dict.fromkeys(part.header.proves_not for part in self.record.parts))
