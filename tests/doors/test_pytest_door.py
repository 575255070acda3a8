"""The pytest door: ids a person can read, strict expectations, and red where it must be red."""

from __future__ import annotations

import datetime as dt
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from commands import ledger, one_line

from conformance.asking.connections import Limits
from conformance.asking.plan import MissingTarget
from conformance.asking.pool import Invitation
from conformance.ledger import Entry
from conformance.run import Options
from conformance.suite import Suite
from conformance.values import Severity, Tier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from commands import Bench

ALL_EQUAL = ("--tier", "standard", "--op", "softmax", "--dtype", "float32", "--family", "all_equal")
ITEM = "test_conformance[drill/eager/cpu-softmax-float32-all_equal]"
WHOLE = "test_nothing_is_stale_or_inconsistent"


def call(bench: Bench, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    process = bench.start(
        "-p", "no:cacheprovider", "--pyargs", "conformance", *arguments, program=("-m", "pytest"), **variables
    )
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def with_ledger(bench: Bench, *entries: dict[str, Any]) -> tuple[str, ...]:
    """Options of pytest that put these entries in the place of the project's ledger."""
    ledger(bench.folder / "known.toml", *entries)
    return ("--softmax-ledger", "known.toml", "--softmax-no-builtin-ledger")


def entry(kind: str, target: str = "drill", **more: Any) -> dict[str, Any]:
    """Fields of an entry that speaks of just what these tests ask."""
    region = {"target": (target,), "op": ("softmax",), "dtype": ("float32",), "family": ("all_equal",)}
    return {"id": kind, "kind": kind, **region, **more}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "troch/eager"], "unknown target 'troch/eager'; did you mean 'torch'? known: coarse, drill"),
        (["--target", "tf"], "unknown target 'tf'; did you mean 'tensorflow'? known: coarse, drill"),
        (["--dtype", "fp16"], "unknown dtype 'fp16'; did you mean 'float16'? known: float64"),
        (["--dtype", "float8"], "unknown dtype 'float8'; did you mean 'float64'? known: float64"),
        (["--family", "nasty"], "unknown family 'nasty'; known: accumulators"),
        (["--tier", "deep"], "unknown tier 'deep'; known: smoke, standard, exhaustive"),
        (["--op", "softmin"], "unknown op 'softmin'; did you mean 'softmax'? known: softmax, log_softmax"),
    ],
)
def test_a_name_that_means_nothing_is_one_line(arguments: list[str], message: str, bench: Bench) -> None:
    done = call(bench, *arguments)

    assert pytest.ExitCode.USAGE_ERROR == done.returncode
    assert message in done.stderr
    assert 1 == len(done.stderr.strip().splitlines())


def test_ids_name_target_op_dtype_and_family(bench: Bench) -> None:
    done = call(
        bench,
        "--target",
        "honest",
        "--dtype",
        "float32",
        "--family",
        "underflow",
        "--family",
        "single",
        "--collect-only",
        "-q",
    )

    listed = [line.rpartition("::")[2] for line in done.stdout.splitlines() if "::" in line]
    assert [
        f"test_conformance[honest/eager/cpu-{op}-float32-{family}]"
        for op in ("softmax", "log_softmax")
        for family in ("underflow", "single")
    ] + [WHOLE] == listed
    assert "5 tests collected" in done.stdout


def test_the_tier_says_what_it_does_not_prove(bench: Bench) -> None:
    done = call(bench, "--target", "honest", "--family", "single", "--collect-only")

    assert "conformance: tier smoke; not proved: a few rows of each family" in done.stdout


def test_an_honest_framework_is_green_and_what_it_lacks_is_skipped(bench: Bench) -> None:
    done = call(bench, "--target", "honest", "--dtype", "float32", "--family", "single", "-rs", *with_ledger(bench))

    assert 0 == done.returncode, done.stdout
    assert "2 passed, 1 skipped" in done.stdout
    assert "no log_softmax" in done.stdout


def test_a_framework_that_was_named_and_is_absent_is_red(bench: Bench) -> None:
    done = call(
        bench,
        "--target",
        "drill",
        "--target",
        "honest",
        *ALL_EQUAL,
        "-rs",
        *with_ledger(bench),
        DRILL="raises at import",
    )

    assert done.returncode not in (0, pytest.ExitCode.NO_TESTS_COLLECTED)
    assert "'drill' is not here (drill: ImportError: its library is broken)" in done.stdout


