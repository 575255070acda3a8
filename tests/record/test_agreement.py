"""Who gives the same bits as whom."""

from __future__ import annotations

from typing import Any

from parts import JAX, TORCH, header, row

from conformance.record import Footer, Part, Record, claims_frame, frame
from conformance.reporting import blocks
from conformance.reporting.agreement import MANY, clusters, markdown, nearest, page, shares, table
from conformance.values import Target

OTHER = Target("numpy", "eager", "cpu", version="2")


def recorded(*rows: dict[str, Any]) -> Record:
    told = header(TORCH, JAX, OTHER)
    part = Part(told, Footer(len(rows), 0, complete=True, seconds=1.0, timing={}, escalated=0), {})
    return Record((part,), frame(list(rows), told.run_id), claims_frame([], told.run_id))


def answers(target: Target, digest: str, count: int = MANY, **columns: Any) -> list[dict[str, Any]]:
    return [row(target, case=str(i), case_id=str(i), digest=f"{digest}{i}", **columns) for i in range(count)]


def test_equal_bits_are_a_cluster_and_one_other_bit_is_none() -> None:
    changed = answers(OTHER, "a")
    changed[7] = changed[7] | {"digest": "b"}

    found = recorded(*answers(TORCH, "a"), *answers(JAX, "a"), *changed)

    table = shares(found).set_index(["first", "second"])["equal"]
    assert 1.0 == table["jax/jit/cpu", "torch/eager/cpu"]
    assert {1 - 1 / MANY} == {table["jax/jit/cpu", "numpy/eager/cpu"], table["numpy/eager/cpu", "torch/eager/cpu"]}
    [one] = clusters(found)
    assert (("jax/jit/cpu", "torch/eager/cpu"), MANY) == (one.targets, one.questions)
    assert f"| jax/jit/cpu, torch/eager/cpu | softmax in float32 | {MANY} |" in markdown(found)


def test_few_common_questions_say_nothing() -> None:
    found = recorded(*answers(TORCH, "a", MANY - 1), *answers(JAX, "a"))

    assert shares(found).empty
    assert [] == clusters(found)


def test_controls_and_what_was_not_answered_are_left_out() -> None:
    found = recorded(*answers(TORCH, "a"), *answers(JAX, "a", control=True))

    assert shares(found).empty


def test_a_family_can_be_looked_at_alone() -> None:
    found = recorded(
        *answers(TORCH, "a"),
        *answers(JAX, "b"),
        *answers(TORCH, "c", family="single"),
        *answers(JAX, "c", family="single"),
    )
    rows = found.observations
    rows["case_id"] = rows["case_id"] + rows["family"]

    assert [1.0] == shares(found, families=["single"])["equal"].tolist()
    assert [0.5] == shares(found)["equal"].tolist()


def test_a_cluster_of_a_family_counts_all_ops_and_dtypes_together() -> None:
    half = MANY // 2
    found = recorded(
        *answers(TORCH, "a", half), *answers(JAX, "a", half),
        *answers(TORCH, "b", half, dtype="float16"), *answers(JAX, "b", half, dtype="float16"),
    )  # fmt: skip
    rows = found.observations
    rows["case_id"] = rows["case_id"] + rows["dtype"]

    assert [] == clusters(found)
    [one] = clusters(found, by=("family",))
    assert (("underflow",), ("jax/jit/cpu", "torch/eager/cpu"), MANY) == (one.place, one.targets, one.questions)


def test_the_nearest_is_the_one_with_most_equal_bits() -> None:
    changed = [one | {"digest": "b"} if i < 7 else one for i, one in enumerate(answers(OTHER, "a"))]
    found = recorded(*answers(TORCH, "a"), *answers(JAX, "c"), *changed)

    near = nearest(found).set_index("target")

    assert ("numpy/eager/cpu", 93 / MANY) == tuple(near.loc["torch/eager/cpu", ["nearest", "equal"]])
    assert "| torch/eager/cpu | numpy/eager/cpu | 93.0% of 100 |" in blocks.markdown(page(found))


def test_too_few_questions_are_said_to_be_too_few() -> None:
    found = recorded(*answers(TORCH, "a", MANY - 1), *answers(JAX, "a", MANY - 1))

    assert "No two targets answer 100 common questions" in blocks.markdown(page(found))


def test_targets_that_agree_stand_beside_each_other() -> None:
    """Two kernels, whose targets are mixed by name; a third of their questions have one right answer."""
    names = ("jit", "eager", "special", "vmap")
    targets = [Target("jax", mode, "cpu", version="1") for mode in names]
    rows = []
    for target, kernel in zip(targets, "abab", strict=True):
        told = answers(target, kernel, 300)
        rows += [one | {"digest": f"right{i}"} if i < 100 else one for i, one in enumerate(told)]
    few = Target("torch", "eager", "cpu", version="2")
    told = header(*targets, few)
    rows += answers(few, "a", MANY)
    part = Part(told, Footer(len(rows), 0, complete=True, seconds=1.0, timing={}, escalated=0), {})
    made = table(Record((part,), frame(rows, told.run_id), claims_frame([], told.run_id)))

    order = list(made.index)
    pairs = {frozenset(order[place : place + 2]) for place in range(len(order) - 1)}
    assert order == list(made.columns)
    assert {frozenset({"jax/jit/cpu", "jax/special/cpu"}), frozenset({"jax/eager/cpu", "jax/vmap/cpu"})} <= pairs
    assert 1.0 == made.loc["jax/jit/cpu", "jax/special/cpu"] == made.loc["jax/jit/cpu", "jax/jit/cpu"]
    assert 100 / 300 == made.loc["jax/jit/cpu", "jax/eager/cpu"] == made.loc["jax/eager/cpu", "jax/jit/cpu"]


def test_a_pair_with_few_common_questions_has_no_share() -> None:
    made = table(
        recorded(
            *answers(TORCH, "a"), *answers(OTHER, "a"),
            *(one | {"case_id": f"other{one['case_id']}"} for one in answers(JAX, "c")),
            *(one | {"case_id": f"other{one['case_id']}", "case": f"other{one['case']}"} for one in answers(OTHER, "c")),
        )
    )  # fmt: skip

    assert 1.0 == made.loc["torch/eager/cpu", "numpy/eager/cpu"]
    assert made.loc["torch/eager/cpu"].isna()["jax/jit/cpu"]
    assert table(recorded()).empty
