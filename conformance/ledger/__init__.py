"""What is known already?

The ledger is data: ``*.toml`` files beside this module, one table ``[[entry]]`` for each known
finding.  It is strict both ways on the platform it was seen on: a finding that no entry knows is
unexpected, and an entry whose finding was looked for and not found is *stale* and must go.  On
another platform both are remarks, because kernels dispatch on the instruction set.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - pydantic reads annotations at run time
import tomllib
from fnmatch import fnmatchcase
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal, Self

import pandas as pd
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from conformance.judgement.checks import kinds, severity_of
from conformance.values import Severity, Tier

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class BadLedger(Exception):
    """A ledger file does not say what it must; the message names file, entry and field."""


class Entry(BaseModel):
    """One known finding.  ``target``, ``op``, ``dtype``, ``family`` and ``case`` are globs.

    Attributes
    ----------
    kind
        The kind of finding, obligatory: a new kind of failure on a known case stays unexpected.
    reason
        ``by-design`` (documented upstream, or what a control is there to show), ``upstream`` (reported),
        ``unreported``, ``platform``.
    platform
        Where it was seen, architecture and widest vector set (``x86_64/avx512``), or ``any`` where it
        follows from the arithmetic and not from a kernel.
    tier
        The lowest tier whose rows show it.
    reproduce
        One line of Python that shows it with the framework alone, ending in a comment with what it prints, or with the
        exception it raises.  Controls have none: what they show follows from their formula.
    flaky
        True where the same program shows it in one process and not in the next: it is known and never stale.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    target: str
    op: str = "*"
    dtype: str = "*"
    family: str = "*"
    case: str = "*"
    kind: str
    reason: Literal["by-design", "upstream", "unreported", "platform"]
    note: str
    platform: str
    versions: str = ""
    tier: Literal["smoke", "standard"] = "smoke"
    flaky: bool = False
    reproduce: str = ""
    link: str = ""
    seen: dt.date

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, kind: str) -> str:
        if kind not in kinds():
            raise ValueError(f"unknown kind; known: {', '.join(kinds())}")
        return kind

    @field_validator("versions")
    @classmethod
    def _pep440(cls, versions: str) -> str:
        SpecifierSet(versions)
        return versions

    @model_validator(mode="after")
    def _reproducible(self) -> Self:
        if self.reason != "by-design" and "  # " not in self.reproduce:
            raise ValueError("reproduce: one line of Python and a comment with what it prints")
        return self

    def covers(self, target: str, op: str, dtype: str, family: str, framework_version: str) -> bool:
        """Whether it may speak of rows of that family there, whatever their case."""
        place = {"target": target, "op": op, "dtype": dtype, "family": family}
        return all(fnmatchcase(value, getattr(self, name)) for name, value in place.items()) and (
            not self.versions
            or SpecifierSet(self.versions, prereleases=True).contains(Version(framework_version).public)
        )

    def rows(self, observations: pd.DataFrame) -> pd.Index:
        """The index of the observations (with the record's columns) that the entry speaks of."""
        speaks = pd.Series(data=True, index=observations.index)
        for name in ("target", "op", "dtype", "family", "case"):
            glob = getattr(self, name)
            speaks &= observations[name].isin([v for v in observations[name].unique() if fnmatchcase(v, glob)])
        if self.versions:
            wanted = SpecifierSet(self.versions, prereleases=True)
            found = observations["framework_version"]
            speaks &= found.isin([v for v in found.unique() if wanted.contains(Version(v).public)])
        return observations.index[speaks]

    def binds_on(self, platform: str, tier: str) -> bool:
        """Whether a missing finding is a failure on this platform in this tier, and not just a remark.

        A finding that is only degraded may hang on a last bit, which two processors of a platform need not share.
        """
        firm = not self.flaky and severity_of(self.kind) is Severity.VIOLATION
        return firm and self.platform in ("any", platform) and Tier[self.tier.upper()] <= Tier[tier.upper()]


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
        folder = resources.files(__name__)
        sources = {f.name: f.read_text() for f in sorted(folder.iterdir(), key=str) if f.name.endswith(".toml")}
    entries: dict[str, Entry] = {}
    for name, text in sources.items():
        try:
            tables = tomllib.loads(text).get("entry", [])
        except tomllib.TOMLDecodeError as error:
            raise BadLedger(f"{name}: {error}") from None
        for table in tables:
            try:
                entry = Entry(**table)
            except ValidationError as error:
                first = error.errors()[0]
                field = ".".join(map(str, first["loc"]))
                raise BadLedger(f"{name}: entry {table.get('id', '?')}: {field}: {first['msg']}") from None
            if entry.id in entries:
                raise BadLedger(f"{name}: entry {entry.id}: stands twice")
            entries[entry.id] = entry
    return tuple(entries.values())


def annotate(observations: pd.DataFrame, entries: Iterable[Entry], platform: str, tier: str) -> list[str]:
    """Write into the column ``ledger`` which entries know each observation's findings; return the stale ones.

    ``ledger`` holds one id for each finding of the row, in the order of ``findings``, joined by ``;``;
    a finding that no entry knows has an empty place.  An entry is *stale* when it binds on this
    platform, this tier reaches it, the target could be asked rows it covers, and none has its finding.
    """
    entries, stale = tuple(entries), []
    kinds = observations["findings"].str.split(";")
    asked = observations["outcome"] != "unsupported"
    known: dict[Any, dict[str, str]] = {index: {} for index in observations.index[observations["findings"] != ""]}
    for entry in entries:
        covered = entry.rows(observations)
        shows = covered[[entry.kind in kinds[index] for index in covered]]
        for index in shows:
            known[index].setdefault(entry.kind, entry.id)
        if asked[covered].any() and not len(shows) and entry.binds_on(platform, tier):
            stale.append(entry.id)
    for index, ids in known.items():
        observations.loc[index, "ledger"] = ";".join(ids.get(kind, "") for kind in kinds[index])
    return stale