@pytest.mark.parametrize(
    ("way", "kind", "said"),
    [
        ("reads address 0", "crashed", "SIGSEGV"),
        ("exits with 0", "crashed", "exit status 0"),
        ("raises hostile text", "raised", r"a\ud800\x00\x1b[31m<script>"),
        ("returns NaN", "nonfinite", "returned nan"),
    ],
)
def test_what_a_framework_does_is_a_red_item_and_ends_nothing(way: str, kind: str, said: str, bench: Bench) -> None:
    """A crash too is one red item: the others are asked, and the session comes to its end."""
    done = call(
        bench,
        "--target",
        "drill",
        "--target",
        "honest",
        *ALL_EQUAL,
        "--family",
        "single",
        "-rA",
        *with_ledger(bench),
        DRILL=way,
    )

    assert pytest.ExitCode.TESTS_FAILED == done.returncode
    assert "1 failed, 4 passed" in done.stdout
    assert f"FAILED main/conformance/test_conformance.py::{ITEM}".rpartition("/")[2] in done.stdout
    assert f"float32 all_equal/all=+1000,n=17: {kind} (violation): " in done.stdout
    assert said in done.stdout
    assert "\x1b" not in done.stdout
    assert "1 of its cases diverge; worst first" in done.stdout


def test_a_known_violation_is_an_expected_failure_that_names_its_entry(bench: Bench) -> None:
    known = with_ledger(bench, entry("nonfinite"), entry("raised"))

    done = call(bench, "--target", "drill", *ALL_EQUAL, "-rx", *known, DRILL="returns NaN")

    assert "ledger: nonfinite, raised" in done.stdout
    assert "UnknownDivergence" not in done.stdout
    assert "the ledger says this diverges and it does not; delete or narrow: raised: no raised in " in done.stdout
    assert "1 failed, 1 xfailed" in done.stdout  # the stale one is red


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (
            {"kind": "nonfinite", "target": ["drlil"]},
            "known.toml: entry nonfinite: target: no framework is called 'drlil'",
        ),
        (
            {"kind": "nonfinit", "target": ["drill"]},
            "known.toml: entry nonfinit: kind: unknown kind 'nonfinit'; known: ",
        ),
    ],
)
def test_a_bad_ledger_is_one_line(known: dict[str, Any], said: str, bench: Bench) -> None:
    done = call(bench, "--target", "drill", *with_ledger(bench, known))

    assert pytest.ExitCode.USAGE_ERROR == done.returncode
    assert said in done.stderr
    assert 1 == len(done.stderr.strip().splitlines())


# Everybody's pytest.

STRANGER = """
def pytest_addoption(parser):
    for name in ("--target", "--op", "--dtype", "--family", "--tier", "--ledger", "--fail-on"):
        parser.addoption(name, default="nothing")
"""

THEIRS = """
import sys

def test_theirs(request):
    assert "mine" == request.config.getoption("--target")
    assert [] == request.config.getoption("--softmax-target")
    assert not [name for name in sys.modules if name.split(".")[0] in ("numpy", "pandas", "reference")]
"""


