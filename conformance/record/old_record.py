"""What does a run leave behind?

A record is a header (run, environment, plan), one row for each (target, op, dtype, case), the claims
table, and a footer (counts).  It is one Parquet file: header, claims and footer travel as JSON in the
metadata of the file, so a part cannot lose them on the way to a merge, and a record that was cut short is
a named error and not a small report.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SCHEMA = 2
"""Version of the columns and of the header."""

COLUMNS: dict[str, str] = {
    "run_id": "string",
    "suite_version": "string",
    "target": "string",
    "framework": "string",
    "mode": "string",
    "device": "string",
    "framework_version": "string",
    "op": "string",
    "dtype": "string",
    "family": "string",
    "case": "string",
    "case_id": "string",
    "tier": "string",
    "axis": "int64",
    "shape": "string",
    "layout": "string",
    "producer": "string",
    "outcome": "string",
    "seconds": "float32",
    "digest": "string",
    "policy": "string",
    "grade": "string",
    "severity": "string",
    "findings": "string",
    "max_ulp": "float64",
    "max_ulp_at": "int64",
    "error_over_bound": "float64",
    "row_sum_error": "float32",
    "logit_gap": "float32",
    "nonfinite_expected": "int64",
    "nonfinite_got": "int64",
    "ledger": "string",
    "witness": "string",
}
"""Column → pandas dtype; what each means stands in ``reports/README.md``."""

_ORDER = ["op", "dtype", "family", "case", "target"]
_KEY = b"softmax-conformance"


class RecordError(Exception):
    """A record that cannot be used; the message says which, and why, in one line."""


class UnreadableRecord(RecordError):
    """The file is missing, is not Parquet, or was written by something else."""


class MissingFooter(RecordError):
    """The record has no footer: whoever wrote it did not finish."""


class TruncatedRecord(RecordError):
    """The footer counts other rows than there are."""


class DifferentSchema(RecordError):
    """The records were written with different columns."""


class DifferentSuiteVersion(RecordError):
    """The records come from different versions of the suite."""


class DifferentSelection(RecordError):
    """The records were asked another tier, or with another seed."""


class DifferentCases(RecordError):
    """The same op and dtype were asked other cases."""


class DuplicateTarget(RecordError):
    """Two records hold the same target."""


@dataclass(frozen=True, eq=False)
class Record:
    """One run, or several merged.

    Attributes
    ----------
    header
        Run, plan and environment; ``reports/README.md`` lists its keys.
    observations
        One row for each (target, op, dtype, case), columns as in :data:`COLUMNS`.
    claims
        One row for each (claim, target, dtype): claim, statement, target, dtype, verdict, evidence.
    footer
        Row counts, whether the run is complete, its seconds, and the stale ledger entries.
    """

    header: dict[str, Any]
    observations: pd.DataFrame
    claims: pd.DataFrame
    footer: dict[str, Any]


def frame(rows: Sequence[dict[str, Any]], run_id: str = "") -> pd.DataFrame:
    """Observations as a typed frame in their one order, from dictionaries that have every column but ``run_id``."""
    told = pd.DataFrame([{"run_id": run_id, **row} for row in rows], columns=list(COLUMNS))
    with np.errstate(over="ignore"):  # a kernel may answer anything
        observations = told.astype(COLUMNS)
    for name in ("max_ulp", "error_over_bound"):
        # The exponents of float64 and the digits of float32, rounded down: seven are enough, and zeros take no room.
        significand, exponent = np.frexp(observations[name].to_numpy())
        observations[name] = np.ldexp(np.trunc(significand * 2**24), exponent - 24)
    return observations.sort_values(_ORDER, ignore_index=True)


def write(record: Record, path: Path) -> None:
    """Write one Parquet file; an interrupted write leaves the old file or none."""
    table = pa.Table.from_pandas(record.observations.astype(COLUMNS), preserve_index=False)
    parts = {"header": record.header, "claims": record.claims.to_dict("records"), "footer": record.footer}
    # Plain pages, since the compressor sees that neighbours are alike and a dictionary hides it: half the bytes.
    options = {"compression": "zstd", "compression_level": 19, "use_dictionary": False, "data_page_size": 2**26}
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    try:
        with pq.ParquetWriter(unfinished, table.schema, **options) as writer:
            writer.write_table(table)
            # Metadata of the schema would be written twice.
            writer.add_key_value_metadata({_KEY: json.dumps(parts, ensure_ascii=False)})
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def read(path: Path) -> Record:
    """Read a record back.

    Raises
    ------
    UnreadableRecord, MissingFooter, TruncatedRecord, DifferentSchema
        Naming the file.
    """
    try:
        table = pq.read_table(path)
        parts = json.loads((pq.read_metadata(path).metadata or {})[_KEY])
    except (OSError, pa.ArrowException) as error:
        raise UnreadableRecord(f"{path}: {str(error).splitlines()[0]}") from None
    except (KeyError, ValueError):
        raise UnreadableRecord(f"{path}: this Parquet file is not a conformance record") from None
    if parts["header"].get("schema") != SCHEMA:
        raise DifferentSchema(f"{path}: schema {parts['header'].get('schema')}, this suite reads {SCHEMA}")
    if not parts.get("footer"):
        raise MissingFooter(f"{path}: no footer, the run that wrote it did not finish")
    if parts["footer"]["rows"] != table.num_rows:
        raise TruncatedRecord(f"{path}: {table.num_rows} rows, its footer counts {parts['footer']['rows']}")
    claims = pd.DataFrame(
        parts["claims"], columns=["claim", "statement", "target", "dtype", "verdict", "evidence"], dtype="string"
    )
    return Record(parts["header"], table.to_pandas().astype(COLUMNS), claims, parts["footer"])


def merge(parts: Sequence[tuple[str, Record]]) -> Record:
    """One record from several that fit, each given with its name.

    Raises
    ------
    DifferentSuiteVersion, DifferentSelection, DifferentCases, DuplicateTarget
        Naming both records.
    """
    name, first = parts[0]
    for other_name, other in parts[1:]:
        _refuse_if_different(DifferentSuiteVersion, "suite_version", name, first, other_name, other)
        _refuse_if_different(DifferentSelection, "tier", name, first, other_name, other)
        _refuse_if_different(DifferentSelection, "seed", name, first, other_name, other)
    _refuse_duplicate_targets(parts)
    _refuse_different_cases(parts)
    records = [record for _, record in parts]
    plans = [record.header["plan"] for record in records]
    heard = {target["framework"] for plan in plans for target in plan["targets"]}
    header = first.header | {
        "run_id": "+".join(record.header["run_id"] for record in records),
        "started": min(record.header["started"] for record in records),
        "command": " && ".join(dict.fromkeys(record.header["command"] for record in records)),
        "plan": {
            "targets": [target for plan in plans for target in plan["targets"]],
            "ops": _union(plan["ops"] for plan in plans),
            "dtypes": _union(plan["dtypes"] for plan in plans),
            "families": {k: v for plan in plans for k, v in plan["families"].items()},
            "absent": {k: v for plan in plans for k, v in plan["absent"].items() if k not in heard},
        },
        "environment": first.header["environment"]
        | {"versions": {k: v for record in records for k, v in record.header["environment"]["versions"].items()}},
    }
    footers = [record.footer for record in records]
    footer = {
        "rows": sum(footer["rows"] for footer in footers),
        "claims": sum(footer["claims"] for footer in footers),
        "complete": all(footer["complete"] for footer in footers),
        "seconds": sum(footer["seconds"] for footer in footers),
        "timing": {k: v for footer in footers for k, v in footer["timing"].items()},
        "escalated": sum(footer["escalated"] for footer in footers),
        "stale_ledger": _union(footer["stale_ledger"] for footer in footers),
    }
    observations = pd.concat([record.observations for record in records])
    return Record(
        header,
        observations.sort_values(_ORDER, ignore_index=True),
        pd.concat([r.claims for r in records], ignore_index=True),
        footer,
    )


def _union(lists: Any) -> list[Any]:
    return list(dict.fromkeys(item for items in lists for item in items))


def _refuse_if_different(
    error: type[RecordError], key: str, name: str, record: Record, other_name: str, other: Record
) -> None:
    mine, its = record.header[key], other.header[key]
    if mine != its:
        raise error(f"{name} has {key} {mine}, {other_name} has {its}")


def _refuse_duplicate_targets(parts: Sequence[tuple[str, Record]]) -> None:
    owner: dict[str, str] = {}
    for name, record in parts:
        for target in record.header["plan"]["targets"]:
            if target["target"] in owner:
                raise DuplicateTarget(f"{owner[target['target']]} and {name} both hold {target['target']}")
            owner[target["target"]] = name


def _refuse_different_cases(parts: Sequence[tuple[str, Record]]) -> None:
    """Each op and dtype must have been asked the same cases, unless a run was interrupted."""
    asked: dict[tuple[str, str], tuple[str, frozenset[tuple[str, str]]]] = {}
    for name, record in parts:
        if not record.footer["complete"]:
            continue
        for key, rows in record.observations.groupby(["op", "dtype"]):
            cases = frozenset(zip(rows["family"], rows["case_id"], strict=True))
            other_name, others = asked.setdefault((str(key[0]), str(key[1])), (name, cases))
            if cases != others:
                raise DifferentCases(f"{other_name} and {name} asked other cases of {key[0]} in {key[1]}")
