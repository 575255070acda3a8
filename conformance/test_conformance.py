"""One test for each target × op × dtype × family: nothing that no ledger knows; and one for all of them together."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest

from conformance.pytest_plugin import KnownDivergence, NewPlatform, StaleEntry, UnknownDivergence
from conformance.reporting.terminal import explain, inconsistencies
from conformance.values import Severity

if TYPE_CHECKING:
    from conformance.suite import Item, Suite


def test_conformance(conformance_item: Item, conformance_suite: Suite, pytestconfig: pytest.Config) -> None:
    """Ask, judge, and compare with the ledger."""
    __tracebackhide__ = True
    reading = conformance_suite.reading(conformance_item)
    rows = reading.record.observations
    mine = rows[rows["family"] == conformance_item.family]
    if (mine["outcome"] == "unsupported").all():
        pytest.skip(mine["reason"].iloc[0])
    given_up = mine[mine["outcome"] == "not_asked"]
    if len(given_up):
        raise UnknownDivergence(f"{len(given_up)} of its questions were not asked: {given_up['reason'].iloc[0]}")
    unknown = reading.unknown(mine)
    if len(unknown):
        text = explain(reading, unknown)
        if not conformance_suite.platform_is_known and pytestconfig.option.softmax_unseen_platform == "report":
            warnings.warn(f"new on {conformance_suite.platform}: {text}", NewPlatform, stacklevel=1)
        else:
            raise UnknownDivergence(text)
    failing = mine["severity"].isin(list(reading.failing))
    known = mine[failing & ~mine["control"]].drop(unknown.index, errors="ignore")
    if len(known):
        raise KnownDivergence(explain(reading, known))


def test_nothing_is_stale_or_inconsistent(conformance_suite: Suite) -> None:
    """What the items before have asked shows every finding that the ledgers say is there.

    Where degraded findings fail, no framework answers one policy question in several ways either.
    """
    whole = conformance_suite.whole()
    if whole.stale:
        raise StaleEntry(
            f"the ledger says this diverges and it does not; delete or narrow: {'; '.join(map(str, whole.stale))}"
        )
    if whole.inconsistent and Severity.DEGRADED in whole.failing:
        raise UnknownDivergence("\n".join(inconsistencies(whole)))