def strangers(bench: Bench, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest in a project with a conftest of its own."""
    process = bench.start("-p", "no:cacheprovider", *arguments, program=("-m", "pytest"))
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def test_a_strangers_options_and_session_are_left_alone(bench: Bench) -> None:
    """Their --target is theirs, and nothing of the suite is imported or printed."""
    (bench.folder / "conftest.py").write_text(STRANGER)
    (bench.folder / "test_theirs.py").write_text(THEIRS)

    # A plugin that is not this one may import anything.
    done = strangers(bench, "--target", "mine", "test_theirs.py", "-p", "no:hypothesispytest")

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert "conformance: tier" not in done.stdout
    assert "unrecognized arguments: --unseen-platform" in strangers(bench, "--unseen-platform", "report").stderr


def test_the_suite_runs_in_a_strangers_project_by_its_own_names(bench: Bench) -> None:
    """A short name that is theirs stays theirs, and the others are the suite's."""
    (bench.folder / "conftest.py").write_text(STRANGER.replace('"--family", ', ""))

    done = call(bench, "--softmax-target", "honest", "--target", "mine", "--family", "single", "--co", "-q")

    assert 0 == done.returncode, done.stdout + done.stderr
    listed = [line.rpartition("::")[2] for line in done.stdout.splitlines() if "::" in line]
    assert "test_conformance[honest/eager/cpu-softmax-float32-single]" in listed
    assert all(name == WHOLE or (name.endswith("-single]") and "honest" in name) for name in listed)


def test_short_and_long_names_mean_the_same(bench: Bench) -> None:
    options = ("target", "honest", "op", "softmax", "dtype", "float32", "family", "single", "tier", "standard")
    listed = []
    for prefix in ("--", "--softmax-"):
        named = [f"{prefix}{word}" if i % 2 == 0 else word for i, word in enumerate(options)]
        done = call(bench, *named, "--co", "-q")
        assert 0 == done.returncode, done.stdout + done.stderr
        listed.append([line for line in done.stdout.splitlines() if "::" in line or "tier standard" in line])

    assert 3 == len(listed[0])
    assert listed[0] == listed[1]


def test_a_missing_device_is_red(bench: Bench) -> None:
    done = call(bench, "--target", "honest/eager/cuda:15")

    assert done.returncode not in (0, pytest.ExitCode.NO_TESTS_COLLECTED)
    assert "'honest/eager/cuda:15' is not here (honest 1 has honest/eager/cpu)" in done.stdout


# The door from the inside: a real suite, with the entries of each test.


@pytest.fixture
def suite(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Suite]]:
    """Makes the suite of the adapter ``drill`` misbehaving in one way, with some entries for a ledger."""
    made: list[Suite] = []
    monkeypatch.setenv("PYTHONPATH", bench.environment["PYTHONPATH"])

    def make(way: str, *entries: dict[str, Any], fail_on: Severity = Severity.VIOLATION) -> Suite:
        monkeypatch.setenv("DRILL", way)
        options = Options(
            tier=Tier.STANDARD,
            invitations=[Invitation("drill")],
            ops=("softmax",),
            dtypes=("float32",),
            families=("all_equal", "single"),
            limits=Limits(seconds=20, start=20),
            claims=False,
        )
        more = {"reason": "by-design", "note": "so", "seen": dt.date(2026, 11, 26)}
        known = tuple(Entry(**{"platform": ("any",), "versions": ">=0", **more, **one}) for one in entries)
        made.append(Suite(options, known, fail_on))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(autouse=True)
