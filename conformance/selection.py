"""Which of all questions does somebody want asked?

Names are checked before anything starts: a name that means nothing is refused in one line that
lists the names there are.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from conformance import cases, frameworks
from conformance.frameworks import controls
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from conformance.values import Target

TIERS = tuple(tier.name.lower() for tier in Tier)

PROVES_NOT = {
    Tier.SMOKE: (
        "a few rows of each family: most lengths, axes, thresholds, fused operations and arguments of the op are "
        "not asked; nothing about speed; gradients, batches and threads only in the claims"
    ),
    Tier.STANDARD: (
        "rows up to 151,936 logits; nothing about speed; gradients, batches and threads only in the claims"
    ),
    Tier.EXHAUSTIVE: ("nothing about speed; gradients, batches and threads only in the claims"),
}
"""What a clean run of each tier does not prove; printed by every door."""


class UnknownName(Exception):
    """A name that means nothing here; the message lists the names there are."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown {what} {name!r}; known: {', '.join(known)}")


class MissingTarget(Exception):
    """A target that was asked for and is not here; the message says why."""


def known_targets() -> list[str]:
    """Every target there could be on the CPU, installed or not."""
    return [
        f"{name}/{mode}/cpu"
        for name in frameworks.names()
        for mode in (*frameworks.adapter(name).modes, *controls.CONTROLS)
    ]


def matches(target: Target | str, patterns: Sequence[str]) -> bool:
    """Whether any pattern is a glob of the target, or of its first parts; no pattern means all."""
    name = str(target)
    return not patterns or any(fnmatchcase(name, p) or fnmatchcase(name, f"{p}/*") for p in patterns)


def check_targets(patterns: Sequence[str]) -> None:
    """Refuse a pattern that no target could match on any device.

    Raises
    ------
    UnknownName
        Naming every target of the CPU.
    """
    known = known_targets()
    # A device is known only after its framework was imported; any cuda index is plausible before.
    plausible = known + [name.removesuffix("cpu") + f"cuda:{i}" for name in known for i in range(16)]
    for pattern in patterns:
        if not any(matches(name, [pattern]) for name in plausible):
            raise UnknownName("target", pattern, known)


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
    """Refuse an unknown family.

    Raises
    ------
    UnknownName
        Naming the known ones.
    """
    check_names("family", names, cases.families())


def wanted_frameworks(patterns: Sequence[str]) -> list[str]:
    """The frameworks that some pattern could mean: the only ones worth importing."""
    return [
        name
        for name in frameworks.names()
        if any(
            matches(f"{name}/{mode}/{device}", patterns)
            for mode in (*frameworks.adapter(name).modes, *controls.CONTROLS)
            for device in ("cpu", *(f"cuda:{i}" for i in range(16)))
        )
    ]
