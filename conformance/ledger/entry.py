"""The entries and faults of a ledger, and how they are read from TOML: strictly, with one line for each mistake."""

from __future__ import annotations

import contextlib
import datetime as dt  # noqa: TC003 - the reader looks at annotations while it runs
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from conformance.judgement.checks import kinds, severity_of
from conformance.judgement.policies import POLICIES
from conformance.record.typed import WrongData, from_json, nearest, printable, shown
from conformance.values import Severity, Tier

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REGION = ("target", "op", "dtype", "family", "case")
"""Fields that are lists of names, and columns of a record: which observations an entry speaks of."""


class BadLedger(Exception):
    """A ledger that does not say what it must; the message names file, entry and field in one line."""


@dataclass(frozen=True)
class Fault:
    """A cause with a name, to which entries belong: what a reader is told who does not know the suite.

    Attributes
    ----------
    id
        Unique over all ledgers of a run, without spaces, commas and semicolons; an entry says it as its ``fault``.
    title
        What is wrong, of whom, in one sentence without a full stop.
    what
        What happens, with figures.
    why
        Where it comes from.
    whom
        Whom it hurts.
    instead
        What to do about it.
    link
        Where it is reported or mended.
    source
        The file it stands in.
    """

    id: str
    title: str
    what: str
    why: str = ""
    whom: str = ""
    instead: str = ""
    link: str = ""
    source: str = ""


@dataclass(frozen=True)
class Entry:
    """One known finding.

    Attributes
    ----------
    id
        Unique in the ledger, without spaces, commas and semicolons.
    target
        Names of one framework, or of one kernel: framework/mode/device without a version, or the first of these parts:
        ``torch/eager`` is that mode on every device.
    op, dtype, family, case
        Names; empty for everything.
    kind
        The kind of finding, obligatory: a new kind of failure on a known case stays unexpected.  The name of a policy
        question means that the framework answers it in several ways.
    reason
        ``by-design`` (documented upstream), ``upstream`` (reported), ``unreported``, ``platform``; ``unexplained`` until
        somebody has said which.
    note
        What happens, and why; empty only where that is unexplained.
    platform
        Where it was seen: architecture and widest vector set (``x86_64/avx512``), or ``any`` where it follows from the
        arithmetic and not from a kernel.
    versions
        Of the framework whose arrays they are, as PEP 440 says it: ``>=2.13`` from the first release on in which it
        was seen, ``==2.13.*``, or ``===NAME`` for a version that is no number.
    tier
        The lowest tier whose rows show it.
    flaky
        True where the same program shows it in one process and not in the next: it is known and never stale.
    reproduce
        One line of Python that shows it with the framework alone, ending in a comment with what it prints, or with the
        exception it raises.
    witness
        One of its rows, and what is wrong there.
    link
        Where it is reported, or the change upstream that brought it or mended it.
    seen
        The day it was seen last.
    fault
        The id of the fault it belongs to; empty where its note is all that is said.
    source
        The file it stands in.
    told
        The fault of that id.
    """

    id: str
    target: tuple[str, ...]
    kind: str
    reason: Literal["by-design", "upstream", "unreported", "platform", "unexplained"]
    versions: str
    platform: tuple[str, ...]
    seen: dt.date
    op: tuple[str, ...] = ()
    dtype: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    case: tuple[str, ...] = ()
    note: str = ""
    tier: Tier = Tier.SMOKE
    flaky: bool = False
    reproduce: str = ""
    witness: str = ""
    link: str = ""
    fault: str = ""
    source: str = ""
    told: Fault | None = None

    @property
    def policy(self) -> bool:
        """Whether its kind is a policy question."""
        return self.kind in POLICIES

    @property
    def severity(self) -> Severity:
        """What a finding of its kind means."""
        return Severity.DEGRADED if self.policy else severity_of(self.kind)

    def names(self, column: str, value: str) -> bool:
        """Whether its list for a column of :data:`REGION` holds a value."""
        wanted = getattr(self, column)
        return not wanted or any(is_named(column, value, name) for name in wanted)

    def covers(self, *, target: str, op: str, dtype: str, family: str, version: str) -> bool:
        """Whether it may speak of rows of that family there, whatever their case."""
        place = {"target": target, "op": op, "dtype": dtype, "family": family}
        fits = all(self.names(column, value) for column, value in place.items())
        return fits and covers_version(self.versions, version)

    def region(self, rows: pd.DataFrame) -> pd.Series:
        """Which rows it speaks of, a boolean for each; ``rows`` has the columns of a record."""
        speaks = pd.Series(data=True, index=rows.index)
        for column in REGION:
            if getattr(self, column):
                found = rows[column]
                speaks &= found.isin([value for value in found.unique() if self.names(column, value)])
        found = rows["version"]
        return speaks & found.isin([value for value in found.unique() if covers_version(self.versions, value)])

    def binds_on(self, platform: str, tier: Tier) -> bool:
        """Whether a missing finding is a failure on this platform in this tier, and not just a remark.

        A finding that is only degraded may hang on a last bit, which two processors of a platform need not share.
        """
        firm = not self.flaky and self.severity is Severity.VIOLATION
        return firm and self.seen_on(platform) and self.tier <= tier

    def seen_on(self, platform: str) -> bool:
        """Whether the platform is one of those it was seen on."""
        return not {"any", platform}.isdisjoint(self.platform)


