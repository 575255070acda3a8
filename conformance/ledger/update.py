"""A ledger brought up to date with a record: entries for what is new, none for what is gone, all else as it stands."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import tomlkit
from packaging.version import InvalidVersion, Version

from conformance.ledger.entry import BadLedger, framework_of
from conformance.ledger.known import SILENT
from conformance.ledger.names import is_kernel, satisfiable
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from conformance.ledger.entry import Entry
    from conformance.ledger.known import Known, Stale
    from conformance.values import Severity

    Place = tuple[str, str, str, str]
    Places = tuple[tuple[str, ...], ...]

_PLACE = ("target", "op", "dtype", "family")
_HEAD = re.compile(r"[ \t]*\[\[[ \t]*(entry|fault)[ \t]*\]\]")


@dataclass(frozen=True)
class Update:
    """A ledger as it should be.

    Attributes
    ----------
    text
        The whole file.
    written, narrowed, dropped
        Ids of the entries that are new, that speak of less than before, and that are gone.
    """

    text: str
    written: tuple[str, ...] = ()
    narrowed: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


def update(
    text: str, source: str, known: Known, failing: Sequence[Severity], inconsistent: Iterable[tuple[str, str]] = ()
) -> Update:
    """The text of a ledger, up to date with a record.

    An entry that is not touched keeps every byte, and so do its comments: those that stand directly above it and in it.
    A fault goes with the last of its entries.

    Parameters
    ----------
    text
        The file; it has been read without an error.
    source
        Its name, as the entries of ``known`` have it.
    known
        The record, seen with this and all other ledgers.
    failing
        The severities of findings that get an entry.
    inconsistent
        (framework, policy question) of those that get one.

    Raises
    ------
    BadLedger
        If its entries are written as one array, and not as tables.
    """
    head, *blocks = _blocks(text)
    stale = {gone.entry.id: gone for gone in known.stale if gone.entry.source == source}
    mine = [entry for entry in known.entries if entry.source == source]
    if sum(_kind(block) == "entry" for block in blocks) != len(mine):
        raise BadLedger(f"{source}: entry: tables [[entry]], each on a line of its own, can be brought up to date")
    kept, narrowed, dropped = [head], [], []
    left, entries = _faults_left(known, stale.values()), iter(mine)
    for block in blocks:
        if _kind(block) == "fault":
            document: Any = tomlkit.parse(block)
            kept.append(block if document["fault"][0]["id"] in left else _behind(block))
            continue
        entry = next(entries)
        rest = _without(block, stale[entry.id]) if entry.id in stale else [block]
        kept += rest or [_behind(block)]
        if not rest:
            dropped.append(entry.id)
        elif rest != [block]:
            narrowed.append(entry.id)
    taken = {entry.id for entry in known.entries}
    whole, written = "".join(kept), []
    for table in (*_findings(known, failing), *_policies(known, inconsistent)):
        # One of the same region may be there that somebody has narrowed by hand.
        name = next(name for i in itertools.count() if (name := f"{table['id']}-{i}".removesuffix("-0")) not in taken)
        whole = f"{whole.rstrip()}\n\n{_written(table | {'id': name})}".lstrip()
        written.append(name)
        taken.add(name)
    return Update(whole, tuple(written), tuple(narrowed), tuple(dropped))


def _faults_left(known: Known, stale: Iterable[Stale]) -> set[str]:
    """The faults of which something is left when what is stale is gone."""
    gone = {one.entry.id for one in stale if not any(_remaining(one).values())}
    return {entry.fault for entry in known.entries if entry.id not in gone}


def _kind(block: str) -> str:
    """Whether a block is an entry or a fault."""
    return next(match[1] for line in block.split("\n") if (match := _HEAD.match(line)))


def _blocks(text: str) -> list[str]:
    """What stands before the first table, then each entry or fault with the comments that stand directly above it."""
    lines = re.split(r"(?<=\n)", text)
    starts = []
    for number, line in enumerate(lines):
        if _HEAD.match(line):
            above = itertools.takewhile(_is_comment, reversed(lines[:number]))
            starts.append(number - len(list(above)))
    ends = [0, *starts, len(lines)]
    return ["".join(lines[start:end]) for start, end in itertools.pairwise(ends)]


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _behind(block: str) -> str:
    """The comments that stand behind an entry and, after an empty line, are no longer its own."""
    tail = list(itertools.takewhile(lambda line: not line.strip() or _is_comment(line), reversed(block.split("\n"))))
    foreign = itertools.dropwhile(str.strip, reversed(tail))
    said = "\n".join(foreign).strip("\n")
    return f"{said}\n\n" if said.strip() else ""


# What is gone.


def _remaining(stale: Stale) -> dict[str, str]:
    """Platform → the versions of an entry that are left there; empty where none are."""
    found = {}
    for platform in stale.entry.platform:
        gone = [version for where, version in stale.places if platform in ("any", where)]
        found[platform] = _before(stale.entry, gone) if gone else stale.entry.versions
    return found


def _without(block: str, stale: Stale) -> list[str]:
    """An entry without the platforms and versions on which it is gone: its text, in parts where they differ."""
    entry = stale.entry
    pieces: dict[str, list[str]] = {}
    for platform, versions in _remaining(stale).items():
        if versions:
            pieces.setdefault(versions, []).append(platform)
    parts: list[str] = []
    for versions, platforms in pieces.items():
        document = tomlkit.parse(block)
        table: Any = document["entry"][0]
        for platform in set(entry.platform) - set(platforms):
            table["platform"].remove(platform)
        if versions != entry.versions:
            table["versions"] = versions
        if parts:  # a second part of an entry is another one
            table["id"] = f"{entry.id}-{platforms[0].replace('/', '-')}"
        parts.append(tomlkit.dumps(document))
    return parts


def _before(entry: Entry, gone: Iterable[str]) -> str:
    """The versions of an entry below those in which it is gone; empty where there are none.

    A kernel changes with its own source and not with the release of its arrays' framework: nothing of it is left.
    """
    numbers = [number for version in gone if (number := _number(version))]
    if not numbers or any(is_kernel(target) for target in entry.target):
        return ""
    ends = [end for end in entry.versions.split(",") if not end.strip().startswith("<")]
    rest = ",".join([*ends, f"<{min(numbers).public}"])
    return rest if satisfiable(rest) else ""


def _number(version: str) -> Version | None:
    """A version, if it is one."""
    try:
        return Version(version)
    except InvalidVersion:
        return None


# What is new.


def _findings(known: Known, failing: Sequence[Severity]) -> Iterable[dict[str, Any]]:
    """A table for each set of new findings that lists can name without naming more."""
    observations = known.record.observations
    found = known.findings
    found = found[found["severity"].isin(list(failing)) & (found["ledger"] == "") & ~found["control"].astype(bool)]
    cells: dict[tuple[str, Place], list[Mapping[Any, Any]]] = defaultdict(list)
    for finding in found.to_dict("records"):
        op, dtype, family = (str(finding[name]) for name in _PLACE[1:])
        cells[str(finding["kind"]), (str(finding["target"]), op, dtype, family)].append(finding)
    asked = observations[~observations["outcome"].isin(SILENT)].groupby(list(_PLACE))["version"].unique()
    groups: dict[tuple[str, str, str, tuple[str, ...]], dict[Place, list[Mapping[Any, Any]]]] = defaultdict(dict)
    for (kind, place), findings in cells.items():
        labels = [label for finding in findings for label in finding["rows"]]
        platforms = tuple(dict.fromkeys(_platforms(known, observations.loc[labels, "run_id"])))
        versions = _since([finding["version"] for finding in findings], asked.get(place, ()))
        groups[framework_of(place[0]), kind, versions, platforms][place] = findings
    for (framework, kind, versions, platforms), places in groups.items():
        for lists in _rectangles(places):
            mine = [f for place, findings in places.items() if _inside(place, lists) for f in findings]
            rows = observations.loc[[label for finding in mine for label in finding["rows"]]]
            named = dict(zip(_PLACE, map(list, lists), strict=True))
            tier = min(Tier[name.upper()] for name in rows["tier"]).name.lower()
            yield _table(framework, named, kind, versions, platforms) | {
                "tier": tier, "witness": _witness(mine[0]), "seen": _day(known, rows["run_id"]),
            }  # fmt: skip


def _policies(known: Known, inconsistent: Iterable[tuple[str, str]]) -> Iterable[dict[str, Any]]:
    """A table for each policy question that a framework answers in several ways."""
    rows = known.record.observations
    for framework, question in dict.fromkeys(inconsistent):
        mine = rows[(rows["target"].map(lambda target: target.partition("/")[0]) == framework) & ~rows["control"]]
        named = {"target": sorted({"/".join(target.split("/")[:2]) for target in mine["target"]})}
        platforms = tuple(dict.fromkeys(_platforms(known, mine["run_id"])))
        yield _table(framework, named, question, _since(mine["version"], ()), platforms) | {
            "seen": _day(known, mine["run_id"])
        }


def _table(
    framework: str, named: Mapping[str, list[str]], kind: str, versions: str, platforms: Sequence[str]
) -> dict[str, Any]:
    """The fields that every new entry has; its id is made from what it speaks of."""
    region = (sorted(named.items()), kind, versions, sorted(platforms))
    digest = hashlib.blake2b(repr(region).encode(errors="backslashreplace"), digest_size=4).hexdigest()
    return {
        "id": re.sub("[ ,;]", "-", f"{framework}-{kind}-{digest}"), **named, "kind": kind, "reason": "unexplained", "versions": versions,
        "platform": list(platforms),
    }  # fmt: skip


def _since(seen: Iterable[str], asked: Iterable[str]) -> str:
    """From the first version on in which it was seen, up to one that was asked and does not show it."""
    names = list(dict.fromkeys(seen))
    numbers = [number for name in names if (number := _number(name))]
    if not numbers:
        return f"==={names[0]}"
    later = [number for name in set(asked) if (number := _number(name)) and number > max(numbers)]
    return f">={min(numbers).public}" + (f",<{min(later).public}" if later else "")


def _rectangles(places: Iterable[Place]) -> list[Places]:
    """Lists of targets, ops, dtypes and families whose every combination is one of the places, few of them."""
    found: list[Any] = [tuple((name,) for name in place) for place in places]
    for axis in (0, 2, 1, 3):
        merged: dict[Any, list[str]] = defaultdict(list)
        for lists in found:
            merged[lists[:axis], lists[axis + 1 :]] += lists[axis]
        found = [(*before, tuple(sorted(names)), *after) for (before, after), names in merged.items()]
    return found


def _inside(place: Place, lists: Places) -> bool:
    return all(name in names for name, names in zip(place, lists, strict=True))


def _witness(finding: Mapping[str, Any]) -> str:
    """The worst of its rows in a line."""
    return f"{finding['op']} {finding['dtype']} {finding['family']}/{finding['case']}: {finding['detail']}"


def _platforms(known: Known, runs: pd.Series) -> list[str]:
    platforms = {part.header.run_id: part.header.machine.platform for part in known.record.parts}
    return [platforms[run] for run in runs.unique()]


def _day(known: Known, runs: pd.Series) -> date:
    """The day of the last of some runs."""
    started = {part.header.run_id: part.header.started for part in known.record.parts}
    return max(date.fromisoformat(started[run][:10]) for run in runs.unique())


def _written(table: Mapping[str, Any]) -> str:
    """A new entry as TOML."""
    item = tomlkit.table()
    for name, value in table.items():
        item.add(name, value)
    item["reason"].comment("say why in a note: by-design, upstream, unreported or platform")
    entries = tomlkit.aot()
    entries.append(item)
    document = tomlkit.document()
    document.add("entry", entries)
    return f"{tomlkit.dumps(document).rstrip()}\n"
