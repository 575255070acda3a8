"""A record survives the disk, and a damaged one says in one line how it is damaged."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections import Counter
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from parts import INPUTS, JAX, TORCH, WITNESS, record, row, violated

from conformance import record as records
from conformance.record import COLUMNS, Record, RecordError, frame, merge, read, write
from conformance.record.files import KEY, read_table, table_bytes
from conformance.record.schema import SCHEMA
from conformance.reporting import Reading, summary
from conformance.reporting.page import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def test_a_record_survives_the_disk(tmp_path: Path) -> None:
    wrote = record(violated(max_ulp=float("nan"), expected="accuracy!;order?"), row(case="b", choices="nan=all"))

    write(wrote, tmp_path / "r.parquet")
    got = read(tmp_path / "r.parquet")

    pd.testing.assert_frame_equal(wrote.observations, got.observations)
    pd.testing.assert_frame_equal(wrote.claims, got.claims)
    assert wrote.parts == got.parts
    assert ["r.parquet"] == [path.name for path in tmp_path.iterdir()]


def test_a_merged_record_survives_the_disk(tmp_path: Path) -> None:
    wrote = merge([("a", record()), ("b", record(target=JAX, run_id="other"))])

    write(wrote, tmp_path / "r.parquet")
    got = read(tmp_path / "r.parquet")

    pd.testing.assert_frame_equal(wrote.observations, got.observations)
    pd.testing.assert_frame_equal(wrote.claims, got.claims)
    assert wrote.parts == got.parts


def test_pandas_alone_can_read_it(tmp_path: Path) -> None:
    write(record(), tmp_path / "r.parquet")

    got = pd.read_parquet(tmp_path / "r.parquet")

    assert list(COLUMNS) == list(got.columns)
    assert ["torch/eager/cpu"] == got["target"].tolist()


def test_hostile_text_is_escaped_and_hinders_no_write(tmp_path: Path) -> None:
    text = "a\ud800b\x00c\x1b[31m\nd\u202ee <script>"
    told = record(row(reason=text, layout=text), command=text, gpus=(text,), absent={"jax": text})
    told.claims["evidence"] = text.replace("\ud800", "")

    write(told, tmp_path / "r.parquet")

    escaped = r"a\ud800b\x00c\x1b[31m\nd\u202ee <script>"
    pq.read_table(tmp_path / "r.parquet")
    with pytest.raises(records.DamagedRecord, match=r"claims.*control characters"):
        read(tmp_path / "r.parquet")
    told = replace(told, claims=record().claims)
    write(told, tmp_path / "r.parquet")
    (part,), observations = read(tmp_path / "r.parquet").parts, read(tmp_path / "r.parquet").observations
    assert [escaped] * 2 == [observations["reason"][0], observations["layout"][0]]
    assert (escaped, (escaped,), {"jax": escaped}) == (
        part.header.command, part.header.machine.gpus, part.header.plan.absent,
    )  # fmt: skip


def test_a_program_keeps_its_lines_and_odd_characters(tmp_path: Path) -> None:
    told = record()
    programs = {"torch/eager/cpu softmax plain": ("a\n\tb", "\ud800", "", "x")}
    told = replace(told, parts=(replace(told.parts[0], programs=programs),))

    write(told, tmp_path / "r.parquet")

    assert programs == read(tmp_path / "r.parquet").parts[0].programs


def test_absurd_figures_are_kept() -> None:
    largest = np.finfo(np.float64).max

    (kept,) = frame([row(max_ulp=largest, error_over_bound=np.inf, row_sum_error=largest)], "run").to_dict("records")

    assert largest * (1 - 2.0**-23) <= kept["max_ulp"] <= largest
    assert np.inf == kept["error_over_bound"] == kept["row_sum_error"]


def test_figures_keep_seven_digits_rounded_down() -> None:
    (kept,) = frame([row(max_ulp=1 + 2.0**-23 + 2.0**-30, error_over_bound=1 / 3)], "run").to_dict("records")

    assert 1 + 2.0**-23 == kept["max_ulp"]
    assert 1 / 3 * (1 - 2.0**-23) < kept["error_over_bound"] < 1 / 3


def test_rows_have_one_order() -> None:
    rows = [row(case=case, op=op) for case in "bca" for op in ("softmax", "log_softmax")]
    rows += [row(case="a", version=version) for version in ("2.14", "2.12")]

    one, other = frame(rows), frame(reversed(rows))

    pd.testing.assert_frame_equal(one, other)
    assert ["log_softmax"] * 3 + ["softmax"] * 5 == one["op"].tolist()


# What can be wrong with a file: its JSON, by a path into it, or its columns.

GONE = object()


def facts_of(told: Record, path: Path) -> tuple[pa.Table, dict[str, Any]]:
    write(told, path)
    return pq.read_table(path), json.loads(pq.read_metadata(path).metadata[KEY])


def spoiled(table: pa.Table, facts: Any, path: Path, key: bytes = KEY) -> Path:
    text = facts if isinstance(facts, str | bytes) else json.dumps(facts)
    pq.write_table(table.replace_schema_metadata({key: text}), path)
    return path


def test_a_record_from_before_contracts_is_read(tmp_path: Path) -> None:
    table, facts = facts_of(record(), tmp_path / "r.parquet")
    for subject in facts["parts"][0]["header"]["subjects"]:
        del subject["contract"]

    got = read(spoiled(table, facts, tmp_path / "r.parquet"))

    assert [""] == [subject.contract for subject in got.parts[0].header.subjects]


IN_JSON: list[tuple[str, Any, type[Exception], str]] = [
    ("schema", GONE, records.DifferentSchema, "schema None"),
    ("schema", 3, records.DifferentSchema, "schema 3, this suite reads 4"),
    ("schema", "4", records.DifferentSchema, "schema '4'"),
    ("schema", True, records.DifferentSchema, "schema True"),
    ("parts", GONE, records.DamagedRecord, "parts: the field is missing"),
    ("parts", None, records.DamagedRecord, "parts: a list is wanted, not None"),
    ("parts", [], records.DamagedRecord, "parts: there is none"),
    ("parts", {"a": 1}, records.DamagedRecord, "parts: a list is wanted"),
    ("parts.0", "x", records.DamagedRecord, r"parts\[0\]: a table of fields is wanted, not 'x'"),
    ("parts.0.footer", GONE, records.MissingFooter, "no footer, the run that wrote it did not finish"),
    ("parts.0.footer", None, records.MissingFooter, "no footer"),
    ("parts.0.footer", {}, records.MissingFooter, "no footer"),
    ("parts.0.footer", [1], records.DamagedRecord, "footer: a table of fields is wanted"),
    ("parts.0.footer.rows", 7, records.TruncatedRecord, "1 rows, the footer of run counts 7"),
    ("parts.0.footer.claims", 0, records.TruncatedRecord, "1 claims, the footer of run counts 0"),
    ("parts.0.footer.rows", "1", records.DamagedRecord, "footer.rows: a whole number is wanted, not '1'"),
    ("parts.0.footer.rows", True, records.DamagedRecord, "footer.rows: a whole number is wanted, not True"),
    ("parts.0.footer.complete", 1, records.DamagedRecord, "footer.complete: true or false is wanted, not 1"),
    ("parts.0.footer.seconds", None, records.DamagedRecord, "footer.seconds: a number is wanted, not None"),
    ("parts.0.footer.timing", {"torch": 1}, records.DamagedRecord, "footer.timing.torch: a table of names is wanted"),
    ("parts.0.header", GONE, records.DamagedRecord, "header: the field is missing"),
    ("parts.0.header", "h", records.DamagedRecord, "header: a table of fields is wanted, not 'h'"),
    ("parts.0.header.run_id", 5, records.DamagedRecord, "header.run_id: text is wanted, not 5"),
    ("parts.0.header.run_id", "x", records.DamagedRecord, "torch/eager/cpu 2.13.0 of run run stands in no plan"),
    ("parts.0.header.started", "a\nb", records.DamagedRecord, "header.started: text without control characters"),
    ("parts.0.header.tier", "smoke", records.DamagedRecord, "header.tier: no such field"),
    ("parts.0.header.plan", GONE, records.DamagedRecord, "header.plan: the field is missing"),
    ("parts.0.header.plan", [], records.DamagedRecord, r"header.plan: a table of fields is wanted, not \[\]"),
    ("parts.0.header.plan.tier", "high", records.DamagedRecord, "plan.tier: one of smoke, standard, exhaustive"),
    ("parts.0.header.plan.seed", 0.5, records.DamagedRecord, "plan.seed: a whole number is wanted, not 0.5"),
    ("parts.0.header.plan.ops", "softmax", records.DamagedRecord, "plan.ops: a list is wanted, not 'softmax'"),
    ("parts.0.header.plan.ops", ["log_softmax"], records.DamagedRecord, "op: 'softmax' stands in no plan; did you"),
    ("parts.0.header.plan.families", {}, records.DamagedRecord, "column family: 'underflow' stands in no plan"),
    ("parts.0.header.plan.targets", [], records.DamagedRecord, "torch/eager/cpu 2.13.0 of run run stands in no plan"),
    ("parts.0.header.plan.targets.0.mode", GONE, records.DamagedRecord, r"targets\[0\].mode: the field is missing"),
    ("parts.0.header.plan.targets.0.control", True, records.DamagedRecord, "stands in no plan"),
    ("parts.0.header.plan.targets.0.modes", "a", records.DamagedRecord, "modes: no such field; did you mean 'mode'"),
    ("parts.0.header.machine", 1, records.DamagedRecord, "machine: a table of fields is wanted, not 1"),
    ("parts.0.header.machine.gpus", [[]], records.DamagedRecord, r"machine.gpus\[0\]: text is wanted"),
    ("parts.0.header.subjects.0.versions", [], records.DamagedRecord, "versions: a table of names is wanted"),
    ("parts.0.programs", {"a": ["1", "2", "3"]}, records.DamagedRecord, "programs.a: a list of 4 is wanted"),
    ("claims", GONE, records.DamagedRecord, "claims: the field is missing"),
    ("claims", "none", records.DamagedRecord, "claims: a list is wanted, not 'none'"),
    ("claims.0", [], records.DamagedRecord, r"claims\[0\]: a table of names is wanted"),
    ("claims.0.verdict", GONE, records.DamagedRecord, r"claims\[0\]: the fields run_id, claim"),
    ("claims.0.verdict", None, records.DamagedRecord, r"claims\[0\].verdict: text is wanted, not None"),
    ("claims.0.target", "x/y/z", records.DamagedRecord, "claims: x/y/z of run run stands in no plan"),
    ("header", {}, records.DamagedRecord, "'header': no such field"),
]


def test_what_an_earlier_version_did_not_write_has_its_default(tmp_path: Path) -> None:
    written = record()
    table, facts = facts_of(written, tmp_path / "r.parquet")
    del facts["parts"][0]["header"]["subjects"][0]["contract"]

    assert written.parts == read(spoiled(table, facts, tmp_path / "r.parquet")).parts


@pytest.mark.parametrize(("place", "value", "error", "message"), IN_JSON, ids=range(len(IN_JSON)))
def test_damage_in_the_header_is_one_line(
    tmp_path: Path, place: str, value: Any, error: type[Exception], message: str
) -> None:
    table, facts = facts_of(record(), tmp_path / "r.parquet")
    *above, last = [int(name) if name.isdecimal() else name for name in place.split(".")]
    inner = facts
    for name in above:
        inner = inner[name]
    if value is GONE:
        del inner[last]
    else:
        inner[last] = value
    path = spoiled(table, facts, tmp_path / "r.parquet")

    with pytest.raises(error, match=message) as caught:
        read(path)

    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value of the header, whole tables and lists among them."""
    if above:
        yield above
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*above, name))