def framework_of(target: str) -> str:
    """The framework, or the kernel, of a target or of its first parts."""
    return target.partition("/")[0].partition(":")[0]


def is_named(column: str, value: str, name: str) -> bool:
    """Whether a name of an entry is that of a value; a target may be named by its first parts."""
    return value == name or (column == "target" and value.startswith(f"{name}/"))


@cache
def covers_version(versions: str, version: str) -> bool:
    """Whether a specifier holds a version, without its local part; one that is no number is held by ``===`` alone."""
    with contextlib.suppress(InvalidVersion):
        version = Version(version).public
    return SpecifierSet(versions, prereleases=True).contains(version)


def read(sources: Mapping[str, str]) -> tuple[Entry, ...]:
    """Read and refuse.

    Parameters
    ----------
    sources
        File name → TOML text.

    Raises
    ------
    BadLedger
        In one line: a misspelt field, an unknown kind or reason, the same id twice, a fault that no entry names or none is.
    """
    entries: dict[str, Entry] = {}
    faults: dict[str, Fault] = {}
    for name, text in sources.items():
        told, known = _read(name, text)
        for fault in told:
            if fault.id in faults:
                raise BadLedger(f"{name}: fault {fault.id}: stands twice, in {faults[fault.id].source} too")
            faults[fault.id] = fault
        for entry in known:
            if entry.id in entries:
                raise BadLedger(f"{name}: entry {entry.id}: stands twice, in {entries[entry.id].source} too")
            entries[entry.id] = entry
    found = tuple(_told(entry, faults) for entry in entries.values())
    for fault in faults.values():
        if not any(entry.fault == fault.id for entry in found):
            raise BadLedger(f"{fault.source}: fault {fault.id}: no entry is of this fault")
    return found


def _told(entry: Entry, faults: Mapping[str, Fault]) -> Entry:
    """An entry with the fault that it names."""
    if not entry.fault:
        return entry
    if entry.fault not in faults:
        near = nearest(entry.fault, sorted(faults))
        raise BadLedger(f"{entry.source}: entry {entry.id}: fault: there is no fault {shown(entry.fault)}{near}")
    return replace(entry, told=faults[entry.fault])


def own() -> dict[str, str]:
    """The sources of the project's own ledger."""
    folder = resources.files("conformance.ledger")
    files = [file for file in sorted(folder.iterdir(), key=str) if file.name.endswith(".toml")]
    return {f"conformance/ledger/{file.name}": file.read_text("utf-8") for file in files}


