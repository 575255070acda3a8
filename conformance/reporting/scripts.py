"""Programs that ask the row of one finding alone, with its framework and NumPy and nothing of this suite."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

from conformance.frameworks.base import Program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from conformance.record import Record
    from conformance.values import Target, Witness

_FEW = 4
"""Up to so many equal numbers are written out one by one."""


def script(witness: Witness, program: tuple[str, str, str, str] | tuple[()], target: Target, dtype: str) -> str:
    """Python source that makes the arrays of one row, calls the function along its only axis and prints the answer.

    Parameters
    ----------
    witness
        With its row; with ``x`` and ``operand`` where an operation or an argument stands beside the op.
    program
        The four texts setup, array, define, show of :class:`conformance.frameworks.base.Program`; empty where there is
        none.
    target
        Its device is where the arrays go.
    dtype
        The format of the answer, and of an operand.

    Returns
    -------
    str
        Empty where the row was not kept, or there is no program.
    """
    values = witness.x or witness.row
    if not values or not program:
        return ""
    arrays = [("x", literal(values), witness.dtype or dtype)]
    if witness.operand:
        arrays.append(("o", literal(witness.operand), dtype))
    return Program(*program).text(arrays, -1, target.device)


def literal(values: Sequence[float]) -> str:
    """Python source of a list of numbers that evaluates to the same bits; many equal ones as ``[0.0] * 1000``."""
    # As text, because 0.0 equals -0.0.
    runs = [(text, len(list(same))) for text, same in groupby(repr(float(value)) for value in values)]
    parts = [
        f"[{', '.join(text for text, count in run for _ in range(count))}]" if few else f"[{run[0][0]}] * {run[0][1]}"
        for few, run in _joined(runs)
    ]
    return re.sub(r"\b(inf|nan)\b", r"float('\1')", " + ".join(parts) or "[]")


def _joined(runs: Sequence[tuple[str, int]]) -> Iterator[tuple[bool, list[tuple[str, int]]]]:
    """Runs of a few numbers together, and each long one alone."""
    for few, group in groupby(runs, lambda run: run[1] <= _FEW):
        mine = list(group)
        yield from ([(True, mine)] if few else [(False, [run]) for run in mine])


def script_of(record: Record, row: Mapping[str, Any], witness: Witness | None) -> str:
    """The program of one finding of an observation, from what its run left; empty where it left none.

    ``row`` is the observation by its columns.  Controls have none: their formulas stand in their module.
    """
    if witness is None or row["control"]:
        return ""
    for part in record.parts:
        for target in part.header.plan.targets:
            if (part.header.run_id, str(target), target.version) == (row["run_id"], row["target"], row["version"]):
                program = part.programs.get(f"{target.versioned} {row['op']} {row['way']}", ())
                return script(witness, program, target, row["dtype"])
    return ""
