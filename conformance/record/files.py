"""One record in one Parquet file: observations as columns; headers, footers, programs and claims as JSON in its metadata.

So no part can lose the others on its way to a merge, and a record that is damaged in any way is one line and not a
traceback, or worse, a small report.
"""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from conformance.record.disk import write_whole
from conformance.record.errors import (
    DamagedRecord,
    DifferentSchema,
    MissingFooter,
    TruncatedRecord,
    UnreadableRecord,
)
from conformance.record.rows import choices_of, claims_frame, exhibit_of, expected_of, findings_of
from conformance.record.schema import CLAIM_COLUMNS, COLUMNS, SCHEMA, Part, Record
from conformance.record.typed import WrongData, from_json, nearest, shown, to_json
from conformance.values import OUTCOMES, Grade, Severity, Tier

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

KEY = b"softmax-conformance"
"""Under which the JSON stands in the metadata."""

_ARROW = {"string": pa.string(), "bool": pa.bool_(), "int64": pa.int64(), "float64": pa.float64(),
          "float32": pa.float32()}  # fmt: skip
WORDS = {
    "outcome": set(OUTCOMES.values()),
    "severity": {str(severity) for severity in Severity},
    "grade": {"", *map(str, Grade)},
    "tier": {tier.name.lower() for tier in Tier},
}
"""Column → what may stand in it."""


def write(record: Record, path: Path) -> None:
    """Write one Parquet file; an interrupted write leaves the old file or none.

    Raises
    ------
    CannotWrite
        If the disk is full, or may not be written.
    """
    facts = {
        "schema": SCHEMA,
        "parts": [to_json(Part, part) for part in record.parts],
        "claims": record.claims.to_dict("records"),
    }
    # Plain pages, since the compressor sees that neighbours are alike and a dictionary hides it: half the bytes.
    options = {"compression": "zstd", "compression_level": 19, "use_dictionary": False, "data_page_size": 2**26}
    write_whole(path, table_bytes(record.observations, facts, **options))


def table_bytes(observations: pd.DataFrame, facts: Mapping[str, Any], **options: Any) -> bytes:
    """A Parquet file of observations, with what goes with them."""
    columns = {
        name: pa.array(observations[name].to_numpy(object if kind == "string" else kind), _ARROW[kind])
        for name, kind in COLUMNS.items()
    }
    table = pa.table(columns)
    file = io.BytesIO()
    with pq.ParquetWriter(file, table.schema, write_page_checksum=True, **options) as writer:
        writer.write_table(table)
        # Metadata of the schema would be written twice.
        writer.add_key_value_metadata({KEY: json.dumps(facts)})
    return file.getvalue()


def record_file(path: Path) -> Path:
    """The file of a record: of a report's folder the Parquet file in it."""
    return path / "observations.parquet" if path.is_dir() else path


def read(path: Path) -> Record:
    """Read a record back.

    Raises
    ------
    UnreadableRecord, DifferentSchema, MissingFooter, TruncatedRecord, DamagedRecord
        In one line that names the file and what is wrong.
    """
    table, facts = read_table(path)
    try:
        _refuse_other_fields(facts, ("schema", "parts", "claims"))
        parts = from_json(tuple[Part, ...], facts["parts"], "parts", defaults=True)
        claims = _claims(facts["claims"])
        record = Record(parts, observations_of(table), claims)
        _refuse_inconsistent(record)
    except WrongData as error:
        raise DamagedRecord(f"{path}: {error}") from None
    _refuse_truncated(record, path)
    return record


