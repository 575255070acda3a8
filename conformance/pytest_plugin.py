"""pytest as a door: options, one test for each target × op × dtype × family, strict expectations.

The items are made from ``conformance/test_conformance.py``.  What the ledger knows is a strict xfail
that names its entries: the test runs, must fail, and must fail in no other way than the known one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conformance.checking import Result
    from conformance.suite import Suite


class UnknownDivergence(AssertionError):
    """A violation that no ledger entry knows."""


class KnownDivergence(AssertionError):
    """Every violation found is one that the ledger knows."""


class StaleEntry(AssertionError):
    """A ledger entry whose finding was looked for and is gone."""


class NewPlatform(UserWarning):
    """A violation on a platform that the ledger has never seen."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of the suite."""
    group = parser.getgroup("conformance", "softmax conformance")
    group.addoption("--target", action="append", default=[], metavar="GLOB", help="framework/mode/device, or its start")
    group.addoption("--op", action="append", default=[], metavar="OP", help="softmax or log_softmax")
    group.addoption("--dtype", action="append", default=[], metavar="DTYPE", help="float64, float32, …")
    group.addoption("--family", action="append", default=[], metavar="FAMILY", help="a family of adversarial rows")
    group.addoption("--tier", default="smoke", metavar="TIER", help="smoke (default), standard or exhaustive")
    group.addoption(
        "--unseen-platform",
        choices=("fail", "report"),
        default="fail",
        help="what an unknown violation does on a platform the ledger has never seen: fail (default), or a warning",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse names that mean nothing, in one line."""
    from conformance import selection
    from conformance.cases import BrokenFamily
    from conformance.engine import OPS
    from conformance.frameworks import BrokenPlugin
    from reference.formats import FORMATS

    option = config.option
    try:
        selection.check_targets(option.target)
        selection.check_names("op", option.op, OPS)
        selection.check_names("dtype", option.dtype, FORMATS)
        selection.check_families(option.family)
        selection.check_names("tier", [option.tier], selection.TIERS)
    except (selection.UnknownName, BrokenFamily, BrokenPlugin) as error:
        raise pytest.UsageError(str(error)) from None


_SUITE = pytest.StashKey["Suite"]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One parameter set for each target × op × dtype × family."""
    if "conformance_item" not in metafunc.fixturenames:
        return
    from conformance.selection import MissingTarget
    from conformance.suite import Suite

    option = metafunc.config.option
    try:
        suite = Suite(option.target, option.op, option.dtype, option.family, option.tier)
    except MissingTarget as error:
        raise pytest.Collector.CollectError(str(error)) from None
    metafunc.config.stash[_SUITE] = suite
    metafunc.parametrize("conformance_item", list(_params(suite)))


def _params(suite: Suite) -> Iterator[Any]:
    for item in suite.items():
        marks: list[Any] = []
        known = suite.expected(item)
        if item.absent:
            marks.append(pytest.mark.skip(reason=item.absent))
        elif known:
            reason = "ledger: " + ", ".join(entry.id for entry in known)
            strict = any(suite.binds(entry) for entry in known)
            marks.append(pytest.mark.xfail(raises=KnownDivergence, reason=reason, strict=strict))
        yield pytest.param(item, id=str(item), marks=marks)


@pytest.fixture
def conformance_suite(request: pytest.FixtureRequest) -> Suite:
    """The selection that this session runs."""
    return request.config.stash[_SUITE]


@pytest.fixture
def conformance() -> Callable[..., Result]:
    """``conformance(fn, op=…, framework=…, dtypes=[…])`` checks a kernel and fails the test if it is rejected.

    It takes what :func:`conformance.checking.check` takes, and returns its result.
    """
    from conformance.checking import check

    def checked(function: Any, **options: Any) -> Result:
        result = check(function, **options)
        result.raise_for_violations()
        return result

    return checked


def pytest_report_header(config: pytest.Config) -> str:
    """Name the tier and what it does not prove."""
    from conformance.selection import PROVES_NOT
    from conformance.values import Tier

    tier = config.option.tier
    return f"conformance: tier {tier}; not proved: {PROVES_NOT[Tier[tier.upper()]]}"
