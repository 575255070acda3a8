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
import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from conformance.record.typed import from_json
from conformance.sweep.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SCHEDULER, HOSTS = "10.77.0.1", ("10.77.0.2", "10.77.0.3")
ADDRESS = f"tcp://{SCHEDULER}:8786"
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
DASK = [sys.executable, "-m", "dask"]


def ip(*arguments: str, check: bool = True) -> None:
    subprocess.run(["ip", *arguments], check=check, stderr=None if check else subprocess.DEVNULL)  # noqa: S603, S607 - of a drill


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
            for command in (
                ["addr", "add", f"{address}/24", "dev", "eth0"],
                ["link", "set", "eth0", "up"],
                ["link", "set", "lo", "up"],
            ):
                ip("-n", name, *command)
        yield names
    finally:
        for name in names.values():
            ip("netns", "del", name, check=False)
        ip("link", "del", "drillbr", check=False)


def inside(name: str, command: list[str], **more: Any) -> subprocess.Popen[bytes]:
    """A command in a namespace, in a session of its own."""
    return subprocess.Popen(["ip", "netns", "exec", name, *command], start_new_session=True, **more)  # noqa: S603, S607 - of a drill


def end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def cluster(names: dict[str, str], hosts: tuple[str, ...]) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """A scheduler, and a worker on each host: address → the worker's process."""
    begun = [
        inside(names[SCHEDULER], [*DASK, "scheduler", "--host", SCHEDULER, "--port", "8786", "--no-dashboard"], **QUIET)
    ]
    workers = {}
    try:
        for host in hosts:
            worker = [
                *DASK,
                "worker",
                ADDRESS,
                "--host",
                host,
                "--nthreads",
                "1",
                "--no-dashboard",
                "--preload",
                "conformance.sweep.cluster",
            ]
            workers[host] = inside(names[host], worker, cwd=tempfile.gettempdir(), **QUIET)
            begun.append(workers[host])
        ready = f"from distributed import Client; Client('{ADDRESS}', timeout=60).wait_for_workers({len(hosts)}, timeout=60)"
        if inside(names[SCHEDULER], [sys.executable, "-c", ready]).wait():
            raise SystemExit("the workers did not come")
        yield workers
    finally:
        for process in begun:
            end(process)
        for (
            name
        ) in names.values():  # a worker outlives its nanny by a second or two, and would come to the next scheduler
            listed = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=True)  # noqa: S603, S607
            for number in listed.stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(number), signal.SIGKILL)


def shards(out: Path) -> list[Path]:
    return sorted((out.parent / f"{out.name}.journal" / "shards").glob("[!.]*.json"))


def sweep(
    names: dict[str, str], asked: list[str], out: Path, *more: str, lose: Loss | None = None
) -> tuple[float, list[str]]:
    """The seconds of a sweep from its first finished shard on, and what happened; ``lose`` is whom to lose on the way, and when."""
    command = [sys.executable, "-m", "conformance", "sweep", *asked, "--out", str(out), "--restart", *more]
    process = inside(names[SCHEDULER], command, stdout=subprocess.DEVNULL, cwd=ROOT)
    said, begun = [], 0.0
    while process.poll() is None:
        done = len(shards(out))
        begun = begun or (time.monotonic() if done else 0.0)
        if lose is not None and done >= lose.shards:
            ip("-n", names[HOSTS[1]], "link", "set", "eth0", "down")
            end(lose.worker)
            said.append(f"{done} shards were done when {HOSTS[1]} was cut off and its worker killed")
            lose = None
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"the sweep ended with status {process.returncode}")
    return time.monotonic() - begun, said


class Loss(NamedTuple):
    """The worker that is lost, and after how many shards."""

    worker: subprocess.Popen[bytes]
    shards: int


def found(folder: Path) -> Any:
    """A finished sweep without what differs from run to run."""
    told = read(folder)
    return {name: part for name, part in told.items() if name not in ("seconds", "started", "command")}


def read(folder: Path) -> Any:
    return json.loads((folder / "sweep.json").read_bytes())


