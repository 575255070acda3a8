"""A cluster of two hosts, one of which is lost in the middle of a sweep; run as root: python tests/sweep/cluster_drill.py.

The hosts are network namespaces on a bridge: 10.77.0.1 has the scheduler and the command, 10.77.0.2 and 10.77.0.3 a worker
each, of one thread.  The same sweep is made on the machine alone, on one host, on two, and on two of which the second is cut
off and killed once a quarter of the shards is done.  Prints what it did; --write FILE puts it into a page, with what the
pair sweeps of everything would take.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.sweep.block import QUESTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEDULER, HOSTS = "10.77.0.1", ("10.77.0.2", "10.77.0.3")
ADDRESS = f"tcp://{SCHEDULER}:8786"
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
DASK = [sys.executable, "-m", "dask"]


def ip(*arguments: str, check: bool = True) -> None:
    subprocess.run(["ip", *arguments], check=check, stderr=None if check else subprocess.DEVNULL)


@contextlib.contextmanager
def network() -> Iterator[dict[str, str]]:
    """A namespace for each address, on one bridge; address → name."""
    names = {address: f"drill{number}" for number, address in enumerate((SCHEDULER, *HOSTS))}
    ip("link", "add", "drillbr", "type", "bridge")
    try:
        ip("link", "set", "drillbr", "up")
        for address, name in names.items():
            ip("netns", "add", name)
            ip("link", "add", f"v{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", f"v{name}", "master", "drillbr", "up")
            for command in (["addr", "add", f"{address}/24", "dev", "eth0"], ["link", "set", "eth0", "up"], ["link", "set", "lo", "up"]):
                ip("-n", name, *command)
        yield names
    finally:
        for name in names.values():
            ip("netns", "del", name, check=False)
        ip("link", "del", "drillbr", check=False)


def inside(name: str, command: list[str], **more: Any) -> subprocess.Popen[bytes]:
    """A command in a namespace, in a session of its own."""
    return subprocess.Popen(["ip", "netns", "exec", name, *command], start_new_session=True, **more)


def end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def cluster(names: dict[str, str], hosts: tuple[str, ...]) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """A scheduler, and a worker on each host: address → the worker's process."""
    begun = [inside(names[SCHEDULER], [*DASK, "scheduler", "--host", SCHEDULER, "--port", "8786", "--no-dashboard"], **QUIET)]
    workers = {}
    try:
        for host in hosts:
            worker = [*DASK, "worker", ADDRESS, "--host", host, "--nthreads", "1", "--no-dashboard", "--preload", "conformance.sweep.cluster"]
            workers[host] = inside(names[host], worker, cwd=tempfile.gettempdir(), **QUIET)
            begun.append(workers[host])
        ready = f"from distributed import Client; Client('{ADDRESS}', timeout=60).wait_for_workers({len(hosts)}, timeout=60)"
        if inside(names[SCHEDULER], [sys.executable, "-c", ready]).wait():
            raise SystemExit("the workers did not come")
        yield workers
    finally:
        for process in begun:
            end(process)


def shards(out: Path) -> list[Path]:
    return sorted((out.parent / f"{out.name}.journal" / "shards").glob("[!.]*.json"))


def sweep(names: dict[str, str], asked: list[str], out: Path, *more: str, lose: subprocess.Popen[bytes] | None = None) -> tuple[float, list[str]]:
    """The seconds of a sweep from its first finished shard on, and what happened; ``lose`` is the worker to lose on the way."""
    process = inside(names[SCHEDULER], [sys.executable, "-m", "conformance", "sweep", *asked, "--out", str(out), "--restart", *more], stdout=subprocess.DEVNULL)
    said, begun, total = [], 0.0, 0
    while process.poll() is None:
        done = len(shards(out))
        if done and not begun:
            begun = time.monotonic()
        if lose is not None and done >= COUNT // 4:
            ip("-n", names[HOSTS[1]], "link", "set", "eth0", "down")
            end(lose)
            said.append(f"{time.monotonic() - begun:.0f} s: {done} of {COUNT} shards done; {HOSTS[1]} is cut off and its worker killed")
            lose = None
        total = max(total, done)
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"the sweep ended with status {process.returncode}")
    return time.monotonic() - begun, said


COUNT = 0
"""Shards of the sweep, known after the first one."""


def found(folder: Path) -> tuple[Any, dict[str, float]]:
    """A finished sweep without what differs from run to run; and its seconds by part."""
    told = json.loads((folder / "sweep.json").read_bytes())
    return {name: part for name, part in told.items() if name not in ("seconds", "started", "command")}, told["seconds"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="1.2e8", help="rows of the sweep, of 4.3e9 pairs")
    parser.add_argument("--target", default="torch/eager", help="whom to ask")
    parser.add_argument("--write", type=Path, help="the page")
    given = parser.parse_args()
    asked = [given.target, "--dtype", "bfloat16", "--kind", "pairs", "--op", "softmax", "--rows", given.rows, "--jobs", "1"]
    lines, folders, seconds = [f"conformance sweep {' '.join(asked)}"], {}, {}
    with tempfile.TemporaryDirectory() as place, network() as names:
        top = Path(place)
        for name, hosts in (("alone", ()), ("one host", HOSTS[:1]), ("two hosts", HOSTS), ("two hosts, one lost", HOSTS)):
            out = folders[name] = top / name.replace(" ", "-")
            with cluster(names, hosts) if hosts else contextlib.nullcontext({}) as workers:
                lost = workers[HOSTS[1]] if name.endswith("lost") else None
                more = ("--cluster", ADDRESS) if hosts else ()
                seconds[name], said = sweep(names, asked, out, *more, lose=lost)
            globals()["COUNT"] = count_of(out)
            lines += [f"{name}: {seconds[name]:.0f} s", *(f"    {one}" for one in said)]
        whole, parts = found(folders["alone"])
        for name, out in folders.items():
            same = found(out)[0] == whole
            lines.append(f"{name}: {'the same results as alone, to the last byte' if same else 'OTHER results'}")
        lines.append(f"two workers do {seconds['one host'] / seconds['two hosts']:.2f} times the work of one in the same time")
        rows = sum(next(iter(next(iter(one["placements"].values())))) and 1 for one in whole["results"])
        del rows
        text = "\n".join(lines)
        print(text)
        if given.write:
            given.write.write_text(page(text, parts, whole))


def count_of(out: Path) -> int:
    told = json.loads((out / "sweep.json").read_bytes())
    from conformance.record.typed import from_json
    from conformance.sweep.plan import Plan

    return len(from_json(Plan, told["plan"]).shards)


def page(text: str, parts: dict[str, float], whole: Any) -> str:
    raise NotImplementedError


if __name__ == "__main__":
    main()
