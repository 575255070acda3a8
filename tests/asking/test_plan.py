"""What is left out of a plan where all formats are asked, and what never is."""

from __future__ import annotations

import pytest

from conformance.asking.hello import hello_of
from conformance.asking.plan import STRUCTURAL, Selection, Task, sheet, targets, tasks, thins
from conformance.frameworks.controls import CONTROLS
from conformance.values import Batch, Tier
from reference.formats import FORMATS
from reference.ops import SOFTMAX

HELLO = hello_of(
    {
        "type": "hello", "protocol": 1, "framework": "fake", "version": "1", "modes": ["eager", "jit", "vmap"],
        "compiled": ["jit"], "further": ["vmap"], "devices": ["cpu"], "ways": ["plain"], "layouts": [], "variants": [""],
        "controls": {name: sorted(control.formulas) for name, control in CONTROLS.items()},
    },
    2.0,
)  # fmt: skip


def asked(tier: Tier, dtype: str, *, thin: bool) -> dict[str, Task]:
    """Mode or control → its task."""
    found = tasks(HELLO, targets(HELLO), "softmax", dtype, Selection(tier), thin=thin)
    return {task.target.mode: task for task in found}


def families(batches: tuple[Batch, ...], task: Task) -> set[str]:
    """The families that a task's batches belong to, by the twins of their first cases."""
    twins = sheet(SOFTMAX, task.dtype, task.selection).twins
    return {case.family for batch in batches if not batch.stacked for case in twins[batch.cases[0].id]}


def test_only_who_asks_all_formats_of_the_two_lower_tiers_leaves_something_out() -> None:
    assert thins([*reversed(FORMATS)], Tier.SMOKE)
    assert thins([*FORMATS], Tier.STANDARD)
    assert not thins([*FORMATS], Tier.EXHAUSTIVE)
    assert not thins(["float32"], Tier.SMOKE)


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("tier", [Tier.SMOKE, Tier.STANDARD])
def test_modes_that_do_not_compile_are_asked_everything(tier: Tier, dtype: str) -> None:
    task = asked(tier, dtype, thin=True)["eager"]

    full = sheet(SOFTMAX, dtype, task.selection)

    assert full.batches == full.of(task)


def test_the_smoke_tier_asks_modes_that_compile_and_controls_in_two_formats() -> None:
    thinned = {dtype: set(asked(Tier.SMOKE, dtype, thin=True)) for dtype in FORMATS}
    controls = {name for name, control in CONTROLS.items() if "softmax" in control.formulas}

    assert {dtype for dtype, modes in thinned.items() if "jit" in modes} == {"float32", "float16"}
    everyone = {"eager", "jit", "vmap", *controls}
    assert all(modes in ({"eager"}, everyone) for modes in thinned.values())
    assert all(everyone == set(asked(Tier.SMOKE, dtype, thin=False)) for dtype in FORMATS)
    assert everyone == set(asked(Tier.STANDARD, "float64", thin=True))


def test_a_mode_that_compiles_is_asked_ranks_and_strides_whole_in_one_format() -> None:
    for tier in (Tier.SMOKE, Tier.STANDARD):
        whole, thinned = asked(tier, "float32", thin=True)["jit"], asked(tier, "float16", thin=True)["jit"]
        full = sheet(SOFTMAX, "float16", thinned.selection)

        assert not whole.thinned
        assert len(sheet(SOFTMAX, "float32", whole.selection).of(whole)) > len(full.of(thinned))
        left_out = [batch for batch in full.batches if batch not in full.of(thinned)]
        assert left_out
        assert all(case.family in STRUCTURAL for batch in left_out for case in full.twins[batch.cases[0].id])


def test_the_smoke_rows_of_ranks_and_strides_are_asked_in_every_format_by_the_standard_tier() -> None:
    task = asked(Tier.STANDARD, "bfloat16", thin=True)["jit"]
    full = sheet(SOFTMAX, "bfloat16", task.selection)
    kept = [case for batch in full.of(task) for case in full.twins[batch.cases[0].id] if case.family in STRUCTURAL]

    assert kept
    left_out = [batch for batch in full.batches if batch not in full.of(task)]
    assert all(case.tier is Tier.STANDARD for batch in left_out for case in full.twins[batch.cases[0].id])
    assert {"axes", "layout"} <= families(full.of(task), task)
    assert not {"axes", "layout"} & families(*smoke_of("float16"))


@pytest.mark.parametrize("dtype", FORMATS)
def test_a_further_mode_is_asked_smoke_rows_and_masks_alone(dtype: str) -> None:
    task = asked(Tier.STANDARD, dtype, thin=True)["vmap"]
    full = sheet(SOFTMAX, dtype, task.selection)
    found = {case.id for batch in full.of(task) for case in batch.cases}

    due = {case.id for case in full.cases if case.tier is Tier.SMOKE or case.call.way == "where"}
    assert due == found
    assert any(case.call.way == "where" for batch in full.of(task) for case in batch.cases)
    assert len(found) < len({case.id for case in full.cases})
    whole = asked(Tier.STANDARD, dtype, thin=False)["vmap"]
    assert full.batches == full.of(whole)


def test_a_further_mode_is_asked_by_the_smoke_tier_what_a_compiled_one_is() -> None:
    for dtype in ("float32", "float16"):
        tasks_ = asked(Tier.SMOKE, dtype, thin=True)
        full = sheet(SOFTMAX, dtype, tasks_["vmap"].selection)

        assert full.of(tasks_["jit"]) == full.of(tasks_["vmap"])


def smoke_of(dtype: str) -> tuple[tuple[Batch, ...], Task]:
    task = asked(Tier.SMOKE, dtype, thin=True)["jit"]
    return sheet(SOFTMAX, dtype, task.selection).of(task), task