HOSTILE = "\x1b[31m<b>\n"
STRANGE: tuple[Any, ...] = (None, True, -1, 1e999, 10**30, "", HOSTILE, [], [[]], {}, {"x": 1}, "2.0", GONE)


def test_whatever_stands_in_a_header_is_read_and_shown_or_refused_in_one_line(tmp_path: Path) -> None:
    """Each value of it replaced by each of some that no run writes, or taken out."""
    table, facts = facts_of(record(violated(), row(case="b")), tmp_path / "r.parquet")
    text, shown = json.dumps(facts), Counter[bool]()
    for above, value in product(list(places(facts)), STRANGE):
        damaged = json.loads(text)
        inner = damaged
        for name in above[:-1]:
            inner = inner[name]
        if value is GONE:
            del inner[above[-1]]
        else:
            inner[above[-1]] = value
        path = spoiled(table, damaged, tmp_path / "r.parquet")
        try:
            reading = Reading(read(path))
        except RecordError as error:
            assert "\n" not in str(error), above  # noqa: PT017 - of some records, and not of all
            shown[False] += 1
            continue
        shown[True] += 1
        if value == HOSTILE:
            assert HOSTILE[0] not in summary.markdown(reading) + render(reading), above
    assert min(shown.values()) > 50, shown


def changed(name: str, value: Any, kind: Any = None) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        place = table.column_names.index(name)
        array = pa.array([value] * len(table), kind or table.schema.field(name).type)
        return table.set_column(place, name, array)

    return change


