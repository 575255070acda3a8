"""One test for each target × op × dtype × family: no violation that the ledger does not know."""

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
    observations = conformance_suite.observations(conformance_item)
    unsupported = observations[observations["outcome"] == "unsupported"]
    if len(unsupported) == len(observations):
        pytest.skip(unsupported["policy"].iloc[0])
    found = observations[observations["severity"] == "violation"]
    shown = {name for names in found["ledger"] for name in names.split(";") if name}
    stale = [
        entry.id
        for entry in conformance_suite.expected(conformance_item)
        if conformance_suite.binds(entry) and entry.id not in shown and entry.case == "*"
    ]
    if stale:
        raise StaleEntry(f"the ledger says this diverges and it does not; delete or narrow: {', '.join(stale)}")
    unknown = conformance_suite.unknown(found)
    if len(unknown):
        text = explain(unknown)
        if not conformance_suite.platform_is_known and pytestconfig.option.unseen_platform == "report":
            warnings.warn(f"new on {conformance_suite.platform}: {text}", NewPlatform, stacklevel=1)
        else:
            raise UnknownDivergence(text)
    known = found.drop(unknown.index)
    if len(known):
        raise KnownDivergence(explain(known))
