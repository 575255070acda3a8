"""What a function of a user's own promises: its op, axes, layouts, ranks, lengths, masks.  Nothing else is asked of it.

A kernel's file says it once, with nothing of this suite imported::

    softmax.softmax_contract = {"axis": "last", "lengths": "power-of-two,<=65536"}

or ``@conformance.promises(axis="last", lengths="power-of-two,<=65536")`` above the function, which sets that attribute.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

ATTRIBUTE = "softmax_contract"
"""The attribute of a function that holds its contract, a dictionary."""

OPS = ("softmax", "log_softmax", "softmax_vjp", "log_softmax_vjp")
"""What a function may compute; the first where nothing is said."""

TERMS = {
    "axis": "'last'",
    "contiguous": "True",
    "rank": "a number from 0 on, or several",
    "lengths": "power-of-two, <=N, multiple-of-N, or several of them joined by commas",
    "masks": "'none'",
    "op": ", ".join(OPS[:-1]) + f" or {OPS[-1]}",
    "saved": "True",
}
"""Term of a contract → what may be said there."""

_LENGTHS = re.compile(r"power-of-two|<=(?P<most>[0-9]{1,18})|multiple-of-(?P<factor>[1-9][0-9]{0,17})")


_LONGEST = 2**40
"""Logits in a row; nobody asks as many."""


class BadContract(Exception):
    """A contract with a mistake; the message is one line that names what is allowed."""


@dataclass(frozen=True)
class Contract:
    """What is promised; an empty contract promises everything.

    Attributes
    ----------
    axis
        ``last``: only rows along the last axis; empty for every axis.
    contiguous
        Whether only arrays in C order are taken.
    rank
        The numbers of axes that are taken, sorted; empty for all.
    lengths
        What holds of every row length that is taken, all of it: ``power-of-two``, ``<=N``, ``multiple-of-N``.
    masks
        ``none``: no row with a lane of -inf, as masks make them; empty where such rows are taken.
    op
        What it computes, one of :data:`OPS`; empty where nobody has said.
    saved
        Whether a vjp takes what the forward pass returned in the place of the logits.
    """

    axis: str = ""
    contiguous: bool = False
    rank: tuple[int, ...] = ()
    lengths: tuple[str, ...] = ()
    masks: str = ""
    op: str = ""
    saved: bool = False

    @classmethod
    def of(cls, terms: object) -> Contract:
        """Read what an author has written, :data:`TERMS` with their values; an empty value promises nothing less.

        Raises
        ------
        BadContract
            If a term or a value is none of those.
        """
        if not isinstance(terms, Mapping):
            raise BadContract(f"a contract is a dictionary of {', '.join(TERMS)}, not {_shown(terms)}")
        for name in terms:
            if name not in TERMS:
                raise BadContract(f"contract: unknown term {_shown(name)}; known: {', '.join(TERMS)}")
        return cls(
            axis=_word(terms, "axis", "last"),
            contiguous=_flag(terms, "contiguous"),
            rank=_ranks(terms.get("rank")),
            lengths=_lengths(terms.get("lengths")),
            masks=_word(terms, "masks", "none"),
            op=_word(terms, "op", *OPS),
            saved=_flag(terms, "saved"),
        )._satisfiable()

    def terms(self) -> dict[str, Any]:
        """What :meth:`of` reads, as JSON has it: without the terms that leave nothing out."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items() if value}

    def both(self, other: Contract) -> Contract:
        """What this and another contract promise alike.

        Raises
        ------
        BadContract
            If they share no rank or no length, or name two ops.
        """
        ranks = tuple(rank for rank in self.rank or other.rank if rank in (other.rank or self.rank))
        if bool(self.rank or other.rank) != bool(ranks):
            raise BadContract(f"contract: of the ranks {_listed(self.rank)} and {_listed(other.rank)} none is in both")
        if self.op and other.op and self.op != other.op:
            raise BadContract(f"contract: op is {self.op} and {other.op}")
        return Contract(
            self.axis or other.axis,
            self.contiguous or other.contiguous,
            ranks,
            tuple(dict.fromkeys((*self.lengths, *other.lengths))),
            self.masks or other.masks,
            self.op or other.op,
            self.saved or other.saved,
        )._satisfiable()

    def _satisfiable(self) -> Contract:
        if self.lengths and not self.nearest(1):
            raise BadContract(f"contract: no length is promised by {', '.join(self.lengths)}")
        if self.saved and self.op and not self.op.endswith("_vjp"):
            raise BadContract(f"contract: saved is for a backward pass, {OPS[2]} or {OPS[3]}, not for {self.op}")
        return self

    def settled(self) -> Contract:
        """The same with an op, where nobody has said one.

        Raises
        ------
        BadContract
            If it takes what was saved and is no backward pass.
        """
        return (self if self.op else replace(self, op=OPS[0]))._satisfiable()

    @property
    def narrows(self) -> bool:
        """Whether some questions of its op are not to be asked."""
        return replace(self, op="", saved=False) != EVERYTHING

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of what a function is called with."""
        return ("y" if self.saved else "x", "axis", *(["g"] if self.op.endswith("_vjp") else []))

    def nearest(self, length: int) -> int:
        """The promised length that is nearest to another, the shorter of two; 0 where none from 1 on is promised."""
        matches = [_LENGTHS.fullmatch(rule) for rule in self.lengths]
        most = min((int(match["most"]) for match in matches if match and match["most"]), default=_LONGEST)
        step = math.lcm(*(int(match["factor"]) for match in matches if match and match["factor"]))
        candidates = {length // step * step, (length // step + 1) * step, most // step * step}
        if "power-of-two" in self.lengths:
            candidates = {2**k for k in range(_LONGEST.bit_length())}
        promised = (n for n in candidates if n > 0 and not any(_too(n, rule) for rule in self.lengths))
        return min(promised, key=lambda n: (abs(n - length), n), default=0)

    @property
    def small(self) -> tuple[int, ...]:
        """The shape of a small promised array; its rows lie along the last axis."""
        rank = 2 if not self.rank or 2 in self.rank else self.rank[0]
        return ((2 if rank == 2 else 1,) * (rank - 1) + (self.nearest(2),)) if rank else ()

    def excludes(self, shape: Sequence[int], axis: int, layout: str, *, masked: bool) -> str:
        """Why an array is not to be asked, as the end of a sentence; empty where it is.

        Parameters
        ----------
        shape, axis
            Of the array; the axis may be negative, and out of range.
        layout
            Empty for C order.
        masked
            Whether a lane is -inf.
        """
        rank = len(shape)
        if self.axis and axis not in (-1, rank - 1):
            return "along another axis than the last"
        if self.contiguous and layout:
            return "not contiguous in memory"
        if self.rank and rank not in self.rank:
            return f"of another rank than {_listed(self.rank)}"
        length = shape[axis] if -rank <= axis < rank else 1
        for rule in self.lengths:
            if why := _too(length, rule):
                return why
        return "with a lane of -inf, as masks make them" if self.masks and masked else ""


EVERYTHING = Contract()
"""The contract of a framework, and of a function that says nothing."""


def promises(**terms: Any) -> Callable[[Any], Any]:
    """Say in a kernel's file what it promises: a decorator that sets the attribute :data:`ATTRIBUTE`.

    Parameters
    ----------
    terms
        Those of :data:`TERMS`.

    Raises
    ------
    BadContract
        If a term or a value is none of those.
    """
    Contract.of(terms)

    def mark(function: Any) -> Any:
        setattr(function, ATTRIBUTE, terms)
        return function

    return mark


def _word(terms: Mapping[str, Any], name: str, *allowed: str) -> str:
    value = terms.get(name)
    if value is None or (isinstance(value, str) and not value):
        return ""
    if not isinstance(value, str) or value not in allowed:
        raise _refused(name, value)
    return value


def _flag(terms: Mapping[str, Any], name: str) -> bool:
    value = terms.get(name)
    if value not in (None, True, False):
        raise _refused(name, value)
    return bool(value)


def _ranks(value: object) -> tuple[int, ...]:
    if value is None:
        return ()
    listed = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if any(type(rank) is not int or not 0 <= rank <= 64 for rank in listed):
        raise _refused("rank", value)
    return tuple(sorted(set(listed)))


def _lengths(value: object) -> tuple[str, ...]:
    if value in (None, ""):
        return ()
    listed = value.split(",") if isinstance(value, str) else value
    if not isinstance(listed, Sequence) or not all(isinstance(rule, str) for rule in listed):
        raise _refused("lengths", value)
    rules = [rule.strip() for rule in listed]
    for rule in rules:
        if not _LENGTHS.fullmatch(rule):
            raise _refused("lengths", rule)
    return tuple(dict.fromkeys(rules))


def _too(length: int, rule: str) -> str:
    """Why a length breaks a rule; empty where it does not."""
    match = _LENGTHS.fullmatch(rule)
    assert match is not None
    if match["most"]:
        return "" if length <= int(match["most"]) else f"of more than {match['most']} logits in a row"
    if match["factor"]:
        return "" if length % int(match["factor"]) == 0 else f"of a length that is no multiple of {match['factor']}"
    return "" if length & (length - 1) == 0 < length else "of a length that is no power of two"


def _refused(name: str, value: object) -> BadContract:
    return BadContract(f"contract: {name} is {TERMS[name]}, not {_shown(value)}")


def _listed(ranks: Sequence[int]) -> str:
    return " or ".join(map(str, ranks))


def _shown(value: object) -> str:
    """An author's value in one line."""
    try:
        return ascii(value)[:60]
    except Exception:  # noqa: BLE001 - it may be of the author's own making
        return f"an object of type {type(value).__name__}"