def stored(**fields: Any) -> str:
    """The witness column with fields of its witness changed."""
    (finding,) = json.loads(WITNESS)
    return json.dumps([finding | {"witness": finding["witness"] | fields}])


def handed(**fields: Any) -> str:
    """The column of inputs with fields of its x changed."""
    whole = json.loads(INPUTS)
    return json.dumps(whole | {"x": whole["x"] | fields})


def packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


IN_COLUMNS: list[tuple[Callable[[pa.Table], pa.Table], str]] = [
    *((lambda table, name=name: table.drop_columns([name]), f"column {name}: it is missing") for name in COLUMNS),
    *((changed(name, None), f"column {name}: 1 places are empty") for name in COLUMNS),
    (lambda table: table.append_column("ledger", table.column("op")), "column 'ledger': no such column"),
    (lambda table: table.append_column("op", table.column("op")), "column 'op': no such column, or there twice"),
    (changed("axis", 1, pa.int32()), "column axis: int64 is wanted, not int32"),
    (changed("op", 1, pa.int64()), "column op: string is wanted, not int64"),
    (changed("control", "no", pa.string()), "column control: bool is wanted, not string"),
    (changed("max_ulp", "1", pa.string()), "column max_ulp: double is wanted, not string"),
    (changed("witness", [WITNESS], pa.list_(pa.string())), r"column witness: string is wanted, not list"),
    (changed("severity", "bad"), "column severity: one of degraded, none, policy, violation is wanted, not 'bad'"),
    (changed("outcome", "lost"), "column outcome: one of answered, crashed"),
    (changed("grade", "fine"), "column grade: one of , divergent"),
    (changed("tier", "STANDARD"), "column tier: one of exhaustive, smoke, standard"),
    (changed("choices", "nan"), "choices: question=answer is wanted, not 'nan'"),
    (changed("choices", "nan= =x"), "choices: question=answer is wanted, not 'nan='"),
    (changed("expected", "accuracy"), "expected: kind! or kind"),
    (changed("reason", "a\x1b[0m"), "column reason: text without control characters"),
    (changed("target", "torch/other/cpu"), "torch/other/cpu 2.13.0 of run run stands in no plan"),
    (changed("version", "1"), "torch/eager/cpu 1 of run run stands in no plan"),
    (changed("run_id", "?"), r"of run \? stands in no plan"),
    (changed("control", value=True), "stands in no plan"),
    (changed("op", "softmin"), "column op: 'softmin' stands in no plan; did you mean 'softmax'"),
    (changed("op", "s\u043eftmax"), r"column op: 's\\u043eftmax' stands in no plan; did you mean 'softmax'"),
    (changed("family", "x"), "column family: 'x' stands in no plan; known: underflow"),
    (changed("findings", "order"), "witness: the findings 'order' are wanted"),
    (changed("findings", ""), "witness: the findings '' are wanted"),
    (changed("witness", ""), "witness: the findings 'accuracy' are wanted, not ''"),
    (changed("witness", WITNESS[:-3]), "witness: .* is no JSON"),
    (changed("witness", "[" * 100_000), "witness: .* is no JSON"),
    (changed("witness", "{}"), "witness: a list is wanted"),
    (changed("witness", "[1]"), r"witness\[0\]: a table of fields is wanted, not 1"),
    (changed("witness", WITNESS.replace('"violation"', '"awful"')), "severity: one of none, policy, degraded"),
    (changed("witness", WITNESS.replace('"detail"', '"text"')), "text: no such field"),
    (changed("witness", stored(got="1.5.2")), "a hexadecimal number is wanted, not '1.5.2'"),
    (changed("witness", stored(got="0x1p99999")), "a hexadecimal number is wanted, not '0x1p99999'"),
    (changed("witness", stored(got=1.0)), "got: text is wanted, not 1.0"),
    (changed("witness", stored(index="1")), "index: a whole number is wanted"),
    (changed("inputs", INPUTS[:-3]), "inputs: .* is no JSON"),
    (changed("inputs", "[1]"), r"inputs: a table of fields is wanted, not \[1\]"),
    (changed("inputs", handed(runs={"omitted": 9})), "runs: a list is wanted"),
    (changed("inputs", handed(runs=["0x0p0*x"])), "a number, or number[*]times, is wanted, not '0x0p0[*]x'"),
    (changed("inputs", handed(runs=["0x0p0*99999999999999"])), "4 numbers are wanted, not 99999999999999"),
    (changed("inputs", handed(runs=["0x1p99999*4"])), "inputs: a hexadecimal number is wanted, not '0x1p99999'"),
    (changed("inputs", handed(shape=[5])), "5 numbers are wanted, not 4"),
    (changed("inputs", handed(shape=[-1])), "a shape is wanted"),
    (changed("inputs", handed(shape=[10**6, 10**6], runs=["0x0p0*1000000000000"])), "a shape is wanted"),
    (changed("inputs", handed(runs=[], kind="<f16", bits="")), "one of <f2, <f4, <f8 is wanted"),
    (changed("inputs", handed(runs=[], kind="<f4", bits="???")), "are no compressed bits"),
    (changed("inputs", handed(runs=[], kind="<f4", bits=packed(b"12"))), "4 numbers are wanted, and other bits are there"),
    (changed("inputs", handed(runs=[], kind="<f4", bits=packed(bytes(10**7)))), "4 numbers are wanted, and other"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "message"), IN_COLUMNS, ids=range(len(IN_COLUMNS)))
