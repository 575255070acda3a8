"""What do we ask?  One module a family: a named reason why a row is hard.

Family modules are found by listing this package, so adding a family is adding one file that holds a
docstring and ``def rows(format, rng) -> Iterator[Row]``; modules that start with an underscore are
shared parts and no families.  Another package offers one as an entry point in the group
``conformance.families``: its name is the family's, its value such a module.  A family is asked for the rows of every tier in one fixed order and
the engine keeps those of the tier, so a smoke row is the same question in every tier.  Rows of the
exhaustive tier come last and may be views of one number: a lower tier does not look into them.  The random
generator is seeded from the seed, the family and the format alone: a new family, or a new row in
another one, moves nothing.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pkgutil
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

import numpy as np

from conformance.producers import ARITHMETIC, logits
from conformance.values import Case, Produced, Row, Tier
from reference.formats import EVERY_FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from types import ModuleType

    from reference.formats import Format

__all__ = ["BrokenFamily", "Family", "cases", "families"]


_GROUP = "conformance.families"


class BrokenFamily(Exception):
    """Another package's entry point that is no family; the message names it."""


@dataclass(frozen=True)
class Family:
    """A named reason why a row is hard.

    Attributes
    ----------
    name
        The name of its module, as it stands in ids.
    reason
        One line: the first of its docstring.
    doc
        The whole docstring: the arithmetic, and who fell for it.
    rows
        Gives the rows of all tiers for a format, in a fixed order.
    """

    name: str
    reason: str
    doc: str
    rows: Callable[[Format, np.random.Generator], Iterator[Row]]


@cache
def _listed() -> tuple[Family, ...]:
    own = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
    modules = {name: importlib.import_module(f"{__name__}.{name}") for name in own}
    for entry in entry_points(group=_GROUP):
        if entry.name not in own:
            modules[entry.name] = _plugin(entry)
    docs = {name: inspect.getdoc(module) or "" for name, module in modules.items()}
    return tuple(
        Family(name, docs[name].partition("\n")[0], docs[name], modules[name].rows) for name in sorted(modules)
    )


def _plugin(entry: EntryPoint) -> ModuleType:
    try:
        module = entry.load()
    except Exception as error:
        raise BrokenFamily(f"entry point {entry.name} = {entry.value} ({_GROUP}): {error!r}") from error
    if not callable(getattr(module, "rows", None)):
        raise BrokenFamily(f"entry point {entry.name} = {entry.value} ({_GROUP}) has no function rows(format, rng)")
    return module  # type: ignore[no-any-return]


def families() -> dict[str, Family]:
    """Every family by name, sorted."""
    return {family.name: family for family in _listed()}


def cases(
    format: Format,
    ops: Sequence[str],
    *,
    families: Collection[str] | None = None,
    tier: Tier,
    seed: int,
) -> list[Case]:
    """Every question of a tier about one format.

    Parameters
    ----------
    format
        The format of the rows.
    ops
        Each row is asked for each of them.
    families
        Names of the families to ask; all where None.
    tier
        Rows whose lowest tier is at most this one.
    seed
        Decides every random row.

    Raises
    ------
    ValueError
        If a family is unknown, or gives a row that is not a valid question of the format.
    """
    known = {family.name for family in _listed()}
    if unknown := sorted(set(families or ()) - known):
        raise ValueError(f"unknown families {unknown}; known: {sorted(known)}")
    return [
        replace(case, op=op)
        for family in _listed()
        if families is None or family.name in families
        for row in _distinct(family, format, tier, seed)
        if row.tier <= tier
        for case in [_case(family, row, format)]
        for op in ops
    ]


def _case(family: Family, row: Row, format: Format) -> Case:
    """The question that a row is, before the op is chosen."""
    values, produced = row.values, None
    if row.producer:
        operand = np.zeros((*row.values.shape[:-1], 1)) if row.operand is None else row.operand
        unrounded = logits(row.producer, row.values, operand)
        values = format.quantise(unrounded)
        rounds = row.producer in ARITHMETIC or not np.array_equal(values, unrounded, equal_nan=True)
        produced = Produced(row.producer, row.values, operand, unrounded if rounds else None)
    return Case(
        family.name,
        row.name,
        "",
        format.name,
        values,
        axis=row.axis,
        tier=row.tier,
        raises=row.raises,
        alone=row.alone,
        policy=row.policy,
        layout=row.layout,
        produced=produced,
        sent=row.sent,
    )


def _distinct(family: Family, format: Format, tier: Tier, seed: int) -> list[Row]:
    """The valid rows of a family, each content once; exhaustive ones only if they are asked.

    Clipping to a narrow format makes rows equal that differ in a wide one: such a question is asked
    once, under its first name and in the lowest tier that wants it.
    """
    rows: dict[object, Row] = {}
    for row in family.rows(format, _generator(seed, family.name, format.name)):
        if row.tier == Tier.EXHAUSTIVE > tier:
            continue
        operand = b"" if row.operand is None else format.encode(row.operand).tobytes()
        way = (row.axis, row.alone, row.layout, row.producer, operand, row.sent)
        key = (_bits(row, family, format), row.values.shape, *way)
        first = rows.setdefault(key, row)
        rows[key] = replace(first, tier=min(first.tier, row.tier))
        row.values.setflags(write=False)
    names = [row.name for row in rows.values()]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"family {family.name} names two different {format.name} rows {twice[0]!r}")
    return list(rows.values())


def _bits(row: Row, family: Family, format: Format) -> bytes:
    """The content of a row, once it is shown to be a valid question."""
    if not row.name or set(row.name) & set(" ;\t\n"):
        raise ValueError(f"family {family.name}: a row's name is empty or holds a space: {row.name!r}")
    try:
        own = EVERY_FORMAT[row.sent] if row.producer and row.sent else format
        return own.encode(row.values).tobytes()
    except ValueError as error:
        raise ValueError(f"family {family.name}, row {row.name}: {error}") from error


def _generator(seed: int, family: str, format: str) -> np.random.Generator:
    digest = hashlib.blake2b(f"{seed}|{family}|{format}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))
