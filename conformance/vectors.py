"""Questions as files, with their truths and bounds, for a machine without this suite; and what it answered, judged.

Only what two arrays and an axis say is exported: the op called plainly on an array in C order, of floats of the format that
is asked.  An answer is judged from the question and not from the truth beside it, as every other answer is.
"""

from __future__ import annotations

import json
import uuid
import zipfile
from collections.abc import Mapping  # noqa: TC003 - the reader of JSON looks at annotations while it runs
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

import conformance
from conformance import cases
from conformance.asking import plan
from conformance.cases import batches, twins
from conformance.judgement import Judge, digests
from conformance.record import (
    Footer,
    ForeignFiles,
    Header,
    Part,
    Plan,
    Record,
    RecordError,
    Subject,
    claims_frame,
    task_record,
)
from conformance.record.disk import one_line, write_whole
from conformance.record.machine import this_machine
from conformance.record.rows import in_order
from conformance.record.typed import WrongData, from_json, to_json
from conformance.tasks import Judged
from conformance.values import Answered, Batch, Call, Case, Inputs, NotAsked, Target, Tier
from reference.formats import FORMATS
from reference.ops import OPS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

INDEX = "vectors.json"
"""The file that says what stands in the others."""

_VERSION = 1


class BadVectors(RecordError):
    """A folder of questions or of answers that cannot be used; the message says which, and why, in one line."""


@dataclass(frozen=True)
class Asked:
    """One question of an array: its id, why it is hard, its name, and the lowest tier that asks it."""

    id: str
    family: str
    name: str
    tier: Tier


@dataclass(frozen=True)
class Entry:
    """One array of questions.

    Attributes
    ----------
    key
        The name of its array of logits in the file, ``KEY.x``; the answer is called ``KEY``.
    axis
        Of the rows.
    stacked
        Whether the first axis counts the questions; otherwise the whole array is the first of them.
    cases
        For each row of a stacked array the families that ask it; for another the families that ask the array.
    """

    key: str
    op: str
    dtype: str
    axis: int
    stacked: bool
    cases: tuple[tuple[Asked, ...], ...]

    @property
    def file(self) -> str:
        """Where its arrays are."""
        return f"{self.op}-{self.dtype}.npz"


@dataclass(frozen=True)
class Index:
    """What ``vectors.json`` holds; ``storage`` is dtype → the NumPy dtype of its arrays, raw bits where it has none."""

    version: int
    suite_version: str
    tier: Tier
    seed: int
    storage: Mapping[str, str]
    entries: tuple[Entry, ...]


