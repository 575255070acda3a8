"""The plan: which targets are asked which questions, for every door.

Names are checked before anything starts: a name that means nothing is refused in one line that lists the names there are.
A *sheet* is every question of one op and format; a *task* is one target asked one sheet.
"""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from conformance import cases, frameworks
from conformance.asking.narrowing import FITTED, NOT_CHOSEN, fitted, left_out_by, names_case
from conformance.asking.saved import saved
from conformance.frameworks import controls
from conformance.frameworks.contract import EVERYTHING, Contract
from conformance.values import Target, Tier
from reference.formats import FORMATS
from reference.ops import OPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from conformance.asking.hello import Hello
    from conformance.values import Batch, Case
    from reference.formats import Format
    from reference.ops import Op

TIERS = tuple(tier.name.lower() for tier in Tier)

PROVES_NOT = {
    Tier.SMOKE: (
        "a few rows of each family: most lengths, axes, thresholds, fused operations and arguments of the op are "
        "not asked; nothing about speed; batches and threads only in the claims"
    ),
    Tier.STANDARD: ("rows up to 262,144 logits; nothing about speed; batches and threads only in the claims"),
    Tier.EXHAUSTIVE: ("nothing about speed; batches and threads only in the claims"),
}
"""What a clean run of each tier does not prove; printed by every door."""


STRUCTURAL = ("axes", "layout", "vjp_layout")
"""Families about ranks, axes and strides: each of their rows is a compilation of its own in a mode that compiles."""

THINNED = {
    Tier.SMOKE: (
        "modes that compile or interpret a function, and those that lead to the kernels of another mode, are asked in float32, "
        "and in float16 without the families axes, layout and vjp_layout; the textbook controls in float32 and float16; "
        "where all formats are asked"
    ),
    Tier.STANDARD: (
        "modes that compile or interpret a function are asked the families axes, layout and vjp_layout whole in float32, and in "
        "the other formats their rows of the smoke tier alone; modes that lead to the kernels of another mode are asked the "
        "rows of the smoke tier, and those with a mask that the op takes, alone; where all formats are asked"
    ),
}
"""What the plan leaves out in a tier.

Each array is a compilation in each format.  A compiler makes its loops from ranks, axes and strides, and a format enters
them where numbers are loaded and stored, as itself or by a conversion: float32 has the one, float16 the other.  An
interpreter takes as long as a compiler.  Modes that do neither are asked everything in every format.  In the published
record no finding of a compiled mode stands in what is left out alone.

What a further mode (``Adapter.further``: a mapped function, another name of it) has of its own is how it reaches a kernel:
axes, ranks, dtypes and masks, which the rows of the smoke tier and those of the way ``where`` have.  The kernel is asked everything in the mode it is of.
"""

WHOLE = "float32"
"""The format in which a mode that compiles is asked everything."""

SMOKE_FORMATS = (WHOLE, "float16")
"""The formats that modes that compile, further modes, and the controls are asked in by the smoke tier."""


_ELSEWHERE = {
    "half": "float16", "fp16": "float16", "f16": "float16", "single": "float32", "float": "float32", "fp32": "float32",
    "f32": "float32", "double": "float64", "fp64": "float64", "f64": "float64", "bf16": "bfloat16",
}  # fmt: skip
"""What dtypes are called elsewhere; an adapter says it of its framework."""


