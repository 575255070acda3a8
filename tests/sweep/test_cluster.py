"""A sweep on a cluster comes to what one machine's does, whoever is lost on the way; what cannot be used is one line."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from called import call

from conformance.asking.pool import Invitation
from conformance.sweep.cluster import tags, together
from conformance.sweep.shards import Swept
from conformance.values import Target

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("distributed", reason="distributed has the scheduler and the workers of these tests")

KERNELS = Path(__file__).with_name("kernels.py")

STARTED = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=int(sys.argv[1]), threads_per_worker=1, dashboard_address=None,
                      preload=sys.argv[2:]) as cluster:
        print(cluster.scheduler_address, *(one.pid for one in cluster.workers.values()), flush=True)
        sys.stdin.read()
"""


@contextlib.contextmanager
def started(folder: Path, workers: int, *preload: str) -> Iterator[tuple[str, list[int]]]:
    """A scheduler and its workers in processes of their own: the address, and the workers' numbers."""
    script = folder / "started.py"
    script.write_text(STARTED)
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, script, str(workers), *preload], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        address, *numbers = process.stdout.readline().split()
        yield address, list(map(int, numbers))
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(60)


def found(folder: Path) -> Any:
    """A finished sweep without what differs from run to run."""
    told = json.loads((folder / "sweep.json").read_bytes())
    return {name: part for name, part in told.items() if name not in ("seconds", "started", "command")}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "conformance", "sweep", *map(str, arguments)]


def test_a_worker_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    asked = [f"{KERNELS}:softmax", "--dtype", "float32", "--rows", "6e6"]
    subprocess.run(command(*asked, "--out", tmp_path / "alone"), check=True, capture_output=True, timeout=300)  # noqa: S603
    with started(tmp_path, 2, "conformance.sweep.cluster") as (address, workers):
        farm = command(*asked, "--out", tmp_path / "farm", "--cluster", address)
        with subprocess.Popen(farm, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
            finished = tmp_path / "farm.journal" / "shards"
            deadline = time.monotonic() + 120
            while not list(finished.glob("[!.]*.json")) and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            os.kill(workers[0], signal.SIGKILL)
            _, said = process.communicate(timeout=300)

    assert process.returncode == 0, said
    assert found(tmp_path / "alone") == found(tmp_path / "farm")


def test_who_lacks_what_is_asked_says_what_there_is(tmp_path: Path) -> None:
    with started(tmp_path, 1) as (address, _):  # its worker says nothing of itself
        asked = command(f"{KERNELS}:softmax", "--dtype", "float16", "--out", tmp_path / "out", "--cluster", address)
        done = subprocess.run(asked, capture_output=True, text=True, timeout=300, check=False)  # noqa: S603

    assert done.returncode == 2
    assert f"conformance: no worker at {address} has cpu" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--cluster", "farm"), "'farm' is no scheduler's address, tcp://host:8786 say, nor local"),
        (("--cluster", "tcp://127.0.0.1:9"), "no scheduler answers at tcp://127.0.0.1:9 ("),
        (("--cluster", "local", "--python", "here"), "a worker asks the frameworks of its own environment"),
        (("--cluster", "local", "--from", "reports/sweeps/narrow"), "--from asks nobody"),
    ],
)
def test_bad_usage_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = call("sweep", "torch", *arguments, "--out", str(tmp_path / "out"), capsys=capsys)

    assert (2, 1) == (status, len(err.splitlines()))
    assert message in err


def test_a_task_wants_a_device_and_a_subject_and_a_kernel_the_first_alone() -> None:
    cuda = Target("torch", "eager", "cuda:0", version="2")

    assert {"gpu", "torch"} == tags(Invitation("torch"), cuda)
    assert {"cpu", "tensorflow:onednn-off"} == tags(
        Invitation("tensorflow", "onednn-off"), Target("tensorflow", "eager", "cpu", version="2")
    )
    assert {"cpu"} == tags(Invitation("numpy", kernel="my.py:softmax"), Target("softmax", "numpy", "cpu", version="2"))


def test_parts_of_a_shard_add_up() -> None:
    one = Swept("a", "plan", {"x": {}}, {"y": "no such op"}, {}, {"truth": 1.0, "x": 2.0})
    other = Swept("a", "plan", {}, {}, {"z": "crashed"}, {"truth": 0.5})

    assert Swept(
        "a", "plan", {"x": {}}, {"y": "no such op"}, {"z": "crashed", "w": "before"}, {"truth": 1.5, "x": 2.0}
    ) == together([one, other], {"w": "before"})
