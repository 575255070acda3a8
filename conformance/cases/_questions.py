"""Rows become cases: checked, with what the op is taken of, each content once, for each op."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from conformance.calls import ARITHMETIC, DERIVATIVES, WAYS, logits
from conformance.cases._row import Row
from conformance.values import Call, Case, Inputs, Tier
from reference.formats import EVERY_FORMAT
from reference.ops import SOFTMAX_VJP

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from conformance.values import Numbers
    from reference.formats import Format
    from reference.ops import Op


@dataclass(frozen=True, eq=False)
class _Question:
    """What the cases of one row share, whatever the op."""

    row: Row
    inputs: Inputs
    call: Call
    logits: Numbers
    unrounded: Numbers | None


def questions(rows: Iterable[Row], format: Format, ops: Sequence[Op], *, family: str, tier: Tier) -> Iterator[Case]:
    """The cases of the rows of a family, in their order, and of those of ``ops`` that a row is a question of.

    Clipping to a narrow format makes rows equal that differ in a wide one: such a question is asked once, under its
    first name and in the lowest tier that wants it.

    Raises
    ------
    ValueError
        If a row is not a valid question of the format, or two different ones have one name.
    """
    asked: dict[object, _Question] = {}
    tiers: dict[object, Tier] = {}
    first: Row | None = None
    for row in rows:
        if not isinstance(row, Row):
            raise ValueError(f"family {family} gives a {type(row).__name__} and no Row")  # noqa: TRY004 - as any row
        first = first or row
        if row.tier == Tier.EXHAUSTIVE > tier:
            continue
        if (row.cotangent is None) is not (first.cotangent is None):
            raise ValueError(f"family {family} has rows with a cotangent and rows without one, {row.name} for one")
        if not row.name or set(row.name) & set(" ;\t\n"):
            raise ValueError(f"family {family}: a row's name is empty or holds a space: {row.name!r}")
        try:
            question = _question(row, format)
            content = _content(question, format)
        except ValueError as error:
            raise ValueError(f"family {family}, row {row.name}: {error}") from error
        asked.setdefault(content, question)
        tiers[content] = min(row.tier, tiers.get(content, row.tier))
    names = [question.row.name for question in asked.values()]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"family {family} names two different {format.name} rows {twice[0]!r}")
    for content, question in asked.items():
        if tiers[content] <= tier:
            yield from _cases(question, format, ops, family, tiers[content])


def is_asked(row: Row, op: Op) -> bool:
    """Whether a row is a question of an op."""
    if row.way in DERIVATIVES:
        return op is SOFTMAX_VJP
    return op.takes_cotangent == (row.cotangent is not None)


def _cases(question: _Question, format: Format, ops: Sequence[Op], family: str, tier: Tier) -> Iterator[Case]:
    row = question.row
    for op in ops:
        if not is_asked(row, op):
            continue
        yield Case(
            op,
            format,
            family,
            row.name,
            question.inputs,
            question.call,
            question.logits,
            question.unrounded,
            tier=tier,
            alone=row.alone,
            raises=row.raises,
            policy=row.policy,
        )


def _question(row: Row, format: Format) -> _Question:
    """What a row hands over and what the op is taken of."""
    call = Call(row.way, row.axis, row.layout, row.cotangent_layout)
    x, operand = _frozen(np.asarray(row.values, dtype=np.float64)), row.operand
    if row.way not in WAYS:
        raise ValueError(f"unknown way {row.way!r}; known: {', '.join(WAYS)}")
    if row.way in ("plain", *DERIVATIVES):
        if operand is not None:
            raise ValueError(f"the way {row.way!r} takes no operand")
        if row.way in DERIVATIVES and row.cotangent is None:
            raise ValueError(f"the way {row.way!r} takes a cotangent")
        return _Question(row, Inputs(x, row.dtype or format.name, cotangent=_cotangent(row, x)), call, x, None)
    if row.cotangent is not None:
        raise ValueError(f"a vjp is asked in the ways {', '.join(('plain', *DERIVATIVES))}, and not {row.way!r}")
    one_a_row = (*x.shape[:-1], 1)
    operand = np.zeros(one_a_row) if operand is None else operand
    if operand.shape not in (x.shape, one_a_row):
        raise ValueError(f"an operand of shape {operand.shape} beside values of shape {x.shape}")
    unrounded = logits(row.way, x, operand)
    rounded = format.quantise(unrounded)
    # Behind arithmetic they always matter: float64 cannot hold an unrounded product, which may differ from it.
    matter = row.way in ARITHMETIC or not np.array_equal(rounded, unrounded, equal_nan=True)
    inputs = Inputs(x, row.dtype or format.name, _frozen(operand))
    return _Question(row, inputs, call, _frozen(rounded), _frozen(unrounded) if matter else None)


def _cotangent(row: Row, x: Numbers) -> Numbers | None:
    if row.cotangent is None:
        if row.cotangent_layout:
            raise ValueError("a layout of a cotangent, and no cotangent")
        return None
    cotangent = _frozen(np.asarray(row.cotangent, dtype=np.float64))
    if cotangent.shape != x.shape:
        raise ValueError(f"a cotangent of shape {cotangent.shape} beside values of shape {x.shape}")
    return cotangent


def _content(question: _Question, format: Format) -> object:
    """Equal for equal questions; raises ValueError where the arrays do not hold the numbers exactly."""
    inputs = question.inputs
    try:
        with np.errstate(invalid="ignore", over="ignore"):
            stored = inputs.stored(format)
    except TypeError as error:
        raise ValueError(f"unknown dtype {inputs.dtype!r}") from error
    if inputs.dtype != format.name and question.call.way == "plain":
        format.encode(inputs.x)
    if inputs.dtype not in EVERY_FORMAT and not np.array_equal(stored[0][1], inputs.x):
        raise ValueError(f"these numbers are not all representable in {inputs.dtype}")
    arrays = ((dtype, array.shape, array.tobytes()) for dtype, array in stored)
    return (question.call, question.row.alone, *arrays)


def _frozen(array: Numbers) -> Numbers:
    """The array itself, which from now on cannot be written to."""
    array.setflags(write=False)
    return array
