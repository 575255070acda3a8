"""What changed when: which releases show a finding, where a record has several of a framework."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from conformance.ledger import Known
from conformance.reporting import escape
from conformance.reporting.blocks import Block, Points, Said, Title
from conformance.reporting.faults import generally
from conformance.reporting.frames import age, dicts, listed
from conformance.values import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from conformance.ledger import Entry
    from conformance.record.schema import Record

_PLACE = ("framework", "variant", "mode", "device", "op", "way", "dtype", "family")
"""What was asked of whom, but for the release."""

BAD, GOOD, NOT_ASKED = "●", "○", "·"
"""Signs of a release: shows the finding, was asked and does not, was not asked or has it not."""

SIGNS = (
    f"One sign a release, the oldest first: {BAD} shows the finding, {GOOD} was asked and does not, "
    f"{NOT_ASKED} was not asked, or has no such call or dtype."
)
"""What the signs mean, in a sentence."""


@dataclass(frozen=True)
class Change:
    """A kind of finding that the same releases show, over everything that shows it so, of one fault.

    Attributes
    ----------
    subject
        The framework, and its variant where it has one.
    kind, op
        The check that is broken, and what was asked.
    severity
        The worst of a release.
    modes, dtypes, families
        Where it is shown by those releases.
    releases
        Release → whether it shows it; None where it was not asked.  Oldest first.
    worst
        Release that shows it → its largest error over the stable bound; NaN where there are no numbers.
    links
        Where it is reported or was fixed, as the ledger has it.
    titles
        What the ledger calls its faults.
    """

    subject: str
    kind: str
    op: str
    severity: str
    modes: tuple[str, ...]
    dtypes: tuple[str, ...]
    families: tuple[str, ...]
    releases: Mapping[str, bool | None]
    worst: Mapping[str, float]
    links: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()

    @property
    def strip(self) -> str:
        """A sign a release, oldest first."""
        return "".join(NOT_ASKED if bad is None else BAD if bad else GOOD for bad in self.releases.values())

    @property
    def first_bad(self) -> str:
        """The oldest release that shows it."""
        return next(release for release, bad in self.releases.items() if bad)

    @property
    def since_the_first(self) -> bool:
        """Whether no release before the first bad one was asked."""
        asked = [release for release, bad in self.releases.items() if bad is not None]
        return asked[0] == self.first_bad

    @property
    def fixed(self) -> str:
        """The oldest release from which on none shows it; empty where the newest does."""
        good = ""
        for release, bad in reversed(list(self.releases.items())):
            if bad:
                break
            good = release if bad is False else good
        return good

    @property
    def errors(self) -> str:
        """The largest errors over the stable bound, oldest release first, equal neighbours once; empty if none is above 1."""
        shown = [f"{error:.3g}" if error > 1 else "" for error in self.worst.values()]
        return " → ".join(text or "—" for text, _ in itertools.groupby(shown)) if any(shown) else ""


def changes(
    record: Record, severities: Sequence[str] = (Severity.VIOLATION,), entries: Sequence[Entry] = ()
) -> list[Change]:
    """What the releases of each subject show, the changes first.

    Parameters
    ----------
    record
        One with several releases of a framework; of others nothing is said.
    severities
        Of the findings that count.
    entries
        The ledger, whose entries have the links and the titles.
    """
    observations = record.observations
    own = observations[~observations["control"]]
    asked = (
        own[~own["outcome"].isin(["unsupported", "not_asked"])]
        .groupby([*_PLACE, "version"], observed=True)
        .size()
        .reset_index()
    )
    releases: dict[tuple[str, str], list[str]] = {}
    for row in dicts(own[["framework", "variant", "version"]].drop_duplicates()):
        releases.setdefault((row["framework"], row["variant"]), []).append(row["version"])
    ordered = {subject: sorted(found, key=age) for subject, found in releases.items() if len(found) > 1}
    answered: dict[tuple[str, ...], set[str]] = {}
    for row in dicts(asked):
        answered.setdefault(tuple(row[name] for name in _PLACE), set()).add(row["version"])
    found = Known(record, tuple(entries)).findings
    found = found[~found["control"] & found["severity"].isin([str(one) for one in severities])]
    shown: dict[tuple[str, ...], list[Any]] = {}
    for row in dicts(found[[*_PLACE, "kind", "version", "severity", "worst", "ledger"]]):
        if (row["framework"], row["variant"]) in ordered:
            shown.setdefault((*(row[name] for name in _PLACE), row["kind"]), []).append(row)
    link = {entry.id: entry.link for entry in entries if entry.link}
    title = {entry.id: entry.told.title for entry in entries if entry.told}
    gathered: dict[tuple[Any, ...], list[tuple[str, ...]]] = {}
    links: dict[tuple[Any, ...], set[str]] = {}
    for place, rows in shown.items():
        bad = {row["version"] for row in rows}
        strip = tuple(
            release in bad if release in answered.get(place[:-1], bad) | bad else None
            for release in ordered[place[0], place[1]]
        )
        severity = max((row["severity"] for row in rows), key=lambda one: list(Severity).index(Severity(one)))
        known = {name for row in rows for name in row["ledger"].split(";")}
        titles = tuple(sorted({title[name] for name in known & set(title)}))
        change = (place[0], place[1], place[-1], place[4], severity, strip, titles)
        gathered.setdefault(change, []).append(place)
        links.setdefault(change, set()).update(link[name] for name in known & set(link))
    result = []
    for change, places in gathered.items():
        framework, variant, kind, op, severity, strip, titles = change
        columns = list(zip(*places, strict=True))
        modes, dtypes, families = (tuple(sorted(set(columns[i]))) for i in (2, 6, 7))
        rows = [row for place in places for row in shown[place]]
        worst = {
            release: max(
                (row["worst"] for row in rows if row["version"] == release and row["worst"] >= 0), default=math.nan
            )
            for release, bad in zip(ordered[framework, variant], strip, strict=True)
            if bad
        }
        result.append(
            Change(
                f"{framework}:{variant}" if variant else framework, kind, op, severity, modes, dtypes, families,
                dict(zip(ordered[framework, variant], strip, strict=True)), worst, tuple(sorted(links[change])),
                titles,
            )
        )  # fmt: skip
    return sorted(
        result, key=lambda one: (one.subject, not one.fixed, one.since_the_first, one.kind, one.op, one.dtypes)
    )


def frame(record: Record) -> pd.DataFrame:
    """The same as a table: the columns of :class:`Change` that are texts, ``strip``, ``errors``, ``first_bad`` and ``fixed``."""
    return pd.DataFrame(
        [
            {
                "subject": one.subject, "kind": one.kind, "op": one.op, "severity": one.severity,
                "modes": ", ".join(one.modes), "dtypes": ", ".join(one.dtypes), "families": ", ".join(one.families),
                "strip": one.strip, "errors": one.errors, "first_bad": one.first_bad, "fixed": one.fixed,
            }
            for one in changes(record)
        ]
    )  # fmt: skip


def page(record: Record, severities: Sequence[str], entries: Sequence[Entry] = ()) -> list[Block]:
    """For each subject with several releases, and for each fault, or kind of finding of none: which releases show it, how badly."""
    by_subject: dict[str, list[Change]] = {}
    for one in changes(record, severities, entries):
        by_subject.setdefault(one.subject, []).append(one)
    if not by_subject:
        return [Said("No framework stands here at several releases of which one shows such a finding.")]
    said: list[Block] = [Said(SIGNS)]
    for subject, found in by_subject.items():
        said += [
            Title(subject),
            Said(f"Releases: {', '.join(found[0].releases)}."),
            Points(tuple(map(_point, _by_fault(found)))),
        ]
    return said


def _by_fault(found: Sequence[Change]) -> list[list[Change]]:
    """Those of one fault together, each of no fault alone."""
    gathered: dict[Any, list[Change]] = {}
    for one in found:
        gathered.setdefault(one.titles or (one.kind, one.op, one.strip), []).append(one)
    return list(gathered.values())


def _point(mine: Sequence[Change]) -> tuple[str, ...]:
    """Of the changes of one fault: its releases and worst errors together, and of each kind where it shows."""
    one = _together(mine)
    first = f"{one.first_bad} or before" if one.since_the_first else one.first_bad
    what = "; ".join(one.titles) or f"{one.op} {generally(one.kind)}"
    places = (
        f"{'' if each.strip == one.strip else f'{each.strip} '}{f'{each.op} {generally(each.kind)}: ' if one.titles else ''}"
        f"{', '.join(each.modes)} in {listed(each.dtypes, 10)}: {listed(each.families)}"
        for each in mine
    )
    errors = [f"error over the stable bound: {one.errors}"] if one.errors else []
    head = f"{one.strip} {what}: first bad {first}, {f'first good {one.fixed}' if one.fixed else 'not fixed'}"
    return (head, *places, *errors)


def _together(mine: Sequence[Change]) -> Change:
    """Several changes of one subject as one: a release shows it that shows any, with the largest error."""
    releases: dict[str, bool | None] = {}
    worst: dict[str, float] = {}
    for release in mine[0].releases:
        shown = [each.releases[release] for each in mine]
        releases[release] = True if any(shown) else False if False in shown else None
        if releases[release]:
            errors = [each.worst[release] for each in mine if each.worst.get(release, math.nan) >= 0]
            worst[release] = max(errors, default=math.nan)
    modes, dtypes, families, links = (
        tuple(sorted({value for each in mine for value in getattr(each, name)}))
        for name in ("modes", "dtypes", "families", "links")
    )
    op = ", ".join(dict.fromkeys(each.op for each in mine))
    return replace(
        mine[0], op=op, releases=releases, worst=worst, modes=modes, dtypes=dtypes, families=families, links=links
    )


def markdown(record: Record, entries: Sequence[Entry] = ()) -> str:
    """A page: for each subject with several releases a table of what they violate, and where that is reported."""
    lines = [
        "# What changed when",
        "",
        SIGNS,
        "Generated by `conformance report PARTS --history docs/history.md`.",
    ]
    by_subject: dict[str, list[Change]] = {}
    for one in changes(record, entries=entries):
        by_subject.setdefault(one.subject, []).append(one)
    for subject, found in by_subject.items():
        lines += [
            "",
            f"## {subject}",
            "",
            f"Releases: {', '.join(found[0].releases)}.",
            "",
            "| what | ops | modes | dtypes | families | releases | first bad | fixed in | upstream |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for one in map(_together, _by_fault(found)):
            first = f"{one.first_bad} or before" if one.since_the_first else one.first_bad
            families = ", ".join(one.families[:4]) + (
                f", {len(one.families) - 4} more" if len(one.families) > 4 else ""
            )
            what = escape.markdown("; ".join(one.titles) or generally(one.kind))
            cells = (what, one.op, ", ".join(one.modes), ", ".join(one.dtypes), families, one.strip, first,
                     one.fixed or "not fixed", ", ".join(map(_linked, one.links)))  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _linked(link: str) -> str:
    """A link as Markdown, a thread of GitHub by its short name."""
    thread = re.fullmatch(r"https://github\.com/([^/]+/[^/]+)/(?:issues|pull)/(\d+)", link)
    return f"[{thread[1]}#{thread[2]}]({link})" if thread else f"<{link}>"