def _as_by_default(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tests around these were started with is not what these are about."""
    monkeypatch.setattr(pytestconfig.option, "softmax_unseen_platform", "fail")


def door(suite: Suite, pytestconfig: pytest.Config) -> str:
    """Both tests of the door, and the name of what they raise."""
    from conformance.test_conformance import (  # noqa: PLC0415 - pytest must not collect them here
        test_conformance,
        test_nothing_is_stale_or_inconsistent,
    )

    raised = []
    for item in suite.items():
        try:
            test_conformance(item, suite, pytestconfig)
        except AssertionError as error:
            raised.append(f"{item.family} {type(error).__name__}")
    try:
        test_nothing_is_stale_or_inconsistent(suite)
    except AssertionError as error:
        raised.append(type(error).__name__)
    return ", ".join(raised)


@pytest.mark.parametrize(
    ("way", "entries", "raised"),
    [
        ("", [], ""),
        ("returns NaN", [entry("nonfinite")], "all_equal KnownDivergence"),
        ("returns NaN", [], "all_equal UnknownDivergence"),
        ("returns NaN", [entry("nonfinite", target="other")], "all_equal UnknownDivergence"),
        ("returns NaN", [entry("nonfinite", family=("single",))], "all_equal UnknownDivergence, StaleEntry"),
        ("returns NaN", [entry("nonfinite", versions=">=2")], "all_equal UnknownDivergence"),
        ("returns NaN", [entry("accuracy")], "all_equal UnknownDivergence, StaleEntry"),
        ("writes to its input", [entry("input_written")], "all_equal KnownDivergence"),
        ("", [entry("nonfinite")], "StaleEntry"),
        ("", [entry("nonfinite", op=())], ""),
        ("", [entry("loose")], ""),
        ("", [entry("nonfinite", tier=Tier.EXHAUSTIVE)], ""),
        ("", [entry("nonfinite", platform=("elsewhere/avx9",))], ""),
        ("", [entry("nonfinite", flaky=True)], ""),
    ],
)
def test_each_way_to_disagree_with_the_ledger_is_its_own_failure(
    way: str, entries: list[dict[str, Any]], raised: str, suite: Callable[..., Suite], pytestconfig: pytest.Config
) -> None:
    assert raised == door(suite(way, *entries), pytestconfig)


def test_an_item_of_which_one_finding_is_unknown_is_red(
    suite: Callable[..., Suite], pytestconfig: pytest.Config
) -> None:
    made = suite("returns another shape", entry("shape", case=("all=+1000,n=7",)))

    assert "all_equal UnknownDivergence" in door(made, pytestconfig)


def test_the_items_that_an_entry_may_know_are_those_it_speaks_of(suite: Callable[..., Suite]) -> None:
    made = suite("", entry("nonfinite"), entry("loose"), entry("accuracy", dtype=("float16",)))

    assert {"all_equal": ["nonfinite"], "single": []} == {
        item.family: [known.id for known in made.expected(item)] for item in made.items()
    }


def test_one_that_was_not_named_and_is_absent_is_skipped_with_its_reason(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from conformance.pytest_plugin import _params  # noqa: PLC0415 - see above

    monkeypatch.setenv("PYTHONPATH", bench.environment["PYTHONPATH"])
    monkeypatch.setenv("DRILL", "raises at import")
    both = [Invitation("drill"), Invitation("honest")]
    made = Suite(
        Options(tier=Tier.SMOKE, invitations=both, ops=("softmax",), dtypes=("float32",), families=("single",))
    )

    params = {param.id: [(mark.name, mark.kwargs) for mark in param.marks] for param in _params(made)}
    made.close()

    assert {
        "drill-absent": [("skip", {"reason": "drill: ImportError: its library is broken"})],
        "honest/eager/cpu-softmax-float32-single": [],
    } == params


def restless(x: Any, axis: int) -> Any:
    """A softmax whose last bits change from call to call, which is degraded."""
    restless.calls += 1  # type: ignore[attr-defined]
    e = np.exp(x - x.max(axis=axis, keepdims=True, initial=-np.inf))
    return np.nextafter(e / e.sum(axis=axis, keepdims=True), np.float32(restless.calls % 2))  # type: ignore[attr-defined]


restless.calls = 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("fail_on", "entries", "raised"),
    [
        (Severity.VIOLATION, [], ""),
        (Severity.DEGRADED, [], "all_equal UnknownDivergence"),
        (Severity.DEGRADED, [entry("unrepeatable", target="restless/numpy")], "all_equal KnownDivergence"),
        (Severity.VIOLATION, [entry("unrepeatable", target="restless/numpy")], ""),
    ],
)
def test_what_is_degraded_fails_where_that_is_asked_for(
    fail_on: Severity, entries: list[dict[str, Any]], raised: str, pytestconfig: pytest.Config
) -> None:
    options = Options(
        tier=Tier.SMOKE,
        invitations=[Invitation("numpy", kernel=restless)],
        ops=("softmax",),
        dtypes=("float32",),
        families=("all_equal",),
        controls=False,
        claims=False,
    )
    more = {"reason": "by-design", "note": "so", "seen": dt.date(2026, 11, 26), "platform": ("any",), "versions": ">=0"}
    made = Suite(options, tuple(Entry(**more, **one) for one in entries), fail_on)

    assert raised == door(made, pytestconfig)
    made.close()


def test_a_task_is_asked_once_for_all_of_its_families(suite: Callable[..., Suite]) -> None:
    made = suite("returns NaN")
    first, second = made.items()

    assert made.reading(first) is made.reading(second)
    assert {"all_equal", "single"} == set(made.whole().record.observations["family"])


def test_a_pattern_that_means_nobody_here_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", bench.environment["PYTHONPATH"])
    options = Options(tier=Tier.SMOKE, invitations=[Invitation("honest")], targets=("honest/jit",), claims=False)

    with pytest.raises(MissingTarget, match=r"'honest/jit' is not here \(honest 1 has honest/eager/cpu\)"):
        Suite(options)


def test_on_a_platform_never_seen_a_project_may_ask_for_a_warning(
    suite: Callable[..., Suite], pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    from conformance.pytest_plugin import NewPlatform  # noqa: PLC0415 - see above

    here = suite("returns NaN", entry("accuracy", target="other"))
    elsewhere = suite("returns NaN", entry("accuracy", target="other", platform=("elsewhere/avx9",)))
    here.entries = tuple(replace(one, platform=(here.platform,)) for one in here.entries)
    monkeypatch.setattr(pytestconfig.option, "softmax_unseen_platform", "report")

    assert "all_equal UnknownDivergence" == door(here, pytestconfig)
    with pytest.warns(NewPlatform, match=f"new on {elsewhere.platform}"):
        assert "" == door(elsewhere, pytestconfig)


def test_a_command_line_of_conformance_and_its_plugin_refuse_in_the_same_words(bench: Bench) -> None:
    asked = bench.run("run", "--family", "nasty")
    tested = call(bench, "--family", "nasty")

    assert one_line(asked.stderr).removeprefix("conformance: ") == tested.stderr.strip().removeprefix("ERROR: ")
