"""pytest as a door: options, one test for each target × op × dtype × family, expected failures from the ledger.

The items are made from ``conformance/test_conformance.py``, and asked through workers: a crash of a framework is a red item
and not the end of the session.  An item whose violations a ledger knows is an expected failure that names its entries; one
with any other violation fails; a last item fails for every entry whose finding was looked for and is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conformance.api import Result
    from conformance.ledger import Entry
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
    group.addoption(
        "--softmax-ledger",
        action="append",
        default=[],
        metavar="FILE",
        help="known findings of your own, as TOML, for the items of the suite and for the fixture `conformance`",
    )
    group.addoption(
        "--softmax-no-builtin-ledger", action="store_true", help="leave out the project's own list of known findings"
    )
    group.addoption(
        "--softmax-fail-on",
        choices=("violation", "degraded"),
        default="violation",
        help="the mildest finding that fails a test where no ledger knows it: violation (default) or degraded",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse names that mean nothing, in one line."""
    from conformance.asking import plan
    from conformance.cases import BrokenFamily
    from conformance.ledger import BadLedger
    from reference.formats import FORMATS

    option = config.option
    try:
        plan.check_targets(option.target, plan.known_frameworks())
        plan.check_names("op", option.op, plan.ops())
        plan.check_names("dtype", option.dtype, FORMATS)
        plan.check_families(option.family)
        plan.check_names("tier", [option.tier], plan.TIERS)
        if option.softmax_ledger:
            _entries(config)
    except (plan.UnknownName, BrokenFamily, BadLedger) as error:
        raise pytest.UsageError(str(error)) from None


def _entries(config: pytest.Config) -> tuple[Entry, ...]:
    """The known findings of this session."""
    from conformance.ledger import load

    return load(config.option.softmax_ledger, builtin=not config.option.softmax_no_builtin_ledger)


_SUITE = pytest.StashKey["Suite"]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One parameter set for each target × op × dtype × family."""
    if "conformance_item" not in metafunc.fixturenames:
        return
    from conformance.asking.plan import MissingTarget

    try:
        suite = _suite(metafunc.config)
    except MissingTarget as error:
        raise pytest.Collector.CollectError(str(error)) from None
    metafunc.parametrize("conformance_item", list(_params(suite)))


def _suite(config: pytest.Config) -> Suite:
    """The selection of this session; its workers are started at the first call."""
    if _SUITE not in config.stash:
        from conformance.asking import plan
        from conformance.asking.interpreters import invitations
        from conformance.run import Options
        from conformance.suite import Suite
        from conformance.values import Severity, Tier

        option = config.option
        options = Options(
            tier=Tier[option.tier.upper()],
            invitations=invitations(),
            targets=option.target,
            ops=tuple(option.op) or plan.ops(),
            dtypes=tuple(option.dtype) or plan.dtypes(),
            families=tuple(option.family),
            claims=False,
        )
        config.stash[_SUITE] = Suite(options, _entries(config), Severity(option.softmax_fail_on))
    return config.stash[_SUITE]


def _params(suite: Suite) -> Iterator[Any]:
    for item in suite.items():
        marks: list[Any] = []
        known = suite.expected(item)
        if item.absent:
            marks.append(pytest.mark.skip(reason=item.absent))
        elif known:
            reason = "ledger: " + ", ".join(entry.id for entry in known)
            marks.append(pytest.mark.xfail(raises=KnownDivergence, reason=reason, strict=False))
        yield pytest.param(item, id=str(item), marks=marks)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the workers."""
    if _SUITE in config.stash:
        config.stash[_SUITE].close()


@pytest.fixture
def conformance_suite(request: pytest.FixtureRequest) -> Suite:
    """The selection that this session runs."""
    return _suite(request.config)


@pytest.fixture
def conformance(pytestconfig: pytest.Config) -> Callable[..., Result]:
    """``conformance(fn, op=…, framework=…, dtypes=[…])`` checks a kernel and fails the test if it is rejected.

    It takes what :func:`conformance.check` takes, and returns its result; what is known, and what fails, is by default
    what the command line of pytest says.
    """
    from conformance.api import check

    option = pytestconfig.option
    session = {
        "ledger": option.softmax_ledger,
        "builtin_ledger": not option.softmax_no_builtin_ledger,
        "fail_on": option.softmax_fail_on,
    }

    def checked(function: Any, **options: Any) -> Result:
        result = check(function, **(session | options))
        result.raise_for_violations()
        return result

    return checked


def pytest_report_header(config: pytest.Config) -> str:
    """Name the tier and what it does not prove."""
    from conformance.asking.plan import PROVES_NOT
    from conformance.values import Tier

    tier = config.option.tier
    return f"conformance: tier {tier}; not proved: {PROVES_NOT[Tier[tier.upper()]]}"
