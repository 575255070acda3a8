"""Every wrong kernel is rejected, and no honest one is: in one of its dtypes at each change, in all of them each night."""

from __future__ import annotations

import pytest
from kill_matrix import judge
from planted import Kernel, kernels

PLANTED = kernels()


def each(planted: list[Kernel]) -> list[object]:
    return [
        pytest.param(
            kernel, dtype, id=f"{kernel.name}-{dtype}", marks=[] if dtype == kernel.first else pytest.mark.nightly
        )
        for kernel in planted
        for dtype in kernel.dtypes
    ]


def test_there_are_enough_of_them() -> None:
    names = [kernel.name for kernel in (*PLANTED.wrong, *PLANTED.honest)]

    assert len(names) == len(set(names))
    for backward, wrong, honest in ((False, 60, 15), (True, 40, 12)):
        assert sum(kernel.backward is backward for kernel in PLANTED.wrong) >= wrong
        assert sum(kernel.backward is backward for kernel in PLANTED.honest) >= honest


@pytest.mark.parametrize(("kernel", "dtype"), each(PLANTED.wrong))
def test_a_wrong_kernel_is_rejected(kernel: Kernel, dtype: str) -> None:
    verdict = judge(kernel, dtype)

    assert verdict.rejected, kernel.why
    # One row alone is a thin net: the next mistake of the kind may not stand just there.
    assert len(verdict.rows) > 1, verdict.rows


@pytest.mark.parametrize(("kernel", "dtype"), each(PLANTED.honest))
def test_an_honest_kernel_is_not(kernel: Kernel, dtype: str) -> None:
    verdict = judge(kernel, dtype)

    assert not verdict.rejected, (verdict.families, verdict.kinds)
