"""The faults of a record: causes with a name, each gathering the findings that come of it, worst first.

A *fault* is what the ledger calls by that name, or the note of an entry that names none.  Findings that no entry knows are
gathered by what they share, and told in a generated sentence.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd
from packaging.specifiers import SpecifierSet

from conformance.reporting import tables
from conformance.reporting.escape import printable
from conformance.reporting.frames import UNASKED, age, dicts, names
from conformance.values import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from conformance.ledger import Entry
    from conformance.reporting.reading import Reading
    from conformance.values import Witness

ASPECTS = {
    "numbers": "wrong numbers",
    "nan": "NaN and ±∞",
    "small": "lost small numbers",
    "sums": "sums",
    "shapes": "shapes and axes",
    "dtypes": "dtypes",
    "gradients": "gradients",
    "masks": "masks",
}
"""What can go wrong for a user, in the order of the columns of the matrix."""

_OF_KIND = {
    "nonfinite": "nan", "unnamed_policy": "nan", "lost_normal": "small", "row_sum": "sums", "zero_sum": "sums",
    "shape": "shapes", "dtype": "dtypes", "no_error": "shapes", "raised": "shapes", "crashed": "shapes",
    "timed_out": "shapes", "out_of_memory": "shapes",
}  # fmt: skip

_OF_FAMILY = {"masks": "masks", "vjp_masks": "masks", "dtypes": "dtypes", "axes": "shapes", "layout": "shapes"}


def aspect(row: Mapping[Any, Any]) -> str:
    """Which of :data:`ASPECTS` a finding, or an observation without one, belongs to; by op, then family, then kind."""
    if row["op"].endswith("_vjp"):
        return "gradients"
    by_family = _OF_FAMILY.get(row["family"], "")
    return by_family or _OF_KIND.get(row.get("kind", ""), "numbers")


@dataclass(frozen=True, eq=False)
class Fault:
    """A cause, and what comes of it.

    Attributes
    ----------
    id
        Of the fault or of the entry in the ledger; else a hash of what is shared.  The same in every run.
    title
        One sentence that needs no document.
    framework
        Whose it is.
    entries
        The entries of the ledger that know it; none of what is new.
    findings
        Its findings, worst first: rows of :func:`conformance.reporting.tables.findings`.
    """

    id: str
    title: str
    framework: str
    entries: tuple[Entry, ...]
    findings: pd.DataFrame

    @property
    def known(self) -> bool:
        """Whether an entry of the ledger knows it."""
        return bool(self.entries)

    @cached_property
    def severity(self) -> str:
        """The worst of its findings."""
        return tables.worst(self.findings["severity"], tables.SEVERITIES)

    @property
    def violated(self) -> bool:
        """Whether an answer breaks the contract, and is not merely worse than usual."""
        return self.severity == Severity.VIOLATION

    @cached_property
    def cases(self) -> int:
        """How many answers show it; one with two findings is one."""
        return len({label for labels in self.findings["rows"] for label in labels})

    @cached_property
    def smallest(self) -> dict[Any, Any]:
        """The finding to show: of the worst severity, in the last release; one with a lane first, then the smallest array."""
        return _smallest(self.findings, known=self.known)

    @cached_property
    def cells(self) -> tuple[str, ...]:
        """The cells of the matrix that it makes what they are: "target: aspect", and "framework: aspect"."""
        places = [(aspect(row), row["name"]) for row in dicts(self.findings)]
        return tuple(dict.fromkeys(f"{who}: {what}" for what, name in places for who in (name, self.framework)))

    def values(self, column: str) -> tuple[str, ...]:
        """The different values of a column of its findings, in the order in which they come."""
        return tuple(dict.fromkeys(map(str, self.findings[column])))

    def text(self, field: str) -> str:
        """What the ledger says as ``what``, ``why``, ``whom``, ``instead`` or ``link``; empty where it says nothing."""
        for entry in self.entries:
            if entry.told is not None and getattr(entry.told, field):
                return str(getattr(entry.told, field))
        if field == "what":
            return next((entry.note for entry in self.entries if entry.note), "")
        return next((entry.link for entry in self.entries if entry.link), "") if field == "link" else ""

    @cached_property
    def since(self) -> str:
        """In which releases it was seen, by the limits of its entries: "in 1.9 and later", "in 1.9 to before 2.0"; empty of what is new."""
        limits = [(one.operator, one.version) for entry in self.entries for one in SpecifierSet(entry.versions)]
        low = min((version for sign, version in limits if sign in (">=", "==")), key=age, default="")
        uppers = [
            [one for one in SpecifierSet(entry.versions) if one.operator in ("<", "<=", "==")] for entry in self.entries
        ]
        if not low or not all(uppers):
            return f"in {low} and later" if low else ""
        last = max((one for mine in uppers for one in mine), key=lambda one: age(one.version))
        if last.version == low:
            return f"in {low}"
        return f"in {low} to {'before ' if last.operator == '<' else ''}{last.version}"

    @property
    def reproduce(self) -> str:
        """One line of Python that shows it, of the ledger; empty where there is none."""
        return next((entry.reproduce for entry in self.entries if entry.reproduce), "")

    @property
    def flaky(self) -> bool:
        """Whether one process shows it and the next one need not."""
        return any(entry.flaky for entry in self.entries)


def faults(reading: Reading) -> list[Fault]:
    """The faults of the frameworks' own functions, the worst first: what is new, what is wrong, then what is imprecise."""
    found = reading.own[reading.own["severity"].isin([Severity.VIOLATION, Severity.DEGRADED])]
    entries = {entry.id: entry for entry in reading.entries}
    keys = _keys(dicts(found), entries)
    gathered = [_fault(key, mine, entries) for key, mine in found.groupby(pd.Series(keys, found.index), sort=False)]
    return sorted(gathered, key=_order)


