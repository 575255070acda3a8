"""``conformance sweep`` from its command line to its table: what it finds, what it refuses, and what it keeps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import kernels
import numpy as np
import pytest
from called import call

from conformance.sweep.finished import read
from reference.formats import FORMATS
from reference.truth import truth

if TYPE_CHECKING:
    from conformance.values import Numbers

KERNELS = Path(__file__).with_name("kernels.py")
FLOAT16 = FORMATS["float16"]

Swept = tuple[Path, str, str]
Capture = pytest.CaptureFixture[str]


def sweep(*arguments: object) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a sweep in a process of its own."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "conformance", "sweep", *map(str, arguments)],
        capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "COLUMNS": "100"},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """Sweeps of two kernels in float16: their folder, and their table as it is printed and written."""
    folder = tmp_path_factory.mktemp("sweep")
    for name in ("softmax", "flushing"):
        status, _, said = sweep(f"{KERNELS}:{name}", "--dtype", "float16", "--out", folder / name)
        assert status == 0, said
    both = ["--from", folder / "softmax", "--from", folder / "flushing"]
    status, printed, said = sweep(*both, "--table", folder / "table.md")
    assert status == 0, said
    return folder, printed, (folder / "table.md").read_text()


def by_hand(function: str) -> tuple[Numbers, Numbers, Numbers]:
    """What a kernel answers to every gap, what is right, and the error in units in the last place; (rows, 2)."""
    gaps = FLOAT16.decode(np.arange(0x7C00, dtype=np.uint16).view(np.float16))
    x = np.stack([np.zeros_like(gaps), -gaps], axis=1).astype(np.float16)
    with np.errstate(all="ignore"):
        got = getattr(kernels, function)(x, -1).astype(np.float64)
    said = truth("softmax", x.astype(np.float64), format=FLOAT16)
    return got, said.rounded(FLOAT16), said.error_ulps(got, FLOAT16)


@pytest.mark.parametrize("function", ["softmax", "flushing"])
def test_a_sweep_finds_what_a_look_at_every_row_finds(swept: Swept, function: str) -> None:
    got, due, errors = by_hand(function)
    (result,) = read(swept[0] / function).results
    assert set(result.placements) == {"last axis", "last axis, reversed", "first axis", "first axis, reversed"}
    for which in result.placements.values():
        for k, lane in enumerate(result.lanes[which]):
            assert lane.counts["rows"] == 0x7C00
            assert lane.counts["correct"] == np.count_nonzero(got[:, k] == due[:, k])
            worst = lane.worst["ulp"]
            assert worst.error == errors[:, k].max()
            assert float.fromhex(worst.answer) == got[worst.number, k]
            lost = (got[:, k] == 0) & (due[:, k] != 0) & (due[:, k] < FLOAT16.smallest_normal)
            assert lane.counts.get("flushed_subnormals", 0) == np.count_nonzero(lost)


def test_its_table_names_the_worst_row_and_where(swept: Swept) -> None:
    _, printed, page = swept
    _, _, errors = by_hand("softmax")
    row = int(errors.max(axis=1).argmax())
    gap = float(FLOAT16.decode(np.array([row], np.uint16).view(np.float16))[0])
    for text in (printed, page):
        assert f"[0, -{gap:.5g}]" in text
        assert f"{errors.max():.4g}" in text
    assert "float16, gaps" in page
    assert "31,744 rows" in page


@pytest.mark.parametrize(("function", "why"), [("crashing", "exit status 3"), ("widening", "answered float64")])
def test_what_crashes_or_answers_in_another_dtype_is_said(
    tmp_path: Path, capsys: Capture, function: str, why: str
) -> None:
    arguments = (f"{KERNELS}:{function}", "--dtype", "float16", "--out", str(tmp_path / "out"))
    status, out, _ = call("sweep", *arguments, capsys=capsys)
    assert status == 1
    (result,) = read(tmp_path / "out").results
    assert why in result.failed
    assert not result.placements
    assert why in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nobody"], "unknown target 'nobody'"),
        (["torch", "--dtype", "float12"], "unknown dtype 'float12'"),
        (["torch", "--op", "softmin"], "unknown op 'softmin'"),
        (["--kind", "quadruples"], "unknown kind 'quadruples'"),
        ([f"{KERNELS}:softmax", "--kind", "pairs"], "float32 has no pairs"),
        ([f"{KERNELS}:softmax", "--rows", "few"], "is no number of rows"),
        ([f"{KERNELS}:nothing"], "nothing"),
        (["--resume", "--restart"], "not both"),
        (["--resume", f"{KERNELS}:softmax"], "no sweep to resume"),
        ([f"{KERNELS}:softmax", f"{KERNELS}:flushing"], "a kernel alone"),
        ([f"{KERNELS}:softmax", "torch"], "a kernel alone"),
        ([f"{KERNELS}:softmax", "--op", "softmax", "--op", "log_softmax"], "one op of it"),
        ([f"{KERNELS}:softmax", "--out", str(KERNELS)], "is no folder"),
        (["--from", "nowhere", "--op", "softmax"], "--from asks nobody"),
        (["--from", "nowhere"], "a finished sweep is wanted"),
        (["--from", "nowhere", "torch"], "--from asks nobody"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, arguments: list[str], why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = call("sweep", *arguments, capsys=capsys)
    assert status == 2
    assert why in err
    assert len(err.strip().splitlines()) == 1
    assert not out


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema": 1}', b'{"schema": 99}'])
def test_a_file_that_holds_no_sweep_is_refused(tmp_path: Path, capsys: Capture, content: bytes) -> None:
    (tmp_path / "sweep.json").write_bytes(content)
    status, _, err = call("sweep", "--from", str(tmp_path), capsys=capsys)
    assert status == 2
    assert len(err.strip().splitlines()) == 1


def test_around_the_worst_rows_of_a_sample_all_are_asked(tmp_path: Path) -> None:
    """The row [0, -1.25] is not in the sample, and worse than any that is."""
    out = tmp_path / "sample"
    status, _, said = sweep(f"{KERNELS}:spiked", "--dtype", "float16", "--rows", 50, "--out", out)
    assert status == 0, said
    (result,) = read(out).results
    for which in result.placements.values():
        for lane in result.lanes[which]:
            assert lane.counts["rows"] == 50 == sum(map(sum, lane.histogram.values()))
            assert lane.counts["searched"] >= 2**14
            assert lane.worst["ulp"].row == ((0.0).hex(), (-1.25).hex())
            assert lane.worst["ulp"].error > 20


def test_a_sweep_that_is_killed_goes_on_and_comes_to_the_same(tmp_path: Path) -> None:
    dtypes = [f"--dtype={dtype}" for dtype in ("float64", "float32", "float16")]
    asked = [f"{KERNELS}:softmax", *dtypes, "--jobs", "1", "--rows", str(2**17)]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert sweep(*asked, "--out", whole)[0] == 0
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "conformance", "sweep", *asked, "--out", str(killed)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    shards = tmp_path / "killed.journal" / "shards"
    while not (shards.is_dir() and list(shards.glob("[!.]*.json"))):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    status, _, said = sweep(*asked, "--out", killed)
    assert status == 2
    assert "resume it, restart, or name another folder" in said
    status, _, said = sweep(*asked, "--rows", 2**18, "--out", killed, "--resume")
    assert status == 2
    assert "other rows" in said
    changed = KERNELS.with_name("kernels.py").read_text() + "\n"
    other = tmp_path / "kernels.py"
    other.write_text(changed)
    status, _, said = sweep(f"{other}:softmax", *asked[1:], "--out", killed, "--resume")
    assert status == 2
    assert "other kernel" in said
    kept = next(shards.glob("[!.]*.json"))
    kept.write_bytes(kept.read_bytes()[:100])  # as a full disk may leave it
    status, _, said = sweep(*asked, "--out", killed, "--resume")
    assert status == 0, said
    assert "not used" in said
    one, other = (json.loads((folder / "sweep.json").read_text())["results"] for folder in (whole, killed))
    assert one == other
    assert not (tmp_path / "killed.journal").exists()