class UnknownName(Exception):
    """A name that means nothing here; the message lists the names there are."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        known = list(known)
        word = name.partition("/")[0] if what == "target" else name
        adapters = {other: name for name in frameworks.own() for other in frameworks.adapter(name).also}
        elsewhere = (_ELSEWHERE | adapters).get(word.lower())
        near = [elsewhere] if elsewhere in known else difflib.get_close_matches(word, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        super().__init__(f"unknown {what} {name!r}{hint} known: {', '.join(known)}".replace("' known", "'; known"))


class MissingTarget(Exception):
    """A target that was asked for and is not here; the message says why."""


def check_names(what: str, names: Sequence[str], known: Iterable[str]) -> None:
    """Refuse a name that is not among the known ones.

    Raises
    ------
    UnknownName
        Naming the known ones.
    """
    known = list(known)
    for name in names:
        if name not in known:
            raise UnknownName(what, name, known)


def check_families(names: Sequence[str]) -> None:
    """Refuse an unknown family, as :func:`check_names` does."""
    check_names("family", names, cases.families())


def asked(ops: Sequence[str], families: Sequence[str]) -> tuple[str, ...]:
    """Those of the ops that some of the families (all where empty) have questions of, in their order.

    Raises
    ------
    UnknownName
        If there is none, naming the families that have.
    """
    known = cases.families()
    found = tuple(op for op in ops if any(known[name].asks(OPS[op]) for name in families or known))
    if not found:
        have = [name for name, family in known.items() if any(family.asks(OPS[op]) for op in ops)]
        raise UnknownName(f"family of {', '.join(ops)}", families[0], have)
    return found


def matches(name: Target | str, patterns: Sequence[str]) -> bool:
    """Whether any pattern is a glob of a target, or of its first parts; no pattern means all.

    A pattern that names no variant means each.
    """
    if isinstance(name, Target):
        plain = replace(name, variant="")
        return any(matches(text, patterns) for one in (name, plain) for text in (str(one), one.versioned))
    return not patterns or any(fnmatchcase(name, p) or fnmatchcase(name, f"{p}/*") for p in patterns)


def wanted(pattern: str, framework: str, variant: str | None = None) -> bool:
    """Whether a pattern of targets may mean one of a framework, and of a variant, before anybody knows its modes."""
    head, _, named = pattern.partition("/")[0].partition("@")[0].partition(":")
    return fnmatchcase(framework, head) and (variant is None or not named or fnmatchcase(variant, named))


def check_chosen(sheets: Sequence[Sheet], selection: Selection) -> None:
    """Refuse a glob of cases that means none, and a selection that leaves nothing to ask.

    Raises
    ------
    UnknownName
        Naming the families.
    MissingTarget
        Saying what was left out.
    """
    for pattern in (*selection.only, *selection.skip):
        if not any(names_case(pattern, case) for sheet in sheets for case in sheet.all):
            raise UnknownName("case or family", pattern, cases.families())
    if not any(sheet.cases for sheet in sheets):
        raise MissingTarget(f"nothing is left to be asked: {'; '.join(left_out(sheets))}")


def left_out(sheets: Sequence[Sheet]) -> list[str]:
    """What is not asked and why, a phrase each; cases that the user has not chosen need no reason."""
    counts: Counter[str] = sum((Counter(sheet.left_out) for sheet in sheets), Counter())
    return [
        f"{count:,} question{'' if count == 1 else 's'} {why}" for why, count in counts.items() if why != NOT_CHOSEN
    ]


def check_targets(patterns: Sequence[str], known: Sequence[str]) -> None:
    """Refuse a pattern that means no framework there is an adapter for.

    Raises
    ------
    UnknownName
        Naming the frameworks.
    """
    for pattern in patterns:
        if not any(wanted(pattern, name) for name in known):
            raise UnknownName("target", pattern, known)


@dataclass(frozen=True)
class Selection:
    """Which questions.

    Attributes
    ----------
    families
        All where empty.
    contract
        What a kernel promises; the rest is left out.
    only, skip
        Globs of families, cases, or family/case: of all where ``only`` is empty, without those of ``skip``.
    """

    tier: Tier
    seed: int = 0
    families: tuple[str, ...] = ()
    contract: Contract = EVERYTHING
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()

    @property
    def narrowed(self) -> bool:
        """Whether something may be left out of the families."""
        return bool(self.only or self.skip or self.contract.narrows)


@dataclass(frozen=True, eq=False)
class Sheet:
    """Every question of a selection about one op and format, as the batches they travel in.

    Attributes
    ----------
    twins
        Id of a question → every case that asks it, of several families.
    """

    op: Op
    format: Format
    selection: Selection

    @cached_property
    def all(self) -> tuple[Case, ...]:
        """Each case of the families, in their order, whether it is asked or not."""
        asked = cases.cases(
            self.format,
            (self.op,),
            families=self.selection.families or None,
            tier=self.selection.tier,
            seed=self.selection.seed,
        )
        return tuple(asked)

    @cached_property
    def _narrowed(self) -> tuple[tuple[Case, str], ...]:
        """Each case as the contract has it, and why it is not asked; empty where it is."""
        selection = self.selection
        pairs = ((case, fitted(case, selection.contract)) for case in self.all)
        return tuple(
            (fit, left_out_by(case, fit, selection.contract, selection.only, selection.skip)) for case, fit in pairs
        )

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """Each case that is asked."""
        asked = (case for case, why in self._narrowed if not why)
        return tuple(map(saved, asked) if self.selection.contract.saved else asked)

    @cached_property
    def left_out(self) -> Mapping[str, int]:
        """Why cases are not asked, or not as they are → how many."""
        counts = Counter(why for _, why in self._narrowed if why)
        asked = ((case, one) for case, (one, why) in zip(self.all, self._narrowed, strict=True) if not why)
        counts[FITTED] += sum(case.logits.size != one.logits.size for case, one in asked)
        return +counts

    @cached_property
    def batches(self) -> tuple[Batch, ...]:
        """What a framework's own function is asked."""
        return tuple(cases.batches(self.cases))

    @cached_property
    def twins(self) -> dict[str, tuple[Case, ...]]:
        """See the class."""
        return cases.twins(self.cases)

    @cached_property
    def thinned(self) -> tuple[Batch, ...]:
        """What a mode that compiles is asked in a format other than :data:`WHOLE`: see :data:`THINNED`."""

        def kept(case: Case) -> bool:
            return case.family not in STRUCTURAL or case.tier < self.selection.tier

        return tuple(batch for batch in self.batches if batch.stacked or any(map(kept, self.twins[batch.cases[0].id])))

    @cached_property
    def further(self) -> tuple[Batch, ...]:
        """What a further mode is asked: see :data:`THINNED`."""
        kept = [case for case in self.cases if case.tier is Tier.SMOKE or case.call.way == "where"]
        return tuple(cases.batches(kept))

    def of(self, task: Task) -> tuple[Batch, ...]:
        """The batches of a task: a control has fewer questions, and none with anything in front of the op."""
        if task.further and self.selection.tier > Tier.SMOKE:
            return self.further
        if task.thinned:
            return self.thinned
        if not task.target.control:
            return self.batches
        families = controls.CONTROLS[task.target.mode].families
        asked = [
            case for case in self.cases if case.family in families and case.call.way == "plain" and not case.call.layout
        ]
        return tuple(cases.batches(asked))


