"""Who was asked: the page ``docs/subjects.md``, a row a framework, and who gives the same bits as whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.reporting import agreement
from conformance.reporting.escape import markdown as text
from conformance.values import Grade, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from conformance.reporting.reading import Reading

_COLUMNS = (
    "framework", "release", "modes", "devices", "ops", "dtypes", "questions", "violated", "kinds of violation",
    "worst grade", "policies",
)  # fmt: skip


def markdown(reading: Reading) -> str:
    """The whole page."""
    observations = reading.record.observations
    own = observations[~observations["control"]]
    lines = [
        "# Subjects",
        "",
        "<!-- Made by `conformance report RECORD --subjects docs/subjects.md`; do not edit. -->",
        "",
        f"Asked in the tier {reading.tiers}.",
        "An op or a dtype is listed where a question of it was answered; *violated* counts questions whose answer breaks the contract, and *worst grade* is that of the answers.",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        "|" + "---|" * len(_COLUMNS),
    ]
    for (framework, variant, version), rows in own.groupby(["framework", "variant", "version"], sort=True):
        name = f"{framework}:{variant}" if variant else str(framework)
        lines.append(f"| {' | '.join(map(text, _row(name, str(version), rows, reading)))} |")
    lines += [
        "",
        "## Who gives the same bits",
        "",
        f"Targets that answer every common question of an op in a dtype with identical bits, where there are at least {agreement.MANY}.",
        "",
        agreement.markdown(reading.record).rstrip("\n"),
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, version: str, rows: pd.DataFrame, reading: Reading) -> list[str]:
    answered = rows[rows["outcome"] == "answered"]
    bad = rows[rows["severity"] == str(Severity.VIOLATION)]
    found = reading.findings[reading.findings["severity"] == str(Severity.VIOLATION)]
    place = (rows["framework"].iloc[0], rows["variant"].iloc[0], version)
    mine = (found["framework"] == place[0]) & (found["variant"] == place[1]) & (found["version"] == place[2])
    kinds = sorted(set(found[mine & ~found["control"]]["kind"]))
    graded = [str(grade) for grade in Grade if (answered["grade"] == str(grade)).any()]
    policies = [one for one in reading.policies if one.framework in (name, f"{name}@{version}")]
    said = [f"{one.question}: {'/'.join(one.answers)}" for one in policies]
    return [
        name,
        version,
        _listed(rows["mode"]),
        _listed(rows["device"]),
        _listed(answered["op"]),
        _listed(answered["dtype"]),
        f"{len(rows[~rows['outcome'].isin(['unsupported', 'not_asked'])]):,}",
        f"{len(bad):,}",
        ", ".join(kinds) or "none",
        graded[-1] if graded else "none",
        "; ".join(said[:6]) + ("; …" if len(said) > 6 else ""),
    ]


def _listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(map(str, values))))
