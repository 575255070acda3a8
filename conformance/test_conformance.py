"""One test for each target × op × dtype × family: no violation that the ledger does not know; and no stale entry."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest

from conformance.pytest_plugin import KnownDivergence, NewPlatform, StaleEntry, UnknownDivergence
from conformance.reporting.terminal import explain

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
        if not conformance_suite.platform_is_known and pytestconfig.option.unseen_platform == "report":
            warnings.warn(f"new on {conformance_suite.platform}: {text}", NewPlatform, stacklevel=1)
        else:
            raise UnknownDivergence(text)
    known = mine[(mine["severity"] == "violation") & ~mine["control"]].drop(unknown.index, errors="ignore")
    if len(known):
        raise KnownDivergence(explain(reading, known))


def test_no_entry_of_the_ledger_is_stale(conformance_suite: Suite) -> None:
    """What the items before have asked shows every finding that the ledger says is there."""
    stale = conformance_suite.whole().stale
    if stale:
        raise StaleEntry(
            f"the ledger says this diverges and it does not; delete or narrow: {'; '.join(map(str, stale))}"
        )