def files(paths: Iterable[str | Path]) -> dict[str, str]:
    """The sources of ledgers of somebody's own.

    Raises
    ------
    BadLedger
        Where a file cannot be read.
    """
    sources = {}
    for path in paths:
        try:
            sources[str(path)] = Path(path).read_bytes().decode("utf-8")  # line ends as they are
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise BadLedger(f"{path}: {why}") from None
    return sources


@cache
def _read(name: str, text: str) -> tuple[tuple[Fault, ...], tuple[Entry, ...]]:
    """The faults and entries of one file; whoever checks one kernel after the other reads the same ones again and again."""
    faults, entries = _tables(name, text)
    return tuple(_fault(name, table) for table in faults), tuple(_entry(name, table) for table in entries)


def _tables(name: str, text: str) -> tuple[list[Any], list[Any]]:
    try:
        whole = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadLedger(f"{name}: {printable(str(error))}") from None
    for other in whole:
        if other not in ("fault", "entry"):
            raise BadLedger(f"{name}: {shown(other)}: a ledger has tables [[entry]] and [[fault]] and nothing else")
    for kind in ("fault", "entry"):
        tables = whole.get(kind, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise BadLedger(f"{name}: {kind}: tables [[{kind}]] are wanted, not {shown(tables)}")
    return whole.get("fault", []), whole.get("entry", [])


def _fault(name: str, table: dict[str, Any]) -> Fault:
    place = f"{name}: fault {shown(table.get('id', '?'))}".replace("'", "")
    if "source" in table:
        raise BadLedger(f"{place}: source: no such field{nearest('source', sorted(Fault.__dataclass_fields__))}")
    try:
        fault: Fault = from_json(Fault, table | {"source": printable(name)}, defaults=True)
        _refuse_id(fault.id)
        for field in ("title", "what"):
            if not getattr(fault, field):
                raise WrongData(f"{field}: it is empty")  # noqa: TRY301
    except WrongData as error:
        raise BadLedger(f"{place}: {error}") from None
    return fault


def _entry(name: str, table: dict[str, Any]) -> Entry:
    place = f"{name}: entry {shown(table.get('id', '?'))}".replace("'", "")
    for column in REGION[1:]:
        if table.get(column) == []:
            raise BadLedger(f"{place}: {column}: a list of names is wanted; leave the field out for everything")
    for made in ("source", "told"):
        if made in table:
            raise BadLedger(f"{place}: {made}: no such field{nearest(made, sorted(_FIELDS))}")
    try:
        entry: Entry = from_json(Entry, table | {"source": printable(name)}, defaults=True)
        _refuse_values(entry)
    except WrongData as error:
        raise BadLedger(f"{place}: {error}") from None
    return entry


_FIELDS = set(Entry.__dataclass_fields__) - {"source", "told"}


def _refuse_values(entry: Entry) -> None:
    """Refuse what has the right type and says nothing."""
    _refuse_id(entry.id)
    if len({framework_of(name) for name in entry.target}) != 1:
        raise WrongData("target: names of one framework are wanted, since versions are those of one")
    if not entry.platform:
        raise WrongData("platform: a list of names is wanted, or ['any']")
    if entry.kind not in (known := (*kinds(), *POLICIES)):
        raise WrongData(f"kind: unknown kind {shown(entry.kind)}; known: {', '.join(known)}")
    if not entry.note and entry.reason != "unexplained":
        raise WrongData("note: it is empty: say what happens and why, or that it is 'unexplained'")
    if not _is_specifier(entry.versions):
        raise WrongData(f"versions: a PEP 440 specifier such as '>=2.13,<3' is wanted, not {shown(entry.versions)}")
    if entry.reproduce and "  # " not in entry.reproduce:
        raise WrongData("reproduce: one line of Python and a comment with what it prints is wanted")


def _refuse_id(name: str) -> None:
    if not name or set(name) & set(" ,;"):
        raise WrongData(f"id: a name without spaces, commas and semicolons is wanted, not {shown(name)}")


def _is_specifier(versions: str) -> bool:
    """Whether it is a specifier that says something."""
    try:
        return len(SpecifierSet(versions)) > 0
    except InvalidSpecifier:
        return False