@dataclass(frozen=True)
class Task:
    """One target asked one sheet.

    Attributes
    ----------
    thinned
        Whether some of its questions are left out; see :data:`THINNED`.
    further
        Whether they are because its mode leads to the kernels of another one.
    """

    target: Target
    op: Op
    dtype: str
    selection: Selection
    thinned: bool
    further: bool

    def __str__(self) -> str:
        return f"{self.target} {self.op} {self.dtype}"

    @property
    def sheet(self) -> tuple[str, str]:
        """Its op and dtype, by name."""
        return self.op.name, self.dtype

    @property
    def id(self) -> str:
        """A hash of who is asked what by which families: 16 hex digits."""
        return task_id(self.target, self.op.name, self.dtype, self.selection)


def task_id(target: Target, *what: object) -> str:
    """A hash of a target and of what it is asked, for one state of the families: 16 hex digits."""
    parts = (target.versioned, target.control, *what, cases.fingerprint())
    return hashlib.blake2b(repr(parts).encode(errors="backslashreplace"), digest_size=8).hexdigest()


def sheet(op: Op, dtype: str, selection: Selection) -> Sheet:
    """The questions of an op and a format, by its name."""
    return _kept_sheet(op, dtype, selection) if selection.tier is Tier.SMOKE else Sheet(op, FORMATS[dtype], selection)


@lru_cache(maxsize=8)
def _kept_sheet(op: Op, dtype: str, selection: Selection) -> Sheet:
    """A sheet of the smoke tier is small, and whoever checks one function after the other asks it again and again."""
    return Sheet(op, FORMATS[dtype], selection)


def targets(hello: Hello) -> list[Target]:
    """Every target of a subject: its own functions in every mode on every device, and the controls beside them."""
    name, variant, version = hello.framework, hello.variant, hello.version
    own = [Target(name, mode, device, variant, version) for device in hello.devices for mode in hello.modes]
    textbook = [
        Target(name, control, device, variant, version, control=True)
        for device in hello.devices
        for control in hello.controls
    ]
    return own + textbook


def thins(dtypes: Sequence[str], tier: Tier) -> bool:
    """Whether something is left out: see :data:`THINNED`.

    Whoever names formats is asked in those, whole.
    """
    return tier in THINNED and set(dtypes) == set(FORMATS)


def tasks(
    hello: Hello, chosen: Sequence[Target], op: str, dtype: str, selection: Selection, *, thin: bool = False
) -> list[Task]:
    """What the chosen targets of a subject are asked of an op in a format; a control only ops it has a formula of.

    Parameters
    ----------
    thin
        Whether to leave out what :data:`THINNED` says.
    """
    smoke = thin and selection.tier is Tier.SMOKE and dtype not in SMOKE_FORMATS
    found = []
    for target in chosen:
        if target.control and op not in hello.controls[target.mode]:
            continue
        further = target.mode in hello.further
        less = further or target.mode in hello.compiled
        if smoke and (less or target.control):
            continue
        found.append(Task(target, OPS[op], dtype, selection, thin and less and dtype != WHOLE, thin and further))
    return found


def ops() -> tuple[str, ...]:
    """The names of the ops that can be asked, all of them by default."""
    return tuple(OPS)


def dtypes() -> tuple[str, ...]:
    """The names of the formats that can be asked."""
    return tuple(FORMATS)


def known_frameworks() -> tuple[str, ...]:
    """Every framework there is an adapter for in this interpreter, installed or not."""
    return frameworks.names()