def export(
    folder: Path, ops: Sequence[str], dtypes: Sequence[str], families: Sequence[str], tier: Tier, seed: int = 0
) -> Index:
    """Write questions, truths and bounds into a folder, one ``.npz`` for each op and dtype, and :data:`INDEX`.

    An array ``KEY.x`` has the logits in their storage dtype, ``KEY.cotangent`` those of a vjp; the others are float64:
    ``KEY.truth``, rounded to the dtype, ``KEY.rest``, the truth less that, and ``KEY.stable`` and ``KEY.loose``, the
    largest absolute errors that the two bounds allow.

    Raises
    ------
    BadVectors
        If nothing is left to be asked.
    conformance.record.ForeignFiles
        If the folder holds something else.
    """
    with one_line(f"cannot write {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()) and not (folder / INDEX).exists():
            raise ForeignFiles(f"{folder} holds other files; name a folder that is empty or holds {INDEX}")
    asked = plan.asked(ops, families)
    entries: list[Entry] = []
    files: dict[str, dict[str, NDArray[Any]]] = {}
    for dtype in dtypes:
        listed = cases.cases(FORMATS[dtype], [OPS[op] for op in asked], families=families or None, tier=tier, seed=seed)
        plain = [case for case in listed if _travels(case)]
        same = twins(plain)
        for i, batch in enumerate(batches(plain)):
            told = tuple(
                tuple(Asked(one.id, one.family, one.name, one.tier) for one in same[case.id]) for case in batch.cases
            )
            entry = Entry(f"a{i:05}", batch.op.name, dtype, batch.call.axis, batch.stacked, told)
            entries.append(entry)
            files.setdefault(entry.file, {}).update({f"{entry.key}.{name}": a for name, a in _arrays(batch).items()})
    if not entries:
        raise BadVectors("nothing to export: these families ask nothing of these ops that two arrays and an axis say")
    index = Index(
        _VERSION, conformance.__version__, tier, seed, {d: FORMATS[d].storage for d in dtypes}, tuple(entries)
    )
    _write(folder, index, files)
    return index


def _travels(case: Case) -> bool:
    plain = case.call == Call(axis=case.call.axis) and case.inputs.dtype == case.format.name
    return plain and not case.raises and not case.policy and case.logits.size > 0


def _arrays(batch: Batch) -> dict[str, NDArray[Any]]:
    question = Judge(batch).question
    truth, shape = question.truth, batch.logits.shape
    with np.errstate(all="ignore"):  # a truth beyond float64 has no rest, and its bounds are no numbers
        high, low = (np.ldexp(part, truth.exponent) for part in (truth.high, truth.low))
        rest = high - question.expected + low
        bounds = {
            name: bound.relative * np.abs(high) + bound.absolute
            for name, bound in (("stable", question.stable), ("loose", question.loose))
        }
    numbers = {"truth": question.expected, "rest": np.where(np.isfinite(rest), rest, 0.0), **bounds}
    stored = [array for _, array in batch.inputs.stored(batch.format)]
    return dict(zip(("x", "cotangent"), stored, strict=False)) | {k: v.reshape(shape) for k, v in numbers.items()}


def _write(folder: Path, index: Index, files: Mapping[str, Mapping[str, NDArray[Any]]]) -> None:
    with one_line(f"cannot write {folder}"):
        for old in folder.glob("*.npz"):
            old.unlink()
        for name, arrays in files.items():
            np.savez_compressed(folder / name, allow_pickle=False, **arrays)
    write_whole(folder / INDEX, (json.dumps(to_json(Index, index), indent=1) + "\n").encode())


def read(folder: Path) -> Index:
    """The index of a folder of questions.

    Raises
    ------
    BadVectors
        If there is none, or it is damaged.
    """
    path = folder / INDEX
    try:
        index: Index = from_json(Index, json.loads(path.read_text()))
    except OSError as error:
        raise BadVectors(f"{path}: {error.strerror}; `conformance export {folder}` writes it") from None
    except (ValueError, WrongData) as error:
        raise BadVectors(f"{path}: {error}") from None
    if index.version != _VERSION:
        raise BadVectors(f"{path}: version {index.version}, this suite reads {_VERSION}")
    return index


def judge(answers: Path, folder: Path, name: str) -> Record:
    """The record of what somebody answered: arrays named by the keys, in files of the same names as the questions'.

    Raises
    ------
    BadVectors
        If questions or answers cannot be read, or a question is not the one that its id names.
    """
    index = read(folder)
    target = Target(name, "answers", "elsewhere")
    files: dict[Path, dict[str, NDArray[Any]]] = {}
    judged: list[Judged] = []
    escalated = 0
    if not any((answers / entry.file).is_file() for entry in index.entries):
        wanted = ", ".join(dict.fromkeys(entry.file for entry in index.entries))
        raise BadVectors(f"{answers} holds no answers; wanted are {wanted}")
    for entry in index.entries:
        for path in (folder / entry.file, answers / entry.file):
            if path not in files:
                files[path] = _load(path)
        asked, told = files[folder / entry.file], files[answers / entry.file]
        batch = _batch(entry, asked, folder)
        seen = _observed(entry, told)
        judge = Judge(batch)
        for place, (case, judgement, digest) in enumerate(
            zip(batch.cases, judge.judge(seen), digests(batch, seen), strict=True)
        ):
            for one in entry.cases[place]:
                twin = replace(case, family=one.family, name=one.name, tier=one.tier)
                judged.append(Judged(twin, seen, judgement, digest, len(batch.cases), place))
        escalated += judge.escalated
    rows = task_record("judged", target=target, judged=judged, programs={}, timing={}, escalated=escalated).rows
    header = _header(index, target, f"conformance judge {answers} --vectors {folder}")
    observations = in_order(rows.assign(run_id=header.run_id).astype({"run_id": "string"}))
    footer = Footer(len(rows), 0, complete=True, seconds=0.0, escalated=escalated)
    return Record((Part(header, footer),), observations, claims_frame([]))


def _load(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file; none where there is no such file."""
    if not path.is_file():
        return {}
    if not zipfile.is_zipfile(path):
        raise BadVectors(f"{path}: it is no .npz file")
    try:
        with np.load(path) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BadVectors(f"{path}: {str(error).partition(chr(10))[0]}") from None


def _batch(entry: Entry, arrays: Mapping[str, NDArray[Any]], folder: Path) -> Batch:
    """The questions of an entry again."""
    op, format, where = OPS[entry.op], FORMATS[entry.dtype], f"{folder / entry.file}: {entry.key}"
    try:
        parts = [format.decode(arrays[f"{entry.key}.{part}"]) for part in ("x", "cotangent")[: 1 + op.takes_cotangent]]
    except (KeyError, TypeError) as error:
        raise BadVectors(f"{where}: {error}") from None
    rows = [[part[i] for part in parts] for i in range(len(entry.cases))] if entry.stacked else [parts]
    made = []
    for (first, *_), (x, *cotangent) in zip(entry.cases, rows, strict=True):
        inputs = Inputs(x, entry.dtype, None, *cotangent)
        case = Case(
            op,
            format,
            first.family,
            first.name,
            inputs,
            Call(axis=entry.axis),
            x,
            tier=first.tier,
            alone=not entry.stacked,
        )
        if case.id != first.id:
            raise BadVectors(f"{where}: {first.family}/{first.name} is not the question {first.id}")
        made.append(case)
    return Batch(tuple(made))


def _observed(entry: Entry, answers: Mapping[str, NDArray[Any]]) -> Answered | NotAsked:
    if entry.key not in answers:
        return NotAsked(f"the answers hold no {entry.key} of {entry.file}")
    stored, format = answers[entry.key], FORMATS[entry.dtype]
    dtype = entry.dtype if stored.dtype == np.dtype(format.storage) else stored.dtype.name
    return Answered(dtype, stored.shape, stored, 0.0)


def _header(index: Index, target: Target, command: str) -> Header:
    families = {one.family for entry in index.entries for twins_ in entry.cases for one in twins_}
    known = cases.families()
    return Header(
        run_id=uuid.uuid4().hex[:12],
        suite_version=conformance.__version__,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        proves_not=f"{plan.PROVES_NOT[index.tier]}; nothing but the op called plainly on arrays in C order",
        plan=Plan(
            tier=index.tier,
            seed=index.seed,
            ops=tuple(dict.fromkeys(entry.op for entry in index.entries)),
            dtypes=tuple(dict.fromkeys(entry.dtype for entry in index.entries)),
            families={name: known[name].reason if name in known else "" for name in sorted(families)},
            targets=(target,),
        ),
        machine=this_machine(),
        subjects=(Subject(target.framework),),
    )
