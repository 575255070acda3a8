"""Only parts that fit are merged, and none loses what it knows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from parts import JAX, TORCH, record, row

from conformance import record as records
from conformance.record import merge
from conformance.values import Tier

if TYPE_CHECKING:
    from conformance.record import Record

NEWER = replace(JAX, version="0.11.0")


def jax(*rows: dict[str, object], target: object = JAX, **fields: object) -> Record:
    return record(*rows, target=target, run_id="other", **fields)  # type: ignore[arg-type]


def test_merging_keeps_every_row_and_target() -> None:
    merged = merge([("a", record()), ("b", jax(absent={"torch": "not installed", "tensorflow": "broken"}))])

    assert (TORCH, JAX) == merged.targets
    assert {"tensorflow": "broken"} == merged.absent  # what one part lacked, another part asked
    assert (2, 2, True) == (len(merged.observations), len(merged.claims), merged.complete)
    assert ["jax/jit/cpu", "torch/eager/cpu"] == merged.observations["target"].tolist()  # the order of one run
    assert ["other", "run"] == merged.observations["run_id"].tolist()
    assert ["run", "other"] == merged.claims["run_id"].tolist()


def test_every_part_keeps_its_machine_versions_timing_and_programs() -> None:
    a, b = record(gpus=("A100",), platform="aarch64/sve"), jax(cores=64)

    merged = merge([("a", a), ("b", b)])

    assert (*a.parts, *b.parts) == merged.parts
    assert ["aarch64/sve", "x86_64/avx512"] == [part.header.machine.platform for part in merged.parts]
    assert [("torch", "2.13.0"), ("jax", "0.10.2")] == [
        (subject.framework, subject.version) for part in merged.parts for subject in part.header.subjects
    ]


def test_what_is_said_of_a_merged_record_is_of_all_its_parts() -> None:
    later, earlier = "2026-11-23T00:00:00+00:00", "2026-11-22T00:00:00+00:00"

    merged = merge([("a", record(started=later)), ("b", jax(started=earlier, ops=("softmax", "log_softmax")))])

    assert ("run+other", earlier, 3.0) == (merged.run_id, merged.started, merged.seconds)
    assert ("1", Tier.SMOKE, 0) == (merged.suite_version, merged.tier, merged.seed)
    assert (("softmax", "log_softmax"), ("float32",)) == (merged.ops, merged.dtypes)


def test_the_same_target_may_be_there_at_two_versions() -> None:
    merged = merge([("a", jax()), ("b", record(target=NEWER, run_id="newer")), ("c", record())])

    assert {
        JAX: "jax@0.10.2/jit/cpu", NEWER: "jax@0.11.0/jit/cpu", TORCH: "torch/eager/cpu",
    } == merged.names  # fmt: skip
    assert ["0.10.2", "0.11.0", "2.13.0"] == merged.observations["version"].tolist()


def test_merged_records_merge_again() -> None:
    merged = merge([("ab", merge([("a", record()), ("b", jax())])), ("c", record(target=NEWER, run_id="newer"))])

    assert ["run", "other", "newer"] == [part.header.run_id for part in merged.parts]


@pytest.mark.parametrize(
    ("other", "error", "message"),
    [
        (jax(suite_version="2"), records.DifferentSuiteVersion, "a has suite version 1, b has 2"),
        (jax(tier=Tier.STANDARD), records.DifferentSelection, "a has tier smoke, b has standard"),
        (jax(seed=1), records.DifferentSelection, "a has seed 0, b has 1"),
        (jax(target=TORCH), records.DuplicateTarget, "a and b both hold torch@2.13.0/eager/cpu"),
        (
            jax(target=TORCH, platform="aarch64/sve"),
            records.DuplicateTarget,
            "a and b both hold torch@2.13.0/eager/cpu",
        ),
        (jax(row(JAX, case_id="x")), records.DifferentCases, "a and b asked another .* of softmax in float32"),
        (jax(questions="other"), records.DifferentCases, "a and b were made from other families"),
        (
            jax(families={"axes": "why"}),
            records.DifferentCases,
            "a and b were made from other families",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(other: Record, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        merge([("a", record()), ("b", other)])

    assert "\n" not in str(caught.value)


def test_other_dtypes_may_have_other_cases() -> None:
    other = jax(row(JAX, dtype="float64", case_id="x"))

    assert 2 == len(merge([("a", record()), ("b", other)]).observations)


def test_an_interrupted_part_may_have_asked_less() -> None:
    part, whole = jax(complete=False), record(row(), row(case="b", case_id="y"))

    assert not merge([("a", whole), ("b", part)]).complete
    assert not merge([("b", part), ("a", whole)]).complete


def test_a_target_may_have_been_asked_less_than_another() -> None:
    merged = merge([("a", record(row(), row(case="b", case_id="y"))), ("b", jax())])

    assert 3 == len(merged.observations)


def test_there_is_something_to_merge() -> None:
    with pytest.raises(records.RecordError, match="there is no record to merge"):
        merge([])
