"""Scripts that show one finding again, with its framework and NumPy and nothing of this suite.

A script holds what was handed over, in an array of the shape that was asked: where rows travelled together, each of them
is the one that shows the finding.  It prints answer, truth and bound, and exits with status 1 while the fault is there.
"""

from __future__ import annotations

import math
import re
from itertools import groupby
from typing import TYPE_CHECKING

from conformance.frameworks.base import LAYOUTS, SYMBOLS, Program, call, joined
from conformance.record import exhibit_of
from conformance.record.exhibit import bits_of, runs_of
from conformance.reporting import symptoms
from conformance.reporting.escape import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from conformance.record import Part, Record
    from conformance.values import Exhibit, Finding, Numbers, Target

_FEW = 4
"""Up to so many equal numbers are written out one by one."""

_WIDTH = 100
"""Characters of a line of bits."""

_LIMITS = ("a batch", "a worker")
"""Names, in a plan, of the limits of seconds and of memory; both begin with their number."""


def script(
    row: Mapping[str, Any],
    finding: Finding | None,
    exhibit: Exhibit,
    program: Program,
    device: str,
    *,
    seconds: float,
    memory: float,
) -> str:
    """Python source that hands over what an observation was asked, calls the function and looks at one finding.

    Parameters
    ----------
    row
        The observation, by its columns.
    finding
        One of its findings; None to print the answer.
    exhibit
        What was handed over.
    program
        How its target is called.
    device
        Where the arrays go.
    seconds, memory
        What the call may take, memory in GiB; used where that it took more is the finding.

    Raises
    ------
    KeyError
        For a finding that no script can see: of a side effect.
    """
    inputs = exhibit.inputs
    assert inputs is not None, "its arrays have to be made again first"
    named = [("x", inputs.x, inputs.dtype)]
    named += [("o", inputs.operand, row["dtype"])] if inputs.operand is not None else []
    named += [("g", inputs.cotangent, row["dtype"])] if inputs.cotangent is not None else []
    numbers, arrays = "", ""
    layouts = {"o" if row["way"] == "out" else "x": row["layout"], "g": row["cotangent_layout"]}
    for name, values, dtype in named:
        layout = layouts.get(name, "")
        numbers += f"{name} = {_numbers(values, exhibit.rows)}\n"
        made = program.array.format(values=_carried(name, layout), dtype=dtype, device=device)
        arrays += f"{name} = {made}\n" + _viewed(name, layout, values.shape)
    called = call([name for name, _, _ in named], row["axis"])
    begin, look = "", f"print(numbers({called})[1])\n"
    if finding is not None:
        begin = symptoms.forked(seconds, memory) if finding.kind in symptoms.FORKED else ""
        shape = (exhibit.rows, *inputs.x.shape) if exhibit.rows else inputs.x.shape
        corner = (exhibit.place,) if exhibit.rows else ()
        axis = row["axis"] % max(len(shape), 1)
        asked = symptoms.Asked(called, row["op"].startswith("log_"), row["dtype"], shape, corner, axis)
        look = symptoms.source(finding, asked)
        if finding.kind == "unnamed_policy":
            numbers += f"infinite = {_LOGITS.get(row['way'], 'x')} == numpy.inf\n"
    text = joined(begin, program.setup, program.define, program.numbers, f"{numbers}\n{arrays}\n{look}")
    modules = [name for name in ("base64", "math", "os", "signal", "sys", "zlib") if re.search(rf"\b{name}\.", text)]
    own = "" if "import numpy\n" in program.setup else "import numpy\n"
    return "".join(f"import {name}\n" for name in modules) + "\n" * bool(modules) + own + text


def script_of(record: Record, row: Mapping[str, Any], finding: Finding, exhibit: Exhibit | None = None) -> str:
    """The script of one finding of an observation, from what its run left; empty where that is not enough.

    Parameters
    ----------
    row
        The observation by its columns.
    exhibit
        What was handed over, where the record does not hold it.
    """
    exhibit = exhibit or exhibit_of(row)
    part, target = part_of(record, row)
    program = part.programs.get(f"{target.versioned} {row['op']} {row['way']}")
    if exhibit is None or exhibit.inputs is None or program is None or row["layout"] not in ("", *LAYOUTS):
        return ""
    if not symptoms.visible(finding, exhibit.inputs.x.size):
        return ""
    found = (re.match(r"\d+(\.\d+)?", part.header.plan.limits.get(name, "")) for name in _LIMITS)
    seconds, memory = (float(number[0]) if number else math.inf for number in found)
    text = script(row, finding, exhibit, Program(*program), target.device, seconds=seconds, memory=memory)
    return _heading(part, target, row, finding) + text


