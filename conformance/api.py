"""Check a function of your own: the whole suite, pointed at one kernel.

    result = conformance.check(my_softmax, op="softmax", framework="torch", dtypes=["float32"])
    result.raise_for_violations()

A kernel is a target like any other: it gets the same questions, the same truth and the same judge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from conformance import cases
from conformance.asking import plan
from conformance.asking.connections import Limits, default_memory
from conformance.asking.plan import MissingTarget
from conformance.asking.pool import Invitation
from conformance.frameworks import arrays
from conformance.frameworks.contract import Contract
from conformance.frameworks.kernel import BadKernel
from conformance.record import Memory
from conformance.reporting import Reading, tables, terminal
from conformance.run import Options, Run
from conformance.values import Grade, Tier
from reference.ops import OPS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from conformance.record import Record


FRAMEWORKS_ALONE = ("arguments", "dtypes", "producers")
"""Families of which a function of one's own can answer nothing."""


ALL = "all"
"""In the place of dtypes: every one that the function takes."""

DEFAULT = ("float32",)
"""The dtypes that are asked where none is named: most kernels are made for one, and it is this one."""


class Violations(AssertionError):
    """A kernel breaks the contract; the message shows the worst and how to see it again."""


@dataclass(frozen=True, eq=False)
class Result:
    """What the suite finds of a kernel.

    Attributes
    ----------
    record
        What a report is made from.
    strict
        Whether degraded findings and inconsistent policies count as failures.
    """

    record: Record
    strict: bool = False

    @cached_property
    def reading(self) -> Reading:
        """The record's views; no ledger knows somebody's kernel."""
        return Reading(self.record)

    @property
    def findings(self) -> pd.DataFrame:
        """One row a finding, violations first; see :func:`conformance.reporting.tables.findings` for its columns."""
        return self.reading.findings

    @property
    def failures(self) -> pd.DataFrame:
        """The findings for which the kernel is rejected."""
        found = self.findings
        return found[found["severity"].isin(["violation", "degraded"] if self.strict else ["violation"])]

    @property
    def grades(self) -> dict[str, str]:
        """Dtype → the worst grade in it; empty where no number could be graded."""
        rows = self.record.observations.groupby("dtype", sort=False)
        return {str(dtype): tables.worst(mine["grade"], tuple(Grade)) for dtype, mine in rows}

    @property
    def unsupported(self) -> dict[str, str]:
        """Dtype → why the kernel cannot take it; only for dtypes that nobody asked for by name."""
        return {
            str(dtype): mine["reason"].iloc[0]
            for dtype, mine in self.record.observations.groupby("dtype")
            if (mine["outcome"] == "unsupported").all()  # some layouts alone are no dtype
        }

    @property
    def passed(self) -> bool:
        """Whether the run is complete, something was answered, and no finding rejects the kernel."""
        outcomes = self.record.observations["outcome"]
        answered = (outcomes != "unsupported").any() and not (outcomes == "not_asked").any()
        steady = not (self.strict and any(policy.inconsistent for policy in self.reading.policies))
        return bool(self.record.complete and answered and steady and self.failures.empty)

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
            raise Violations(terminal.explain(self.reading, bad, self.record.parts[0].header.command))
        if self.strict and (lines := terminal.inconsistencies(self.reading)):
            raise Violations("\n".join(lines))
        why = "; ".join(f"{dtype}: {reason}" for dtype, reason in self.unsupported.items())
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
    axis: str = "",
    contiguous: bool = False,
    rank: int | Sequence[int] = (),
    lengths: str = "",
    masks: str = "",
    strict: bool = False,
    timeout: float = 120.0,
    memory: int | None = None,
    watch: Callable[[int, int, str], None] = lambda *_: None,
) -> Result:
    """Ask one function everything, and judge its answers.

    Parameters
    ----------
    function
        ``fn(x, axis)`` gets and returns the framework's arrays.  A function is called in this process; a name,
        ``path/to/file.py:function`` or ``package.module:function``, in a worker that may crash or hang.
    op
        softmax or log_softmax: what the function claims to compute.
    framework
        numpy, or the name of an adapter (torch, jax, tensorflow, …): whose arrays.
    dtypes
        float64, float32, float16, bfloat16; float32 alone where empty, and ``all`` asks every one it takes.
    device
        As the framework calls it: cpu, cuda:0.
    tier
        smoke, standard or exhaustive.
    families
        Names of the families of rows; where empty all but those that only frameworks can be asked: a function of
        one's own takes the dtypes it is said to take, and nothing is fused with it.
    axis, contiguous, rank, lengths, masks
        What the function promises, where that is less than everything: ``axis="last"``, ``contiguous=True``, ``rank=2``
        or several, ``lengths="power-of-two"`` (or ``<=N``, ``multiple-of-N``, or several joined by commas),
        ``masks="none"``.  Nothing else is asked.  What its attribute ``softmax_contract`` says holds as well.
    strict
        Let degraded findings fail too.
    timeout
        Seconds that a worker may take over one array.
    memory
        Bytes that a worker may take; 40% of the machine's by default.

    Raises
    ------
    UnknownName
        For an op, framework, dtype, tier or family there is none of.
    BadKernel
        If the function cannot be found or imported, or nothing is left to be asked of it.
    BadContract
        If what is promised has a mistake.
    ValueError
        If the timeout is no finite number above zero.
    KeyboardInterrupt
        On Ctrl-C.
    """
    dtypes, families = ((given,) if isinstance(given, str) else given for given in (dtypes, families))
    if not isinstance(function, str) and not callable(function):
        raise BadKernel(f"a kernel is a function or the name of one, not {function!r}")
    if not 0 < timeout < math.inf:
        raise ValueError(f"timeout: a finite number of seconds above zero is wanted, not {timeout}")
    plan.check_names("op", [op], plan.forward_ops())
    plan.check_names("framework", [framework], ("numpy", *plan.known_frameworks()))
    plan.check_names("dtype", dtypes, (*plan.dtypes(), ALL))
    plan.check_names("tier", [tier], plan.TIERS)
    plan.check_families(families)
    for dtype in dtypes:
        if framework == "numpy" and (why := arrays.lacking(dtype)):
            raise BadKernel(why)
    called = ("x", "axis", "g") if OPS[op].takes_cotangent else ("x", "axis")
    contract = Contract.of({"axis": axis, "contiguous": contiguous, "rank": rank, "lengths": lengths, "masks": masks})
    name = function if isinstance(function, str) else getattr(function, "__name__", type(function).__name__)
    options = Options(
        tier=Tier[tier.upper()],
        invitations=[Invitation(framework, kernel=function, contract=contract, arguments=called)],
        ops=(op,),
        dtypes=plan.dtypes() if ALL in dtypes else tuple(dtypes) or DEFAULT,
        families=tuple(families) or tuple(name for name in cases.families() if name not in FRAMEWORKS_ALONE),
        devices=(device,),
        seed=seed,
        jobs=1,
        limits=Limits(seconds=timeout, memory=memory or default_memory()),
        must=bool(dtypes) and ALL not in dtypes,
        controls=False,
        claims=False,
        command=" ".join(
            [
                f"conformance check {name} --op {op}",
                f"--framework {framework} --tier {tier}",
                *(f"--dtype {dtype}" for dtype in dtypes),
            ]
        ),
    )
    run = Run(options, Memory(), watch)
    try:
        record = run.execute()
    except MissingTarget as error:
        raise BadKernel(next(iter(run.here.absent.values()), str(error))) from None
    if run.failure:
        raise run.failure
    if run.interrupted:
        raise KeyboardInterrupt
    return Result(record, strict)
