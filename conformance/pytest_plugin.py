"""pytest as a door: options, one test for each target × op × dtype × family, expected failures from the ledger.

The items are made from ``conformance/test_conformance.py``, and asked through workers: a crash of a framework is a red item
and not the end of the session.  An item whose violations a ledger knows is an expected failure that names its entries; one
with any other violation fails; a last item fails for every entry whose finding was looked for and is gone.
"""

from __future__ import annotations

import argparse
import contextlib
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


_OPTIONS: dict[str, dict[str, Any]] = {
    "target": {"action": "append", "default": [], "metavar": "GLOB", "help": "framework/mode/device, or its start"},
    "op": {
        "action": "append",
        "default": [],
        "metavar": "OP",
        "help": "softmax, log_softmax, softmax_vjp, log_softmax_vjp",
    },
    "dtype": {"action": "append", "default": [], "metavar": "DTYPE", "help": "float64, float32, …"},
    "family": {"action": "append", "default": [], "metavar": "FAMILY", "help": "a family of adversarial rows"},
    "tier": {"default": "smoke", "metavar": "TIER", "help": "smoke (default), standard or exhaustive"},
    "unseen-platform": {
        "choices": ("fail", "report"),
        "default": "fail",
        "help": "what an unknown finding does on a platform no ledger has seen: fail (default), or a warning",
    },
    "ledger": {
        "action": "append",
        "default": [],
        "metavar": "FILE",
        "help": "known findings of your own, as TOML, for the items of the suite and for the fixture `conformance`",
    },
    "no-builtin-ledger": {"action": "store_true", "help": "leave out the project's own list of known findings"},
    "fail-on": {
        "choices": ("violation", "degraded"),
        "default": "violation",
        "help": "the mildest finding that fails a test where no ledger knows it: violation (default) or degraded",
    },
}
"""The options of the suite: every one has the prefix ``--softmax-``, since this plugin is loaded in everybody's pytest."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of the suite."""
    group = parser.getgroup("conformance", "softmax conformance")
    for name, settings in _OPTIONS.items():
        group.addoption(f"--softmax-{name}", **settings)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Iterator[None]:
    """Let ``pytest --pyargs conformance`` do without the prefix, but for names that somebody else's option has.

    That is seen once every plugin and conftest has declared its options.
    """
    yield
    own = any(arg.partition("::")[0].split(".")[0] == "conformance" for arg in args)
    if not (own and early_config.known_args_namespace.pyargs):
        return
    group = parser.getgroup("conformance")
    for name, settings in _OPTIONS.items():
        with contextlib.suppress(ValueError, argparse.ArgumentError):  # the name is taken
            group.addoption(f"--{name}", dest=f"softmax_{name.replace('-', '_')}", **settings)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse names that mean nothing, in one line; where none is given, nothing is imported."""
    option = config.option
    given = (
        option.softmax_target,
        option.softmax_op,
        option.softmax_dtype,
        option.softmax_family,
        option.softmax_ledger,
    )
    if not any(given) and option.softmax_tier == _OPTIONS["tier"]["default"]:
        return
    from conformance.asking import plan
    from conformance.cases import BrokenFamily
    from conformance.ledger import BadLedger
    from reference.formats import FORMATS

    try:
        plan.check_targets(option.softmax_target, plan.known_frameworks())
        plan.check_names("op", option.softmax_op, plan.ops())
        plan.check_names("dtype", option.softmax_dtype, FORMATS)
        plan.check_families(option.softmax_family)
        plan.check_names("tier", [option.softmax_tier], plan.TIERS)
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
            tier=Tier[option.softmax_tier.upper()],
            invitations=invitations(),
            targets=option.softmax_target,
            ops=tuple(option.softmax_op) or plan.ops(),
            dtypes=tuple(option.softmax_dtype) or plan.dtypes(),
            families=tuple(option.softmax_family),
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


def pytest_report_collectionfinish(config: pytest.Config) -> str | list[str]:
    """Where items of the suite were collected, name the tier and what it does not prove."""
    if _SUITE not in config.stash:
        return []
    from conformance.asking.plan import PROVES_NOT
    from conformance.values import Tier

    tier = config.option.softmax_tier
    return f"conformance: tier {tier}; not proved: {PROVES_NOT[Tier[tier.upper()]]}"