def part_of(record: Record, row: Mapping[str, Any]) -> tuple[Part, Target]:
    """The run that an observation is of, and its target."""
    return next(
        (part, target)
        for part in record.parts
        for target in part.header.plan.targets
        if list(map(printable, (part.header.run_id, str(target), target.version)))
        == [row["run_id"], row["target"], row["version"]]
    )


def _heading(part: Part, target: Target, row: Mapping[str, Any], finding: Finding) -> str:
    plan = part.header.plan
    way = "" if row["way"] == "plain" else f" ({row['way']})"
    suite = f"softmax-conformance {part.header.suite_version}"
    lines = (
        f"{target} {target.version}: {row['op']}{way} of {row['dtype']}",
        f"{finding.severity} {finding.kind}: {finding.detail}",
        f"Case {row['family']}/{row['case']}, seen on {part.header.machine.platform}.",
        f"Made by {suite}; tier {plan.tier.name.lower()}, seed {plan.seed}, questions {plan.questions}.",
        "Exits with status 1 while the fault is there, and 0 once it is gone.",
    )
    return "".join(f"# {printable(line)}\n" for line in lines)


_LOGITS = {
    **{way: f"(x {symbol} o)" for way, symbol in SYMBOLS.items()},
    **dict.fromkeys(("fill", "where"), "numpy.where(o != 0, x, -numpy.inf)"),
}
"""Way → source of what the op is taken of, where that is not ``x``."""


def _numbers(values: Numbers, rows: int) -> str:
    """Source of an array of float64, of the shape that was asked."""
    runs = runs_of(values)
    if runs or not values.size:
        text = f"numpy.array({literal(runs)})"
    else:
        kind, bits = bits_of(values)
        lines = "".join(f'    "{bits[at : at + _WIDTH]}"\n' for at in range(0, len(bits), _WIDTH))
        text = f"numpy.frombuffer(zlib.decompress(base64.b64decode(\n{lines})), {kind!r}).astype(float)"
    text += f".reshape({values.shape!r})" if values.ndim != 1 else ""
    return f"numpy.tile({text}, ({rows}, 1))" if rows else text


def _carried(name: str, layout: str) -> str:
    return _of(name, LAYOUTS[layout].carry) if layout else name


def _viewed(name: str, layout: str, shape: tuple[int, ...]) -> str:
    """The line that makes a view of what was carried; empty where there is none to make."""
    if layout.startswith("broadcast"):
        return (
            f"{name} = {name}.expand({shape}) if hasattr({name}, 'expand') else numpy.broadcast_to({name}, {shape})\n"
        )
    return f"{name} = {_of(name, LAYOUTS[layout].view)}\n" if layout else ""


def _of(name: str, expression: str) -> str:
    """An expression of the array ``a`` as one of another name."""
    return re.sub(r"\ba\b", name, expression)


def literal(runs: Sequence[tuple[float, int]]) -> str:
    """Python source of a list of numbers that evaluates to the same bits; many equal ones as ``[0.0] * 1000``.

    Parameters
    ----------
    runs
        (number, how often it stands there) from the first to the last.
    """
    written = [(repr(float(value)), count) for value, count in runs]
    parts = [
        f"[{', '.join(text for text, count in run for _ in range(count))}]" if few else f"[{run[0][0]}] * {run[0][1]}"
        for few, run in _few(written)
    ]
    return re.sub(r"\b(inf|nan)\b", r"float('\1')", " + ".join(parts) or "[]")


def _few(runs: Sequence[tuple[str, int]]) -> Iterator[tuple[bool, list[tuple[str, int]]]]:
    """Runs of a few numbers together, and each long one alone."""
    for few, group in groupby(runs, lambda run: run[1] <= _FEW):
        mine = list(group)
        yield from ([(True, mine)] if few else [(False, [run]) for run in mine])