def _keys(found: Sequence[Mapping[Any, Any]], entries: Mapping[str, Entry]) -> list[str]:
    """Of each finding what those of its fault share, as text.

    What else is wrong with answers of which all belong to one known fault belongs to it too.
    """
    known = [next((entries[name] for name in row["ledger"].split(";") if name in entries), None) for row in found]
    keys = [
        "" if entry is None else entry.fault or f"{row['framework']}\n{entry.note}"
        for row, entry in zip(found, known, strict=True)
    ]
    owners = {label: key for row, key in zip(found, keys, strict=True) if key for label in row["rows"]}
    shared = []
    for row, key in zip(found, keys, strict=True):
        whose = {owners.get(label) for label in row["rows"]}
        owner = whose.pop() if len(whose) == 1 else None
        new = "\n".join(("new", row["framework"], aspect(row), row["kind"], row["severity"]))
        shared.append(key or owner or new)
    return shared


def _smallest(found: pd.DataFrame, *, known: bool) -> dict[Any, Any]:
    worst = found[found["severity"] == tables.worst(found["severity"], tables.SEVERITIES)]
    if known and (worst["ledger"] != "").any():
        worst = worst[worst["ledger"] != ""]
    worst = worst[worst["version"] == max(worst["version"], key=age)]
    return min(dicts(worst), key=lambda row: (row["witness"] is None, row["size"], len(row["case"]), row["case"]))


def _fault(key: str, mine: pd.DataFrame, entries: Mapping[str, Entry]) -> Fault:
    found = {name for each in mine["ledger"] for name in each.split(";")}
    known = tuple(entry for name, entry in entries.items() if name in found)
    rank = mine["severity"].map(tables.SEVERITIES.index)
    mine = mine.assign(rank=-rank).sort_values(["rank", "cases"], ascending=[True, False], kind="stable")
    mine = mine.drop(columns="rank")
    if known and known[0].told is not None:
        name, title = known[0].told.id, known[0].told.title
    elif known and known[0].note:
        name, title = known[0].id, known[0].note
    else:
        digest = hashlib.blake2b(key.encode(errors="backslashreplace"), digest_size=4).hexdigest()
        name = known[0].id if known else f"new-{digest}"
        first = _smallest(mine, known=bool(known))
        title = f"{first['op']} of {first['dtype']} {sentence(first)}"
    return Fault(name, printable(title), str(mine["framework"].iloc[0]), known, mine)


def _order(fault: Fault) -> tuple[Any, ...]:
    rank = tables.SEVERITIES.index(fault.severity)
    return (
        -rank,
        fault.known or not fault.violated,
        -len(fault.values("name")),
        -fault.cases,
        fault.framework,
        fault.id,
    )


def shown(value: float, beside: float = math.nan) -> str:
    """A number in four digits, or in as many as tell it from another one."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    texts = (f"{value:.{digits}g}" for digits in (4, 6, 9, 17) if f"{value:.{digits}g}" != f"{beside:.{digits}g}")
    return next(texts, f"{value:.17g}").replace("-", "−")


def sentence(row: Mapping[Any, Any]) -> str:
    """What is wrong, of a finding's smallest case, as the end of a sentence whose subject is a function."""
    kind, told = row["kind"], row["witness"]
    plain = _WORDS.get(kind)
    if plain is not None:
        return plain
    if told is None:
        return printable(_VERBS.get(kind, "") + row["detail"].removeprefix("raised "))
    return _of_lane(kind, told, log=row["op"].startswith("log_"))


