"""Is my own softmax right?  The whole suite, pointed at one function.

    result = conformance.check(my_softmax, op="softmax", framework="torch", dtypes=["float32"])
    result.raise_for_violations()

A kernel is a target like any other: it gets the same questions, the same truth and the same judge.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from conformance import cases, engine, selection
from conformance.engine import Introduction, Task
from conformance.execution.kernel import FRAMEWORKS, BadKernel, Kernel, KernelRespondent
from conformance.reporting import tables, terminal
from conformance.run import Options, Run
from conformance.values import Target, Tier
from reference.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from conformance.execution.ask import Respondent
    from conformance.ledger import Entry
    from conformance.record import Record


FRAMEWORKS_ALONE = ("arguments", "dtypes", "producers")
"""Families of which a function of one's own can answer nothing."""


class Violations(AssertionError):
    """A kernel breaks the contract; the message shows the worst and how to see it again."""


@dataclass(frozen=True)
class KernelTask(Task):
    """A kernel asked its op in one dtype."""

    kernel: Kernel
    must: bool
    """Whether the dtype was asked for by name, so that refusing it is a failure."""

    def respondent(self) -> Respondent:
        """The kernel, imported in this process and ready to be asked."""
        return KernelRespondent(self.kernel.load(), self.target, self.op, FORMATS[self.dtype], must=self.must)


def introduce(kernel: Kernel, device: str, name: str) -> Introduction:
    """Import a kernel and its framework in this process."""
    start = time.perf_counter()
    try:
        framework = kernel.load()
        devices = framework.devices()
    except ImportError as error:
        return Introduction(name, absent=f"{kernel.framework} is not here: {error}")
    except BadKernel as error:
        return Introduction(name, absent=str(error))
    if device not in devices:
        return Introduction(name, absent=f"{kernel.framework} sees {', '.join(devices)}, not {device}")
    return Introduction(name, framework.version, framework.modes, (device,), time.perf_counter() - start)


class KernelRun(Run):
    """The run of one kernel: in a worker process, or in this one for a function that only this one has."""

    def __init__(self, kernel: Kernel, options: Options, *, must: bool, watch: Callable[[int, int, str], None]) -> None:
        super().__init__(options, watch)
        self.kernel, self.must = kernel, must

    def _roster(self) -> tuple[Sequence[str], Callable[[str], Introduction]]:
        return [self.kernel.name], partial(introduce, self.kernel, self.options.devices[0])

    def _tasks(self, chosen: Sequence[Target]) -> list[Any]:
        options = self.options
        asked = engine.Selection(options.tier, options.seed, tuple(options.families))
        return [
            KernelTask(target, op, dtype, asked, self.kernel, self.must)
            for dtype in options.dtypes
            for op in options.ops
            for target in chosen
            if not target.control
        ]

    def _entries(self) -> Sequence[Entry]:
        return ()  # the ledger knows frameworks, not somebody's kernel

    def _plan(self, name: str, introduction: Introduction) -> list[Any]:
        if introduction.absent:
            raise BadKernel(introduction.absent)
        tasks = super()._plan(name, introduction)
        self.targets = [target for target in self.targets if not target.control]
        return tasks

    def _drive(self) -> None:
        if isinstance(self.kernel.where, str):
            super()._drive()
            return
        (name,), say = self._roster()
        for task in self._plan(name, say(name)):
            self.watch(self._done, self._known, str(task))
            self._finish(task, engine.perform(task))


