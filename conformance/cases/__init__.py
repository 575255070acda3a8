"""The questions: one module a family, a named reason why a row is hard.

Family modules are found by listing this package, so adding a family is adding one file that holds a docstring and
``def rows(format, rng) -> Iterator[Row]``; modules that start with an underscore are shared parts and no families.
Another package offers one as an entry point in the group ``conformance.families``: its name is the family's, its value
such a module.

A family gives the rows of every tier in one fixed order and :func:`cases` keeps those of the tier, so a smoke row is
the same question in every tier.  Rows of the exhaustive tier come last and may be views of one number: a lower tier
does not look into them.  The random generator is seeded from the seed, the family and the format alone: a new family,
or a new row in another one, moves nothing.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pkgutil
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

import numpy as np

from conformance import calls
from conformance.cases._batches import batches, twins
from conformance.cases._questions import is_asked, questions
from conformance.cases._row import Row
from reference.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from types import ModuleType

    from conformance.values import Case, Tier
    from reference.formats import Format
    from reference.ops import Op

__all__ = ["BrokenFamily", "Family", "Row", "batches", "cases", "families", "fingerprint", "twins"]

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

    @cached_property
    def _first(self) -> Row:
        """Its first row, which says for all of them what they are questions of."""
        first = next(iter(self.rows(FORMATS["float32"], np.random.default_rng(0))), None)
        return first if isinstance(first, Row) else Row("", np.zeros(0))  # whose mistake is said where it is asked

    @property
    def takes_cotangent(self) -> bool:
        """Whether it asks for the vjps; otherwise for the functions themselves."""
        return self._first.cotangent is not None

    def asks(self, op: Op) -> bool:
        """Whether its rows are questions of an op."""
        return is_asked(self._first, op)


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
    ops: Sequence[Op],
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
        Each row is asked for each of them that it is a question of: rows with a cotangent for the vjps, others for the
        functions themselves.
    families
        Names of the families to ask; all where None.
    tier
        Rows whose lowest tier is at most this one.
    seed
        Decides every random row.

    Returns
    -------
    In the order of the families' names, of their rows, and of ``ops``; the cases of one row share their arrays, which
    cannot be written to.

    Raises
    ------
    ValueError
        If a family is unknown, gives a row that is not a valid question of the format, or rows with a cotangent and
        rows without one.
    """
    known = {family.name for family in _listed()}
    if unknown := sorted(set(families or ()) - known):
        raise ValueError(f"unknown families {unknown}; known: {sorted(known)}")
    return [
        case
        for family in _listed()
        if (families is None or family.name in families) and any(map(family.asks, ops))
        for rows in [family.rows(format, _generator(seed, family.name, format.name))]
        for case in questions(rows, format, ops, family=family.name, tier=tier)
    ]


@cache
def fingerprint() -> str:
    """A hash of the sources that decide what is asked, 16 hex digits: of every family, other packages' too."""
    digest = hashlib.blake2b(digest_size=8)
    shared = [calls, *(importlib.import_module(f"{__name__}.{module.name}")
                       for module in pkgutil.iter_modules(__path__) if module.name.startswith("_"))]  # fmt: skip
    modules = [*shared, *(inspect.getmodule(family.rows) for family in _listed())]
    for module in modules:
        source = inspect.getsource(module) if module else ""
        digest.update(hashlib.blake2b(source.encode(errors="backslashreplace")).digest())
    return digest.hexdigest()


def _generator(seed: int, family: str, format: str) -> np.random.Generator:
    digest = hashlib.blake2b(f"{seed}|{family}|{format}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))