def test_damage_in_a_column_is_one_line(tmp_path: Path, spoil: Callable[[pa.Table], pa.Table], message: str) -> None:
    table, facts = facts_of(record(violated()), tmp_path / "r.parquet")
    path = spoiled(spoil(table), facts, tmp_path / "r.parquet")

    with pytest.raises(records.DamagedRecord, match=message) as caught:
        read(path)

    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 250


def test_the_record_that_is_damaged_above_is_whole(tmp_path: Path) -> None:
    table, facts = facts_of(record(violated()), tmp_path / "r.parquet")

    assert 1 == len(read(spoiled(table, facts, tmp_path / "r.parquet")).observations)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, b"\xff\xfe"])
def test_a_header_that_is_no_json_is_one_line(tmp_path: Path, text: str | bytes) -> None:
    table, _ = facts_of(record(), tmp_path / "r.parquet")
    path = spoiled(table, text, tmp_path / "r.parquet")

    with pytest.raises(records.UnreadableRecord, match="its header is no ") as caught:
        read(path)

    assert "\n" not in str(caught.value)


def test_a_run_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    table, facts = facts_of(record(), tmp_path / "r.parquet")
    facts["parts"] *= 2

    with pytest.raises(records.DamagedRecord, match="parts: run run is there twice"):
        read(spoiled(table, facts, tmp_path / "r.parquet"))