def plan_of(folder: Path) -> Plan:
    plan: Plan = from_json(Plan, read(folder)["plan"])
    return plan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="1.2e8", help="rows of the sweep, of 4.3e9 pairs")
    parser.add_argument("--target", default="torch/eager", help="whom to ask")
    parser.add_argument("--write", type=Path, help="the page")
    given = parser.parse_args()
    asked = [
        given.target,
        "--dtype",
        "bfloat16",
        "--kind",
        "pairs",
        "--op",
        "softmax",
        "--rows",
        given.rows,
        "--jobs",
        "1",
    ]
    lines, seconds, folders, count = [f"$ conformance sweep {' '.join(asked)}"], {}, {}, 0
    with tempfile.TemporaryDirectory() as place, network() as names:
        for name, hosts in (
            ("alone", ()),
            ("one host", HOSTS[:1]),
            ("two hosts", HOSTS),
            ("two hosts, one lost", HOSTS),
        ):
            out = folders[name] = Path(place, name.replace(" ", "-"))
            with cluster(names, hosts) if hosts else contextlib.nullcontext({}) as workers:
                lose = Loss(workers[HOSTS[1]], count // 4) if name.endswith("lost") else None
                seconds[name], said = sweep(names, asked, out, *(("--cluster", ADDRESS) if hosts else ()), lose=lose)
            count = len(plan_of(out).shards)
            lines += [
                f"{name}: {count} shards, {seconds[name]:.0f} s behind the first",
                *(f"    {one}" for one in said),
            ]
        same = {name: found(out) == found(folders["alone"]) for name, out in folders.items() if name != "alone"}
        lines += [
            f"{name}: {'the same file as alone but for times' if right else 'OTHER RESULTS'}"
            for name, right in same.items()
        ]
        gain = seconds["one host"] / seconds["two hosts"]
        lines.append(f"two hosts: {gain:.2f} times as fast as one, an efficiency of {gain / 2:.0%}")
        text = "\n".join(lines)
        sys.stdout.write(text + "\n")
        if given.write:
            parts = read(folders["alone"])["seconds"]
            given.write.write_text(page(text, sum(parts.values()) / plan_of(folders["alone"]).rows[0].count, given))
    if not all(same.values()):
        raise SystemExit(1)


def page(text: str, a_row: float, given: argparse.Namespace) -> str:
    """docs/scale.md: the drill, and the arithmetic from the core seconds that a row took."""
    hours = a_row * 2**32 / 3600
    units = Counter[str]()
    releases = tomllib.loads((ROOT / "releases.toml").read_text())
    for folder in ("narrow", "subjects-narrow"):
        for one in read(ROOT / "reports" / "sweeps" / folder)["results"]:
            if one["placements"]:
                units[one["target"].partition("@")[0].partition(":")[0]] += 1
    every = {name: count * len(releases.get(name, {"releases": [0]})["releases"]) for name, count in units.items()}
    total, machines, cores = sum(every.values()), 100, 16
    return PAGE.format(
        text=text, rows=given.rows, target=given.target, hours=hours, newest=sum(units.values()), total=total,
        newest_hours=sum(units.values()) * hours, total_hours=total * hours, machines=machines, cores=cores,
        minutes=total * hours / machines / cores * 60,
        newest_minutes=sum(units.values()) * hours / machines / cores * 60,
    )  # fmt: skip


PAGE = """# Sweeps on several machines

`conformance sweep … --cluster tcp://farm:8786` gives the shards of a sweep to the workers of a scheduler of dask.distributed.

```console
$ pip install 'softmax-conformance[cluster,torch]'                          # on each machine, with what it is to ask
farm$ dask scheduler
host$ dask worker tcp://farm:8786 --nthreads 1 --nworkers 16 --preload conformance.sweep.cluster
$ conformance sweep torch --dtype bfloat16 --kind pairs --cluster tcp://farm:8786
```

A worker says by its resources what it can be asked: `cpu` or `gpu`, and each framework that it has; a task runs where its targets are.
Targets that the same workers have are asked together, so that the truth of a block is computed once for them.
The command keeps a file for each finished shard, as it does without a cluster: it can be interrupted, and goes on with `--resume`.
A shard whose worker is lost runs on another one; one that three workers were lost over stands as failed.
Workers of another version of the suite or of a framework, or on another kind of processor, are refused: a sweep is of one.
`conformance run` has no `--cluster`.

## A host is lost

Two hosts and the scheduler are network namespaces on one machine; `python tests/sweep/cluster_drill.py --rows {rows} --target {target} --write docs/scale.md`
made this page, as root.

```text
{text}
```

The hosts share the two cores of one machine, and the command and the scheduler run on them as well: efficiency is a lower bound.

## Every pair of every subject

At the pace of the sweep above all 2³² pairs of one 16-bit format take {hours:.1f} hours of one core, for one question (an op, or a gradient with one cotangent) and one target:
the framework, the truth and the judgement together.  Counted over the published sweeps of the 16-bit formats, the newest releases answer {newest:,} such
questions, and the releases in `releases.toml` {total:,}.  If each were as fast as {target}:

| | sweeps | core hours | on {machines} machines of {cores} cores |
|---|---:|---:|---:|
| the newest releases | {newest:,} | {newest_hours:,.0f} | {newest_minutes:.0f} minutes |
| every release | {total:,} | {total_hours:,.0f} | {minutes:.0f} minutes |

Interpreted frameworks, and those that make a program for each shape, are slower.  A shard is some seconds of one core: no machine waits longer than that for the last.
"""


if __name__ == "__main__":
    main()
