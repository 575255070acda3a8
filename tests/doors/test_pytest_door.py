"""The pytest door: ids a person can read, strict expectations, and red where it must be red."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from conformance import frameworks, suite
from conformance.ledger import Entry
from conformance.record import frame

if TYPE_CHECKING:
    import pandas as pd


def _any_framework() -> str:
    for name in frameworks.names():
        try:
            frameworks.load(name)
        except ImportError:
            continue
        return name
    pytest.skip("no framework is installed")


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--pyargs", "conformance", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "troch/eager"], "unknown target 'troch/eager'; known: jax/eager/cpu"),
        (["--dtype", "float8"], "unknown dtype 'float8'; known: float64"),
        (["--family", "nasty"], "unknown family 'nasty'; known: accumulators"),
        (["--tier", "deep"], "unknown tier 'deep'; known: smoke, standard"),
    ],
)
def test_a_name_that_means_nothing_is_one_line(arguments: list[str], message: str) -> None:
    done = call(*arguments)

    assert pytest.ExitCode.USAGE_ERROR == done.returncode
    assert message in done.stderr
    assert 1 == len(done.stderr.strip().splitlines())


def test_ids_name_target_op_dtype_and_family() -> None:
    name = _any_framework()

    done = call("--target", f"{name}/eager/cpu", "--dtype", "float32", "--family", "underflow", "--collect-only", "-q")

    assert f"test_conformance[{name}/eager/cpu-softmax-float32-underflow]" in done.stdout
    assert f"test_conformance[{name}/eager/cpu-log_softmax-float32-underflow]" in done.stdout
    assert "2 tests collected" in done.stdout


def test_the_naive_definition_is_a_strict_expected_failure_that_names_its_entry() -> None:
    name = _any_framework()
    chosen = ("--target", f"{name}/definition/cpu", "--op", "softmax", "--dtype", "float32", "--family", "magnitude")

    done = call(*chosen, "-rx")

    assert 0 == done.returncode, done.stdout
    assert "1 xfailed" in done.stdout
    assert "ledger: definition-magnitude-nonfinite" in done.stdout


def test_a_missing_device_is_red() -> None:
    name = _any_framework()

    done = call("--target", f"{name}/eager/cuda:15")

    assert done.returncode not in (0, pytest.ExitCode.NO_TESTS_COLLECTED)
    assert "is not here" in done.stdout


class _Door:
    """A suite whose one answer is whatever the test says; ledger and judgement are the real ones."""

    platform, platform_is_known = "x86_64/avx512", True

    def __init__(self, row: dict[str, str], entries: list[Entry]) -> None:
        self.row, self.entries = row, entries

    def observations(self, item: object) -> pd.DataFrame:
        del item
        plain = {"witness": '[{"kind": "accuracy", "severity": "violation", "detail": "off"}]', "outcome": "answered"}
        numbers = {"seconds": 0.0, "max_ulp": 0.0, "error_over_bound": 2.0, "row_sum_error": 0.0, "logit_gap": 0.0}
        counts = {"axis": 0, "max_ulp_at": 0, "nonfinite_expected": 0, "nonfinite_got": 0}
        texts = dict.fromkeys(("target", "op", "dtype", "family", "case", "tier", "policy", "ledger", "findings"), "-")
        return frame([texts | numbers | counts | plain | self.row]).fillna("-")

    def expected(self, item: object) -> list[Entry]:
        del item
        return self.entries

    def binds(self, entry: Entry) -> bool:
        return entry.binds_on(self.platform, "smoke")

    unknown = suite.Suite.unknown


ENTRY = Entry(id="one", target="*", kind="accuracy", reason="by-design", platform="any", note="so", seen="2026-11-23")
KNOWN = {"severity": "violation", "findings": "accuracy", "ledger": "one"}
UNKNOWN = {"severity": "violation", "findings": "accuracy", "ledger": ""}
HALF = {"severity": "violation", "findings": "accuracy;range", "ledger": "one;"}
CLEAN = {"severity": "none", "findings": "", "ledger": ""}


@pytest.mark.parametrize(
    ("row", "entries", "raises"),
    [
        (CLEAN, [], None),
        (KNOWN, [ENTRY], "KnownDivergence"),
        (UNKNOWN, [], "UnknownDivergence"),
        (HALF, [ENTRY], "UnknownDivergence"),
        (CLEAN, [ENTRY], "StaleEntry"),
    ],
)
def test_each_way_to_disagree_with_the_ledger_is_its_own_failure(
    row: dict[str, str], entries: list[Entry], raises: str | None, pytestconfig: pytest.Config
) -> None:
    from conformance.test_conformance import test_conformance as door  # noqa: PLC0415 - pytest must not collect it here

    if raises is None:
        door(None, _Door(row, entries), pytestconfig)
        return
    with pytest.raises(AssertionError) as caught:
        door(None, _Door(row, entries), pytestconfig)

    assert raises == type(caught.value).__name__


def test_on_a_platform_never_seen_a_project_may_ask_for_a_warning(pytestconfig: pytest.Config) -> None:
    from conformance.pytest_plugin import NewPlatform  # noqa: PLC0415 - see above
    from conformance.test_conformance import test_conformance as door  # noqa: PLC0415 - see above

    elsewhere = _Door(UNKNOWN, [])
    elsewhere.platform_is_known = False
    old, pytestconfig.option.unseen_platform = pytestconfig.option.unseen_platform, "report"
    try:
        with pytest.warns(NewPlatform, match="new on x86_64/avx512"):
            door(None, elsewhere, pytestconfig)
    finally:
        pytestconfig.option.unseen_platform = old