def _of_lane(kind: str, told: Witness, *, log: bool) -> str:
    got, due = shown(told.got, told.expected), shown(told.expected, told.got)
    match kind:
        case "row_sum":
            return f"gives probabilities that sum to {got}"
        case "zero_sum":
            return f"gives a gradient that sums to {got}, where 0 is right"
        case "range":
            return f"gives {got}, which is no {'log-probability' if log else 'probability'}"
        case "order":
            return "gives the larger of two logits the smaller probability"
        case "ties":
            return "gives equal logits different probabilities"
        case "unnamed_policy":
            return f"gives {got} in a row of infinities, where no choice has that"
        case "loose":
            share = abs(told.got - told.expected - told.rest) / told.bound if told.bound > 0 else math.nan
            return f"gives {got} where {due} is right" + (
                f", {share:,.{0 if share >= 10 else 1}f} times what a good algorithm may err" if share > 1 else ""
            )
        case _:
            return f"gives {got} where {due} is right"


_WORDS = {
    "no_error": "takes an axis that there is not",
    "input_written": "writes to its input",
    "unrepeatable": "gives another answer when it is called again",
    "timed_out": "hangs",
}
"""Kinds of which there is one thing to say."""

_VERBS = {
    "raised": "raises ", "crashed": "ends its process: ", "out_of_memory": "takes too much memory: ",
    "dtype": "answers in another dtype: ", "shape": "answers in another shape: ", "side_effect": "does something else: ",
}  # fmt: skip
"""Kinds whose detail goes on."""


_GENERALLY = {
    "accuracy": "is wrong beyond every bound",
    "loose": "is less accurate than a good algorithm",
    "lost_normal": "gives 0 where a normal number is right",
    "nonfinite": "gives NaN or ±∞ where a number is right, or a number where one of them is",
    "order": "gives the larger of two logits the smaller answer",
    "range": "gives what is no probability",
    "row_sum": "has rows that do not sum to 1",
    "ties": "gives equal logits different answers",
    "unnamed_policy": "gives what no choice has in a row of infinities",
    "zero_sum": "has gradients that do not sum to 0",
    "raised": "raises",
    "crashed": "ends its process",
    "out_of_memory": "takes too much memory",
    "dtype": "answers in another dtype",
    "shape": "answers in another shape",
    "side_effect": "does something else",
    **_WORDS,
}


def generally(kind: str) -> str:
    """What is wrong of many findings of a kind, as the end of a sentence whose subject is a function."""
    return _GENERALLY.get(kind, kind)


def matrix(reading: Reading, found: Sequence[Fault]) -> pd.DataFrame:
    """Targets × aspects: ``violation``, ``degraded``, ``fine``, or ``none`` where nothing of the kind was answered.

    The index is the targets' names, without the controls; columns are those of :data:`ASPECTS`.
    """
    record = reading.record
    targets = [name for target, name in record.names.items() if not target.control]
    table = pd.DataFrame("none", index=pd.Index(targets, dtype=object), columns=list(ASPECTS))
    for name, aspects in answered(reading).items():
        table.loc[name, list(aspects)] = "fine"
    for fault in reversed(found):  # the worst last
        for row in dicts(fault.findings):
            cell = table.loc[row["name"], aspect(row)]
            if cell != Severity.VIOLATION:
                table.loc[row["name"], aspect(row)] = row["severity"]
    return table


def answered(reading: Reading) -> dict[str, dict[str, tuple[tuple[str, str], ...]]]:
    """Target → the aspects of which it has answered a question → of which ops in which dtypes."""
    rows = reading.record.observations
    rows = rows[~rows["control"].astype(bool) & ~rows["outcome"].isin(UNASKED)]
    rows = rows.assign(name=names(reading.record, rows))
    found: dict[str, dict[str, dict[tuple[str, str], None]]] = {}
    for place in dicts(rows[["name", "op", "dtype", "family"]].drop_duplicates()):
        # Any row of numbers could show a wrong number, a NaN, a lost one or a wrong sum.
        mine = [aspect(place)] if place["op"].endswith("_vjp") else [aspect(place), "numbers", "nan", "small", "sums"]
        for each in mine:
            found.setdefault(place["name"], {}).setdefault(each, {})[place["op"], place["dtype"]] = None
    return {name: {key: tuple(pairs) for key, pairs in aspects.items()} for name, aspects in found.items()}
