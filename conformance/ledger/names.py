"""An entry that can match nothing is a mistake, and is said before anything is asked."""

from __future__ import annotations

import contextlib
import difflib
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from conformance import cases, frameworks
from conformance.frameworks.kernel import known_frameworks
from conformance.ledger.entry import BadLedger
from conformance.record.machine import PLATFORMS, this_platform
from conformance.record.typed import shown
from reference.formats import EVERY_FORMAT, FORMATS
from reference.ops import OPS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from conformance.ledger.entry import Entry
    from conformance.values import Tier

DEVICES = ("cpu", "gpu", "mps", *(f"{kind}:{i}" for kind in ("cuda", "rocm", "tpu", "xpu") for i in range(16)))
"""Devices that a framework might report; which of them there are is known only once it is imported."""

OTHER_DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "complex64", "complex128",
)  # fmt: skip
"""Dtypes of arrays that are handed over besides the formats."""

OTHER_WORKERS = {"tfjs": ("eager",), "tfjs:wasm": ("eager",), "onnxruntime-node": ("opset13",)}
"""The modes of the frameworks that the project asks through a worker in another language (``examples/node-worker``)."""


@dataclass(frozen=True)
class Names:
    """The names that there are.

    Attributes
    ----------
    modes
        Framework, with its variant where it has one, → how its functions can be run.
    cases
        (family, tier) → the names of its cases; called only where an entry names cases.
    arrays
        The frameworks whose arrays a kernel may take; a kernel's target is NAME/ARRAYS/DEVICE.
    """

    modes: Mapping[str, Collection[str]]
    ops: Collection[str]
    dtypes: Collection[str]
    families: Collection[str]
    cases: Callable[[str, Tier], Collection[str]]
    arrays: Collection[str]
    devices: Collection[str] = DEVICES
    platforms: Collection[str] = field(default=("any", *PLATFORMS))


def known_names() -> Names:
    """The names of every adapter, op, dtype and family that is installed.

    No framework is imported: modes and variants stand in its adapter.  Another package's adapter is not imported either,
    and may have any mode.
    """
    modes: dict[str, set[str]] = {name: set(known) for name, known in OTHER_WORKERS.items()}
    for name in set(frameworks.names()) - set(frameworks.own()):
        modes[name] = set()  # another package's adapter, which nobody imports to know its modes
    for name in frameworks.own():
        adapter = frameworks.adapter(name)
        for variant in getattr(adapter, "variants", ()):
            target = f"{name}:{variant.name}" if variant.name else name
            modes.setdefault(target, set()).update(variant.modes or adapter.modes)
        modes.setdefault(name, set()).update(adapter.modes)
    return Names(
        modes=modes,
        ops=tuple(OPS),
        dtypes=(*EVERY_FORMAT, *OTHER_DTYPES),
        families=tuple(cases.families()),
        cases=_case_names,
        arrays=known_frameworks(),
        platforms=tuple(dict.fromkeys(("any", *PLATFORMS, this_platform()))),
    )


@cache
def _case_names(family: str, tier: Tier) -> tuple[str, ...]:
    asked = (
        case.name
        for format in FORMATS.values()
        for case in cases.cases(format, tuple(OPS.values()), families=[family], tier=tier, seed=0)
    )
    return tuple(dict.fromkeys(asked))


def check(entries: Iterable[Entry], names: Names) -> None:
    """Refuse entries that can match nothing.

    Raises
    ------
    BadLedger
        In one line, with file, entry and field, and the name that is nearest.
    """
    for entry in entries:
        for target in entry.target:
            _check_target(entry, target, names)
        for column, known in (("op", names.ops), ("dtype", names.dtypes), ("family", names.families)):
            for name in getattr(entry, column):
                _refuse_unknown(entry, column, name, known)
        for name in entry.platform:
            _refuse_unknown(entry, "platform", name, names.platforms)
        if entry.case:
            families = entry.family or names.families
            known = tuple(dict.fromkeys(case for family in families for case in names.cases(family, entry.tier)))
            for name in entry.case:
                _refuse_unknown(entry, "case", name, known)
        if not satisfiable(entry.versions):
            raise BadLedger(f"{_place(entry)}: versions: no version is {entry.versions}")


def _place(entry: Entry) -> str:
    return f"{entry.source}: entry {entry.id}"


def is_kernel(target: str, arrays: Collection[str] | None = None) -> bool:
    """Whether a target, or its first parts, may be a kernel's: NAME/ARRAYS/DEVICE."""
    parts = target.split("/")
    return len(parts) > 1 and parts[1] in (known_frameworks() if arrays is None else arrays)


def _check_target(entry: Entry, target: str, names: Names) -> None:
    framework, *rest = target.split("/")
    if len(rest) > 2:
        raise BadLedger(f"{_place(entry)}: target: framework/mode/device is wanted, not {shown(target)}")
    if not is_kernel(target, names.arrays):  # which may have any name
        _refuse_unknown(entry, "target", framework, names.modes, "framework")
        if rest and names.modes[framework]:
            _refuse_unknown(entry, "target", rest[0], sorted(names.modes[framework]), f"mode of {framework}")
    for device in rest[1:]:
        _refuse_unknown(entry, "target", device, names.devices, "device")


def _refuse_unknown(entry: Entry, column: str, name: str, known: Collection[str], what: str = "") -> None:
    if name in known:
        return
    near = difflib.get_close_matches(name, [*known], n=1, cutoff=0.0)
    hint = f"; the nearest is {near[0]!r}" if near else ""
    raise BadLedger(f"{_place(entry)}: {column}: no {what or column} is called {shown(name)}{hint}")


def satisfiable(versions: str) -> bool:
    """Whether some version is in a specifier: the first or the last there is, one of its ends, or the next after one."""
    wanted = SpecifierSet(versions, prereleases=True)
    candidates = {"0", "0.1", "99999"}
    for specifier in wanted:
        end = specifier.version.removesuffix(".*")
        candidates.add(end)
        with contextlib.suppress(InvalidVersion):  # a name behind ===
            version = Version(end)
            release = [*version.release]
            candidates |= {
                f"{version.base_version}.0.1",
                ".".join(map(str, [*release[:-1], release[-1] + 1])),
            }
    return any(wanted.contains(candidate) for candidate in candidates)