def read_table(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """The Parquet table of a file and the JSON beside it, of this schema.

    Raises
    ------
    UnreadableRecord, DifferentSchema, MissingFooter
        In one line that names the file.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            text = (file.metadata.metadata or {})[KEY]
            table = file.read()
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        number = getattr(error, "errno", None)
        why = os.strerror(number) if number else str(error).strip().partition("\n")[0]
        raise UnreadableRecord(f"{path}: {why}") from None
    except KeyError:
        raise UnreadableRecord(f"{path}: this Parquet file is not a conformance record") from None
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        raise UnreadableRecord(f"{path}: its header is no JSON") from None
    if not isinstance(facts, dict):
        raise UnreadableRecord(f"{path}: its header is no table of fields")
    schema = facts.get("schema", _old_schema(facts))
    if schema != SCHEMA or type(schema) is not int:
        raise DifferentSchema(f"{path}: schema {shown(schema)}, this suite reads {SCHEMA}")
    for part in facts["parts"] if isinstance(facts.get("parts"), list) else ():
        if isinstance(part, dict) and not part.get("footer"):
            raise MissingFooter(f"{path}: no footer, the run that wrote it did not finish")
    return table, facts


def _old_schema(facts: Mapping[str, Any]) -> Any:
    """Where schema 2 said it was."""
    header = facts.get("header")
    return header.get("schema") if isinstance(header, dict) else None


def _refuse_other_fields(facts: Mapping[str, Any], fields: Sequence[str]) -> None:
    for name in fields:
        if name not in facts:
            raise WrongData(f"{name}: the field is missing")
    for name in facts:
        if name not in fields:
            raise WrongData(f"{shown(name)}: no such field{nearest(name, fields)}")


def _claims(rows: Any) -> pd.DataFrame:
    listed = from_json(tuple[Mapping[str, str], ...], rows, "claims")
    for i, row in enumerate(listed):
        if set(row) != set(CLAIM_COLUMNS):
            raise WrongData(f"claims[{i}]: the fields {', '.join(CLAIM_COLUMNS)} are wanted, not {', '.join(row)}")
    return claims_frame(listed)


def observations_of(table: pa.Table) -> pd.DataFrame:
    """The table of a file as observations.

    Raises
    ------
    WrongData
        If a column is missing, foreign, of another type, or has an empty place.
    """
    for name in table.column_names:
        if name not in COLUMNS or table.column_names.count(name) > 1:
            raise WrongData(f"column {shown(name)}: no such column, or there twice")
    for name, kind in COLUMNS.items():
        if name not in table.column_names:
            raise WrongData(f"column {name}: it is missing")
        column = table.column(name)
        if column.type not in (_ARROW[kind], pa.large_string() if kind == "string" else _ARROW[kind]):
            raise WrongData(f"column {name}: {_ARROW[kind]} is wanted, not {column.type}")
        if column.null_count:
            raise WrongData(f"column {name}: {column.null_count} places are empty")
    observations: pd.DataFrame = table.select(list(COLUMNS)).to_pandas().astype(COLUMNS)
    return observations


def _refuse_inconsistent(record: Record) -> None:
    """Refuse values that no run writes, and rows that belong to no part."""
    if not record.parts:
        raise WrongData("parts: there is none")
    runs = Counter(part.header.run_id for part in record.parts)
    if twice := [run for run, count in runs.items() if count > 1]:
        raise WrongData(f"parts: run {twice[0]} is there twice")
    rows = record.observations
    for name, kind in COLUMNS.items():
        if kind == "string":
            _refuse_words(name, rows[name])
    columns = {"choices": choices_of, "expected": expected_of, "witness": findings_of, "inputs": exhibit_of}
    for name, read_back in columns.items():
        for text in rows[name].unique():
            read_back({name: text})
    said = rows[["findings", "witness"]].drop_duplicates()
    for kinds, witness in zip(said["findings"], said["witness"], strict=True):
        if ";".join(finding.kind for finding in findings_of({"witness": witness})) != kinds:
            raise WrongData(f"witness: the findings {shown(kinds)} are wanted, not {shown(witness)}")
    _refuse_unplanned(record)


def _refuse_words(name: str, column: pd.Series) -> None:
    for text in column.unique():
        if not text.isprintable():
            raise WrongData(f"column {name}: text without control characters is wanted, not {shown(text)}")
        if name in WORDS and text not in WORDS[name]:
            raise WrongData(f"column {name}: one of {', '.join(sorted(WORDS[name]))} is wanted, not {shown(text)}")


def _refuse_unplanned(record: Record) -> None:
    """Refuse rows of a target, op or family that the plan of their part does not name."""
    places = ["run_id", "target", "framework", "variant", "version", "mode", "device", "control"]
    planned: set[tuple[Any, ...]] = set()
    for part in record.parts:
        run = part.header.run_id
        planned |= {(run, str(t), t.framework, t.variant, t.version, t.mode, t.device, t.control)
                    for t in part.header.plan.targets}  # fmt: skip
    for row in record.observations[places].drop_duplicates().itertuples(index=False, name=None):
        if row not in planned:
            raise WrongData(f"column target: {row[1]} {row[4]} of run {row[0]} stands in no plan")
    for name, known in (("op", record.ops), ("family", record.families)):
        for text in record.observations[name].unique():
            if text not in known:
                raise WrongData(f"column {name}: {shown(text)} stands in no plan{nearest(text, known)}")
    for run, target in record.claims[["run_id", "target"]].drop_duplicates().itertuples(index=False, name=None):
        if (run, target) not in {place[:2] for place in planned}:
            raise WrongData(f"claims: {target} of run {run} stands in no plan")


def _refuse_truncated(record: Record, path: Path) -> None:
    for what, rows in (("rows", record.observations), ("claims", record.claims)):
        counts = rows["run_id"].value_counts()
        for part in record.parts:
            found, due = int(counts.get(part.header.run_id, 0)), getattr(part.footer, what)
            if found != due:
                raise TruncatedRecord(f"{path}: {found} {what}, the footer of {part.header.run_id} counts {due}")