@dataclass(frozen=True, eq=False)
class Result:
    """What the suite says of a kernel.

    Attributes
    ----------
    record
        Header, observations, footer: what a report is made from.
    strict
        Whether degraded findings and inconsistent policies count as failures.
    """

    record: Record
    strict: bool = False

    @property
    def findings(self) -> pd.DataFrame:
        """One row a finding, violations first; see :func:`conformance.reporting.tables.findings` for its columns."""
        return tables.findings(self.record)

    @property
    def failures(self) -> pd.DataFrame:
        """The findings for which the kernel is rejected."""
        found = self.findings
        return found[found["severity"].isin(["violation", "degraded"] if self.strict else ["violation"])]

    @property
    def grades(self) -> dict[str, str]:
        """Dtype → the worst grade in it; empty where no number could be graded."""
        rows = self.record.observations
        return {
            str(dtype): tables.worst(mine["grade"], tables.GRADES) for dtype, mine in rows.groupby("dtype", sort=False)
        }

    @property
    def unsupported(self) -> dict[str, str]:
        """Dtype → why the kernel cannot take it; only for dtypes that nobody asked for by name."""
        return {
            str(dtype): mine["policy"].iloc[0].removeprefix("unsupported: ")
            for dtype, mine in self.record.observations.groupby("dtype")
            if (mine["outcome"] == "unsupported").all()  # some layouts alone are no dtype
        }

    @property
    def passed(self) -> bool:
        """Whether the run is complete, something was answered, and no finding rejects the kernel."""
        answered = (self.record.observations["outcome"] != "unsupported").any()
        steady = not (self.strict and tables.policies(self.record)["inconsistent"].any())
        return bool(self.record.footer["complete"] and answered and steady and self.failures.empty)

    def raise_for_violations(self) -> None:
        """Do nothing for a kernel that passed.

        Raises
        ------
        Violations
            With the worst cases, their witnesses and a script.
        """
        if self.passed:
            return
        rows = self.record.observations
        kinds = set(self.failures["kind"])
        bad = rows[[bool(kinds & set(found.split(";"))) for found in rows["findings"]]]
        if len(bad):
            raise Violations(terminal.explain(bad, self.record.header["command"]))
        if self.strict and (said := terminal.inconsistencies(self.record)):
            raise Violations("\n".join(said))
        why = "; ".join(f"{dtype}: {said}" for dtype, said in self.unsupported.items())
        raise Violations(f"nothing was answered ({why})" if why else "the check was interrupted")


def check(
    function: str | Callable[[Any, int], Any],
    *,
    op: str = "softmax",
    framework: str = "numpy",
    dtypes: Sequence[str] = (),
    device: str = "cpu",
    tier: str = "smoke",
    families: Sequence[str] = (),
    seed: int = 0,
    strict: bool = False,
    timeout: float = 120.0,
    watch: Callable[[int, int, str], None] = lambda *_: None,
) -> Result:
    """Ask one function everything, and judge its answers.

    Parameters
    ----------
    function
        ``fn(x, axis)`` gets and returns the framework's arrays.  A function is called in this process; a name,
        ``path/to/file.py:function`` or ``package.module:function``, in a worker that may crash or hang; a script
        that does so stands under ``if __name__ == "__main__":``, as for all of multiprocessing.
    op
        softmax or log_softmax: what the function claims to compute.
    framework
        numpy, torch, jax or tensorflow: whose arrays.
    dtypes
        float64, float32, float16, bfloat16; all of them where empty.
    device
        As the framework calls it: cpu, cuda:0.
    tier
        smoke, standard or exhaustive.
    families
        Names of the families of rows; where empty all but those that only frameworks can be asked: a function of
        one's own takes the dtypes it is said to take, and nothing is fused with it.
    strict
        Let degraded findings fail too.
    timeout
        Seconds that a worker may take over one dtype.

    Raises
    ------
    UnknownName
        For an op, framework, dtype, tier or family there is none of.
    BadKernel
        If the function cannot be found or imported.
    """
    dtypes, families = ((given,) if isinstance(given, str) else given for given in (dtypes, families))
    if not isinstance(function, str) and not callable(function):
        raise BadKernel(f"a kernel is a function or the name of one, not {function!r}")
    selection.check_names("op", [op], engine.OPS)
    selection.check_names("framework", [framework], FRAMEWORKS)
    selection.check_names("dtype", dtypes, FORMATS)
    selection.check_names("tier", [tier], selection.TIERS)
    selection.check_families(families)
    kernel = Kernel(function, framework)
    options = Options(
        tier=Tier[tier.upper()],
        ops=(op,),
        dtypes=tuple(dtypes) or tuple(FORMATS),
        families=tuple(families) or tuple(name for name in cases.families() if name not in FRAMEWORKS_ALONE),
        devices=(device,),
        seed=seed,
        jobs=1,
        timeout=timeout,
        command=" ".join(
            [
                f"conformance check {function if isinstance(function, str) else kernel.name} --op {op}",
                f"--framework {framework} --tier {tier}",
                *(f"--dtype {dtype}" for dtype in dtypes),
            ]
        ),
    )
    asked = KernelRun(kernel, options, must=bool(dtypes), watch=watch)
    record = asked.execute()
    if asked.failure:
        raise asked.failure
    return Result(record, strict)
