"""Every wrong kernel is rejected, in each of its dtypes, and no honest one is."""

from __future__ import annotations

import pytest
from matrix import judge
from planted import Kernel, kernels

PLANTED = kernels()


def each(planted: list[Kernel]) -> list[object]:
    return [pytest.param(kernel, dtype, id=f"{kernel.name}-{dtype}") for kernel in planted for dtype in kernel.dtypes]


def test_there_are_enough_of_them() -> None:
    names = [kernel.name for kernel in (*PLANTED.wrong, *PLANTED.honest)]

    assert len(names) == len(set(names))
    assert len(PLANTED.wrong) >= 60
    assert len(PLANTED.honest) >= 15


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
