"""The ledger knows what it says it knows, refuses what it does not understand, and notices what is gone."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from conformance import ledger

ENTRY = """
[[entry]]
id = "one"
target = "torch/*/cpu"
op = "softmax"
dtype = "float32"
family = "underflow"
kind = "lost_normal"
reason = "unreported"
platform = "x86_64/avx512"
note = "loses them"
reproduce = "print(0.0)  # 0.0"
seen = 2026-11-23
"""


def entries(text: str = ENTRY) -> tuple[ledger.Entry, ...]:
    return ledger.read({"file.toml": text})


def frame(**columns: Any) -> pd.DataFrame:
    row = {
        "target": "torch/eager/cpu", "op": "softmax", "dtype": "float32", "family": "underflow", "case": "a",
        "framework_version": "2.13.0+cpu", "outcome": "answered", "findings": "lost_normal", "ledger": "",
    }  # fmt: skip
    return pd.DataFrame([row | columns])


def test_the_committed_ledger_can_be_read() -> None:
    assert all(entry.note for entry in ledger.read())


def test_a_known_finding_is_named() -> None:
    seen = frame(findings="accuracy;lost_normal")

    stale = ledger.annotate(seen, entries(), "x86_64/avx512", "smoke")

    assert [";one"] == seen["ledger"].tolist()
    assert [] == stale


@pytest.mark.parametrize(
    "other",
    [{"op": "log_softmax"}, {"dtype": "bfloat16"}, {"family": "axes"}, {"target": "torch/eager/cuda:0"},
     {"findings": "accuracy"}],
)  # fmt: skip
def test_a_finding_elsewhere_is_unknown(other: dict[str, str]) -> None:
    seen = frame(**other)

    ledger.annotate(seen, entries(), "x86_64/avx512", "smoke")

    assert [""] == seen["ledger"].tolist()


def test_an_entry_whose_finding_is_gone_is_stale() -> None:
    assert ["one"] == ledger.annotate(frame(findings=""), entries(), "x86_64/avx512", "smoke")


def test_an_entry_that_was_not_asked_is_not_stale() -> None:
    assert [] == ledger.annotate(frame(findings="", dtype="float16"), entries(), "x86_64/avx512", "smoke")


def test_an_entry_of_what_is_only_degraded_explains_and_is_never_stale() -> None:
    explains = entries(ENTRY.replace("lost_normal", "loose"))
    seen = frame(findings="loose")

    assert [] == ledger.annotate(seen, explains, "x86_64/avx512", "smoke")
    assert ["one"] == seen["ledger"].tolist()
    assert [] == ledger.annotate(frame(findings=""), explains, "x86_64/avx512", "smoke")


def test_an_entry_about_rows_that_the_target_cannot_be_asked_is_not_stale() -> None:
    """TensorFlow has no strides: the same entry about layouts speaks of torch's control."""
    assert [] == ledger.annotate(frame(findings="", outcome="unsupported"), entries(), "x86_64/avx512", "smoke")


def test_an_entry_of_another_platform_is_a_remark() -> None:
    assert [] == ledger.annotate(frame(findings=""), entries(), "aarch64/neon", "smoke")


def test_an_entry_of_a_higher_tier_is_not_stale_in_a_lower_one() -> None:
    standard = entries(ENTRY + 'tier = "standard"\n')

    assert [] == ledger.annotate(frame(findings=""), standard, "x86_64/avx512", "smoke")
    assert ["one"] == ledger.annotate(frame(findings=""), standard, "x86_64/avx512", "standard")


def test_a_finding_that_comes_and_goes_is_known_and_never_stale() -> None:
    flaky, seen = entries(ENTRY + "flaky = true\n"), frame()

    assert [] == ledger.annotate(frame(findings=""), flaky, "x86_64/avx512", "smoke")
    assert [] == ledger.annotate(seen, flaky, "x86_64/avx512", "smoke")
    assert ["one"] == seen["ledger"].tolist()


@pytest.mark.parametrize(("versions", "known"), [(">=2.13", "one"), ("<2.13", ""), ("==2.13.*", "one")])
def test_versions_are_pep_440(versions: str, known: str) -> None:
    seen = frame()

    ledger.annotate(seen, entries(ENTRY + f'versions = "{versions}"\n'), "x86_64/avx512", "smoke")

    assert [known] == seen["ledger"].tolist()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (ENTRY.replace("lost_normal", "lost_norm"), "one: kind: .*unknown kind; known: accuracy"),
        (ENTRY.replace("unreported", "wontfix"), "one: reason"),
        (ENTRY + 'tolerance = "2e-3"\n', "one: tolerance: Extra inputs"),
        (ENTRY + 'versions = "newest"\n', "one: versions"),
        (ENTRY.replace('note = "loses them"\n', ""), "one: note: Field required"),
        (ENTRY.replace("# 0.0", ""), "one: .*reproduce: one line"),
        (ENTRY + ENTRY, "one: stands twice"),
        (ENTRY.replace('"one"', "one"), "file.toml"),
    ],
)
def test_what_is_not_understood_is_refused_in_one_line(bad: str, message: str) -> None:
    with pytest.raises(ledger.BadLedger, match=message) as caught:
        entries(bad)

    assert "\n" not in str(caught.value)


def test_no_firm_entry_asks_for_what_a_flaky_one_has_only_sometimes() -> None:
    """jax.jit's NaN of float8_e4m3fn was both: the firm one was stale in one session of ten."""
    entries = ledger.read()
    firm = [entry for entry in entries if entry.binds_on(entry.platform, "exhaustive")]
    clashes = [
        (flaky.id, other.id)
        for flaky in entries
        if flaky.flaky
        for other in firm
        if other.kind == flaky.kind and other.covers(flaky.target, flaky.op, flaky.dtype, flaky.family, "0")
    ]

    assert not clashes
