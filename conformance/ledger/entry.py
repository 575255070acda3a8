"""The entries of a ledger, and how they are read from TOML: strictly, with one line for each mistake."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - the reader looks at annotations while it runs
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from conformance.judgement.checks import kinds, severity_of
from conformance.record.typed import WrongData, from_json, nearest, printable, shown
from conformance.values import Severity, Tier

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

PATTERNS = ("target", "op", "dtype", "family", "case")
"""Fields that are globs, one or a list of them."""


class BadLedger(Exception):
    """A ledger that does not say what it must; the message names file, entry and field in one line."""


@dataclass(frozen=True)
class Entry:
    """One known finding.

    Attributes
    ----------
    id
        Unique in the ledger, without spaces, commas and semicolons.
    target, op, dtype, family, case
        Globs of what it speaks of: a text, or a list of them of which one has to match.  ``target`` is
        framework/mode/device, without a version.
    kind
        The kind of finding, obligatory: a new kind of failure on a known case stays unexpected.
    reason
        ``by-design`` (documented upstream), ``upstream`` (reported), ``unreported``, ``platform``.
    note
        What happens, and why.
    platform
        Where it was seen, a text or a list: architecture and widest vector set (``x86_64/avx512``), or ``any`` where
        it follows from the arithmetic and not from a kernel.
    versions
        Of the framework, as PEP 440 says it; empty for all.
    tier
        The lowest tier whose rows show it.
    flaky
        True where the same program shows it in one process and not in the next: it is known and never stale.
    reproduce
        One line of Python that shows it with the framework alone, ending in a comment with what it prints, or with the
        exception it raises.  Needless where the reason is ``by-design``.
    link
        Where it is reported.
    seen
        The day it was seen last.
    source
        The file it stands in.
    """

    id: str
    target: tuple[str, ...]
    kind: str
    reason: Literal["by-design", "upstream", "unreported", "platform"]
    note: str
    platform: tuple[str, ...]
    seen: dt.date
    op: tuple[str, ...] = ("*",)
    dtype: tuple[str, ...] = ("*",)
    family: tuple[str, ...] = ("*",)
    case: tuple[str, ...] = ("*",)
    versions: str = ""
    tier: Tier = Tier.SMOKE
    flaky: bool = False
    reproduce: str = ""
    link: str = ""
    source: str = ""

    def covers(self, *, target: str, op: str, dtype: str, family: str, version: str) -> bool:
        """Whether it may speak of rows of that family there, whatever their case."""
        place = {"target": target, "op": op, "dtype": dtype, "family": family}
        fits = all(matches(value, getattr(self, name)) for name, value in place.items())
        return fits and covers_version(self.versions, version)

    def region(self, rows: pd.DataFrame) -> pd.Series:
        """Which rows it speaks of, a boolean for each; ``rows`` has the columns of a record."""
        speaks = pd.Series(data=True, index=rows.index)
        for name in PATTERNS:
            globs = getattr(self, name)
            if globs != ("*",):
                speaks &= rows[name].isin([value for value in rows[name].unique() if matches(value, globs)])
        if self.versions:
            found = rows["version"]
            speaks &= found.isin([value for value in found.unique() if covers_version(self.versions, value)])
        return speaks

    def binds_on(self, platform: str, tier: Tier) -> bool:
        """Whether a missing finding is a failure on this platform in this tier, and not just a remark.

        A finding that is only degraded may hang on a last bit, which two processors of a platform need not share.
        """
        firm = not self.flaky and severity_of(self.kind) is Severity.VIOLATION
        return firm and self.seen_on(platform) and self.tier <= tier

    def seen_on(self, platform: str) -> bool:
        """Whether the platform is one of those it was seen on."""
        return not {"any", platform}.isdisjoint(self.platform)


def matches(text: str, globs: Iterable[str]) -> bool:
    """Whether one of the globs matches the whole text."""
    return any(fnmatchcase(text, glob) for glob in globs)


@cache
def covers_version(versions: str, version: str) -> bool:
    """Whether a specifier holds a version, without its local part; an empty one holds whatever calls itself a version."""
    if not versions:
        return True
    try:
        return SpecifierSet(versions, prereleases=True).contains(Version(version).public)
    except InvalidVersion:
        return False


def read(sources: Mapping[str, str] | None = None) -> tuple[Entry, ...]:
    """Read and refuse.

    Parameters
    ----------
    sources
        File name → TOML text; the files beside this module by default.

    Raises
    ------
    BadLedger
        In one line: a misspelt field, an unknown kind or reason, the same id twice.
    """
    if sources is None:
        folder = resources.files("conformance.ledger")
        sources = {f.name: f.read_text("utf-8") for f in sorted(folder.iterdir(), key=str) if f.name.endswith(".toml")}
    entries: dict[str, Entry] = {}
    for name, text in sources.items():
        for table in _tables(name, text):
            entry = _entry(name, table)
            if entry.id in entries:
                raise BadLedger(f"{name}: entry {entry.id}: stands twice, in {entries[entry.id].source} too")
            entries[entry.id] = entry
    return tuple(entries.values())


def read_files(paths: Iterable[Path]) -> tuple[Entry, ...]:
    """Read ledgers of somebody's own.

    Raises
    ------
    BadLedger
        As :func:`read`, and where a file cannot be read.
    """
    sources = {}
    for path in paths:
        try:
            sources[str(path)] = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise BadLedger(f"{path}: {why}") from None
    return read(sources)


def _tables(name: str, text: str) -> list[Any]:
    try:
        whole = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadLedger(f"{name}: {printable(str(error))}") from None
    for other in whole:
        if other != "entry":
            raise BadLedger(f"{name}: {shown(other)}: a ledger has tables [[entry]] and nothing else")
    tables = whole.get("entry", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise BadLedger(f"{name}: entry: tables [[entry]] are wanted, not {shown(tables)}")
    return tables


def _entry(name: str, table: dict[str, Any]) -> Entry:
    place = f"{name}: entry {shown(table.get('id', '?'))}".replace("'", "")
    if "source" in table:
        raise BadLedger(f"{place}: source: no such field{nearest('source', sorted(_FIELDS))}")
    several = (*PATTERNS, "platform")
    lists = {key: [table[key]] if isinstance(table[key], str) else table[key] for key in several if key in table}
    try:
        entry: Entry = from_json(Entry, table | lists | {"source": printable(name)}, defaults=True)
        _refuse_values(entry)
    except WrongData as error:
        raise BadLedger(f"{place}: {error}") from None
    return entry


_FIELDS = set(Entry.__dataclass_fields__) - {"source"}


def _refuse_values(entry: Entry) -> None:
    """Refuse what has the right type and says nothing."""
    if not entry.id or set(entry.id) & set(" ,;"):
        raise WrongData(f"id: a name without spaces, commas and semicolons is wanted, not {shown(entry.id)}")
    for name in PATTERNS:
        if not all(getattr(entry, name)) or not getattr(entry, name):
            raise WrongData(f"{name}: a glob, or a list of some, is wanted; leave the field out for everything")
    if entry.kind not in kinds():
        raise WrongData(f"kind: unknown kind {shown(entry.kind)}; known: {', '.join(kinds())}")
    if not entry.note:
        raise WrongData("note: it is empty")
    try:
        SpecifierSet(entry.versions)
    except InvalidSpecifier:
        raise WrongData(
            f"versions: a PEP 440 specifier such as '>=2.13,<3' is wanted, not {shown(entry.versions)}"
        ) from None
    if entry.reason != "by-design" and "  # " not in entry.reproduce:
        raise WrongData("reproduce: one line of Python and a comment with what it prints is wanted")
