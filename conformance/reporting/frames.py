"""Frames of a record, as its readers need them: rows as dictionaries, and the names of targets."""

from __future__ import annotations

import difflib
import math
import re
from typing import TYPE_CHECKING, Any

import pandas as pd
from packaging.version import InvalidVersion, Version

from conformance.record.errors import NoSuchTarget

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from conformance.record import Record
    from conformance.values import Target

QUESTION = ("op", "way", "dtype", "family", "case_id")
"""What makes two rows of one target the same question, in every record."""

ANSWER = (
    "case", "outcome", "reason", "digest", "choices", "grade", "severity", "findings", "max_ulp", "error_over_bound",
    "nonfinite_expected", "nonfinite_got", "witness",
)  # fmt: skip
"""What is compared of two answers."""

UNASKED = ("unsupported", "not_asked")
"""Outcomes of a question that a target was not asked, or cannot be."""


def dicts(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame, each by the names of its columns."""
    rows: list[Any] = frame.to_dict("records")
    return rows


def names(record: Record, rows: pd.DataFrame) -> pd.Series:
    """How the target of each row is called here, with its version where the same one stands here at another.

    ``rows`` has the columns ``target`` and ``version``; the answer has their index.
    """
    called = {(str(target), target.version): name for target, name in record.names.items()}
    pairs = zip(rows["target"], rows["version"], strict=True)
    return pd.Series([called.get(pair, pair[0]) for pair in pairs], rows.index, dtype="str")


def target_named(record: Record, name: str) -> Target:
    """The target that a name means here: framework/mode/device, or framework@version/mode/device; without a version the newest.

    Raises
    ------
    NoSuchTarget
        In one line, naming the nearest.
    """
    found = [target for target in record.targets if name in (str(target), target.versioned)]
    if found:
        return max(found, key=lambda target: age(target.version))
    own = [versioned for target, versioned in record.names.items() if not target.control]
    if inside := [one for one in own if re.match(rf"{re.escape(name)}[:@/]", one)]:
        raise NoSuchTarget(f"{name!r} is the name of several targets; name one of {', '.join(inside)}")
    known = [one for target in record.targets for one in (str(target), target.versioned)]
    near = difflib.get_close_matches(name, list(dict.fromkeys(known)), n=1)
    if near:
        raise NoSuchTarget(f"the record holds no target {name!r}; did you mean {near[0]!r}?")
    raise NoSuchTarget(f"the record holds no target {name!r}; it holds {', '.join(own)}")


def nonfinite(findings: pd.Series) -> pd.Series:
    """Whether an answer is not finite where the truth is, or the reverse: what is said of its other lanes says nothing of it."""
    return findings.str.split(";").map(lambda kinds: "nonfinite" in kinds).astype(bool)


def aligned(
    first: pd.DataFrame, second: pd.DataFrame, more: Sequence[str] = (), *, sides: tuple[str, str]
) -> pd.DataFrame:
    """Two sets of observations side by side, a row a question of either.

    Parameters
    ----------
    more
        Columns beside :data:`QUESTION` in which two rows must agree.
    sides
        What is put behind the names of the columns :data:`ANSWER`, for the one and for the other.

    Returns
    -------
    pandas.DataFrame
        A column ``_merge`` says where a row stands: ``left_only``, ``right_only`` or ``both``.
    """
    key = [*more, *QUESTION]
    one, other = (rows[[*key, *ANSWER]].drop_duplicates(key) for rows in (first, second))
    return one.merge(other, on=key, how="outer", suffixes=sides, indicator=True)


def age(release: str) -> tuple[bool, Any]:
    """By which releases are sorted, the oldest first; what is no version by Python's rules comes first."""
    try:
        return True, Version(release)
    except InvalidVersion:
        return False, release


def listed(values: Iterable[object], most: int = 6) -> str:
    """Names in their order, joined by commas; of many the first and how many more."""
    found = sorted(set(map(str, values)))
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


def percent(share: float) -> str:
    """A share in [0, 1] in per cent, rounded down, so that only all of them are 100."""
    return f"{math.floor(share * 1000) / 10:.1f}%"


def counted(count: int, what: str) -> str:
    """A count and what is counted, in the plural where it is not one."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