def test_a_record_of_the_former_schema_says_so(tmp_path: Path) -> None:
    table, _ = facts_of(record(), tmp_path / "r.parquet")
    old = {"header": {"schema": 2, "run_id": "x"}, "claims": [], "footer": {"rows": 1}}

    with pytest.raises(records.DifferentSchema, match="schema 2, this suite reads 4"):
        read(spoiled(table, old, tmp_path / "r.parquet"))


def test_other_files_are_no_records(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")

    for name in ("text", "empty", "folder", "other.parquet", "absent"):
        with pytest.raises(records.UnreadableRecord, match=name) as caught:
            read(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_no_cut_and_no_flipped_bit_is_a_traceback(tmp_path: Path) -> None:
    """Either the file is refused, or it says what it said: pages have checksums, and the JSON is read strictly."""
    path = tmp_path / "r.parquet"
    whole = record(*(violated(case=str(i), digest=f"{i:08x}") for i in range(20)))
    write(whole, path)
    content, refused = path.read_bytes(), []
    damaged = [content[:-length] for length in (1, 20, len(content) // 2)]
    for place in range(4, len(content), 97):
        damaged.append(bytearray(content))
        damaged[-1][place] ^= 1 << place % 8

    for form in damaged:
        path.write_bytes(form)
        try:
            got = read(path)
        except records.RecordError as error:
            refused.append(str(error))
        else:
            pd.testing.assert_frame_equal(got.observations, whole.observations)

    assert not [line for line in refused if "\n" in line or not line.startswith(str(path))]
    assert len(refused) > len(damaged) / 4


def test_a_number_that_changed_on_the_disk_is_not_read(tmp_path: Path) -> None:
    """Nothing but the page's checksum can tell, where no compressor trips over it."""
    path, number = tmp_path / "r.parquet", struct.pack("<d", 1.375)
    options = {"compression": "none", "use_dictionary": False, "write_statistics": False}
    content = bytearray(table_bytes(record(row(max_ulp=1.375)).observations, {"schema": SCHEMA}, **options))
    assert 1 == content.count(number)
    path.write_bytes(content)
    assert [1.375] == read_table(path)[0]["max_ulp"].to_pylist()

    content[content.index(number) + 5] ^= 1
    path.write_bytes(content)

    with pytest.raises(records.UnreadableRecord, match=str(path)):
        read_table(path)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.parquet"
    write(record(), path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(records.CannotWrite, match=r"cannot write .*r\.parquet: No space left on device") as caught:
        write(record(row(), row(case="b")), path)

    assert "\n" not in str(caught.value)
    assert [path] == list(tmp_path.iterdir())
    assert 1 == len(read(path).observations)
    assert TORCH in read(path).targets
