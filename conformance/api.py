"""Check a function of your own: the whole suite, pointed at one kernel.

    result = conformance.check(my_softmax, op="softmax", framework="torch", dtypes=["float32"])
    result.raise_for_violations()

A kernel is a target like any other: it gets the same questions, the same truth and the same judge.
"""

from __future__ import annotations

import inspect
import math
import shlex
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance import cases
from conformance.asking import plan
from conformance.asking.connections import Limits, default_memory
from conformance.asking.plan import MissingTarget
from conformance.asking.pool import Invitation
from conformance.frameworks import arrays
from conformance.frameworks.contract import Contract
from conformance.frameworks.kernel import BadKernel
from conformance.judgement.checks import kinds
from conformance.ledger import load
from conformance.record import Memory, printable
from conformance.reporting import Reading, tables, terminal, verdict
from conformance.run import Options, Run
from conformance.values import GATES, Grade, Severity, Tier
from reference.ops import OPS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import pandas as pd

    from conformance.asking.plan import Selection
    from conformance.ledger import Entry
    from conformance.record import Record
    from conformance.reporting.verdict import Verdict
    from conformance.tasks import Judged
    from conformance.values import Case


FRAMEWORKS_ALONE = ("arguments", "consumers", "dtypes", "producers", "vjp_derivatives")
"""Families of which a function of one's own can answer nothing."""


ALL = "all"
"""In the place of dtypes: every one that the function takes."""

DEFAULT = ("float32",)
"""The dtypes that are asked where none is named: most kernels are made for one, and it is this one."""


class Violations(AssertionError):
    """A kernel breaks the contract; the message shows the worst and how to see it again."""


_OPTIONS = {"dtypes": "dtype", "families": "family"}
"""Parameters of :func:`check` that the command line names otherwise."""


@dataclass(frozen=True)
class Asked:
    """How a kernel was asked, so that it can be asked about one case again.

    Attributes
    ----------
    kernel
        Where it is; for a function object its name.
    options
        (name of a parameter, value) of what was not left to its default, dtypes and cases apart.
    """

    kernel: str
    named: bool
    options: tuple[tuple[str, Any], ...]

    def of(self, **more: Any) -> str:
        """A command line, or for a function object a line of Python, with further options."""
        options = [*self.options, *((name, value) for name, value in more.items() if value)]
        if not self.named:
            importable = self.kernel.isidentifier()
            called = ", ".join([self.kernel if importable else "f", *(f"{n}={v!r}" for n, v in options)])
            told = "" if importable else f"  # f is {self.kernel}, which no other program can import"
            return f"conformance.check({called}){told}"
        words = ["conformance", "check", self.kernel]
        for name, value in options:
            for one in value if isinstance(value, tuple | list) else [value]:
                option = f"--{_OPTIONS.get(name, name).replace('_', '-')}"
                words += [option] if one is True else [option, str(one)]
        return shlex.join(words)


@dataclass(frozen=True, eq=False)
class Result:
    """What the suite finds of a kernel.

    Attributes
    ----------
    record
        What a report is made from.
    entries
        The known findings.
    fail_on
        The mildest severity of a finding that rejects it.
    selection
        Which questions were asked.
    skipped
        Checks whose findings count for nothing.
    asked_by
        The call or the command that asked, for every family and dtype.
    """

    record: Record
    entries: tuple[Entry, ...]
    fail_on: Severity
    selection: Selection
    skipped: tuple[str, ...]
    asked_by: Asked

    @cached_property
    def reading(self) -> Reading:
        """The record's views."""
        return Reading(self.record, self.entries, self.fail_on)

    @property
    def findings(self) -> pd.DataFrame:
        """One row a finding, violations first; see :func:`conformance.reporting.tables.findings` for its columns."""
        return self.reading.findings

    @property
    def failures(self) -> pd.DataFrame:
        """The findings for which the kernel is rejected: those that no ledger knows, and of no check that is skipped."""
        found = self.reading.unexpected
        return found[~found["kind"].isin(self.skipped)]

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
        """Whether the run is complete, something was answered, no finding rejects the kernel, and no entry is stale."""
        outcomes = self.record.observations["outcome"]
        answered = (outcomes != "unsupported").any() and not (outcomes == "not_asked").any()
        faulty = len(self.failures) or self.reading.stale or self._unsteady
        return bool(self.record.complete and answered and not faulty)

    @property
    def _unsteady(self) -> bool:
        """Whether it answers a policy question in several ways, and that is a failure."""
        return bool(self.reading.inconsistent and Severity.DEGRADED in self.reading.failing)

    @cached_property
    def verdict(self) -> Verdict:
        """What the command line prints, or writes as JSON."""
        return verdict.verdict(
            self.reading,
            passed=self.passed,
            rejecting=list(self.failures["kind"]),
            unsupported=self.unsupported,
            skipped=self.skipped,
            again=self.again,
        )

    def again(self, finding: Mapping[str, Any]) -> str:
        """The command that shows a finding again, a row of :attr:`findings`.

        It imports the kernel and its framework and nothing of this suite, where the array is small enough to be written
        out and the kernel can be imported; otherwise it asks the case once more.
        """
        case = self._cases(finding["op"], finding["dtype"]).get(finding["case_id"])
        (part,), (target,) = self.record.parts, self.record.targets
        program = part.programs.get(f"{target.versioned} {finding['op']} {finding['way']}", ())
        if case is not None and not case.call.layout and not case.call.cotangent_layout:
            dtype, axis, given = case.inputs.dtype, case.call.axis, (case.inputs.x, case.inputs.cotangent)
            if text := verdict.command(program, *given, dtype=dtype, axis=axis, device=target.device):
                return text
        return self.asked_by.of(dtypes=finding["dtype"], case=f"{finding['family']}/{finding['case']}")

    @cached_property
    def _sheets(self) -> dict[tuple[str, str], dict[str, Case]]:
        return {}

    def _cases(self, op: str, dtype: str) -> dict[str, Case]:
        """The cases of an op and a dtype by their ids."""
        if (op, dtype) not in self._sheets:
            sheet = plan.sheet(OPS[op], dtype, self.selection)
            self._sheets[op, dtype] = {case.id: case for case in sheet.cases}
        return self._sheets[op, dtype]

    def raise_for_violations(self) -> None:
        """Do nothing for a kernel that passed.

        Raises
        ------
        Violations
            With the worst cases, their witnesses and a script.
        """
        if self.passed:
            return
        rejecting = set(self.failures["kind"])
        bad = self.reading.unknown(self.record.observations)
        bad = bad[[bool(rejecting & set(found.split(";"))) for found in bad["findings"]]]
        if len(bad):
            worst = self.failures.iloc[0]
            command = self.asked_by.of(dtypes=worst["dtype"], case=f"{worst['family']}/{worst['case']}")
            raise Violations(terminal.explain(self.reading, bad, command))
        if self._unsteady or self.reading.stale:
            stale = [f"stale ledger entry {printable(str(stale))}" for stale in self.reading.stale]
            raise Violations("\n".join([*stale, *terminal.inconsistencies(self.reading)]))
        why = "; ".join(f"{dtype}: {reason}" for dtype, reason in self.unsupported.items())
        raise Violations(f"nothing was answered ({why})" if why else "the check was interrupted")


def check(
    function: str | Callable[[Any, int], Any],
    *,
    op: str = "",
    saved: bool = False,
    framework: str = "numpy",
    dtypes: Sequence[str] = (),
    device: str = "cpu",
    tier: str = "smoke",
    families: Sequence[str] = (),
    seed: int = 0,
    ledger: str | Path | Sequence[str | Path] = (),
    builtin_ledger: bool = True,
    fail_on: str = "violation",
    axis: str = "",
    contiguous: bool = False,
    rank: int | Sequence[int] = (),
    lengths: str = "",
    masks: str = "",
    case: str | Sequence[str] = (),
    skip: str | Sequence[str] = (),
    timeout: float = 120.0,
    memory: int | None = None,
    watch: Callable[[int, int, str], None] = lambda *_: None,
    first: Callable[[str], None] = lambda _: None,
) -> Result:
    """Ask one function everything, and judge its answers.

    Parameters
    ----------
    function
        ``fn(x, axis)``, or ``fn(x, axis, g)`` for a vjp, gets and returns the framework's arrays.  A function is called in this process; a name,
        ``path/to/file.py:function`` or ``package.module:function``, in a worker that may crash or hang.
    op
        softmax, log_softmax, softmax_vjp or log_softmax_vjp: what the function claims to compute; softmax where neither
        this nor its attribute says.
    saved
        Whether a vjp is called as ``fn(y, axis, g)``, y being the softmax or log_softmax that the forward pass returned.
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
    ledger
        A file with known findings, or several, which do not reject the function; docs/ledger.md has their format.
    builtin_ledger
        Whether the project's own known findings count too.
    fail_on
        What rejects the function: violation, or degraded for those and for answers that are legal and worse than usual.
    axis, contiguous, rank, lengths, masks
        What the function promises, where that is less than everything: ``axis="last"``, ``contiguous=True``, ``rank=2``
        or several, ``lengths="power-of-two"`` (or ``<=N``, ``multiple-of-N``, or several joined by commas),
        ``masks="none"``.  Nothing else is asked.  What its attribute ``softmax_contract`` says holds as well.
    case
        Globs of the cases that are asked: by name, family/case, or family; all where empty.
    skip
        Globs of cases that are not asked, or of checks whose findings count for nothing.
    timeout
        Seconds that a worker may take over one array.
    memory
        Bytes that a worker may take; 40% of the machine's by default.
    watch
        Called with tasks done, tasks planned, and the task in hand.
    first
        Called with the first violation, in a sentence, as soon as it is known.

    Raises
    ------
    UnknownName
        For an op, framework, dtype, tier, family, case or check there is none of.
    BadKernel
        If the function cannot be found or imported, or nothing is left to be asked of it.
    BadContract
        If what is promised has a mistake.
    BadLedger
        If a ledger cannot be read, or holds an entry that can match nothing.
    ValueError
        If the timeout is no finite number above zero.
    KeyboardInterrupt
        On Ctrl-C.
    """
    dtypes, families, case, skip = (
        (given,) if isinstance(given, str) else tuple(given) for given in (dtypes, families, case, skip)
    )
    if not isinstance(function, str) and not callable(function):
        raise BadKernel(f"a kernel is a function or the name of one, not {function!r}")
    if not 0 < timeout < math.inf:
        raise ValueError(f"timeout: a finite number of seconds above zero is wanted, not {timeout}")
    plan.check_names("op", [op] if op else [], plan.ops())
    plan.check_names("framework", [framework], ("numpy", *plan.known_frameworks()))
    plan.check_names("dtype", dtypes, (*plan.dtypes(), ALL))
    plan.check_names("tier", [tier], plan.TIERS)
    plan.check_families(families)
    plan.check_names("fail_on", [fail_on], GATES)
    entries = load((ledger,) if isinstance(ledger, str | Path) else ledger, builtin=builtin_ledger)
    for dtype in dtypes:
        if framework == "numpy" and (why := arrays.lacking(dtype)):
            raise BadKernel(why)
    promised = {"axis": axis, "contiguous": contiguous, "rank": rank, "lengths": lengths, "masks": masks}
    contract = Contract.of({**promised, "op": op, "saved": saved})
    checks = [(glob, [kind for kind in kinds() if fnmatchcase(kind, glob)]) for glob in skip]
    skipped = tuple(dict.fromkeys(kind for _, found in checks for kind in found))
    given = {
        "op": op, "saved": saved, "framework": framework, "device": device, "tier": tier, "seed": seed, **promised,
        "fail_on": fail_on,
    }  # fmt: skip
    usual = {name: parameter.default for name, parameter in inspect.signature(check).parameters.items()}
    asked_by = Asked(
        function if isinstance(function, str) else getattr(function, "__qualname__", type(function).__name__),
        isinstance(function, str),
        tuple((name, value) for name, value in given.items() if value != usual[name]),
    )
    options = Options(
        tier=Tier[tier.upper()],
        invitations=[Invitation(framework, kernel=function, contract=contract)],
        dtypes=plan.dtypes() if ALL in dtypes else tuple(dtypes) or DEFAULT,
        families=tuple(families) or tuple(name for name in cases.families() if name not in FRAMEWORKS_ALONE),
        devices=(device,),
        seed=seed,
        jobs=1,
        limits=Limits(seconds=timeout, memory=memory or default_memory()),
        must=bool(dtypes) and ALL not in dtypes,
        only=case,
        skip=tuple(glob for glob, found in checks if not found),
        controls=False,
        claims=False,
        command=asked_by.of(dtypes=dtypes, families=families, case=case, skip=skip),
    )
    run = Run(options, Memory(), watch, _first(first, skipped))
    try:
        record = run.execute()
    except MissingTarget as error:
        raise BadKernel(next(iter(run.here.absent.values()), str(error))) from None
    if run.failure:
        raise run.failure
    if run.interrupted:
        raise KeyboardInterrupt
    return Result(record, entries, Severity(fail_on), run.options.selection, skipped, asked_by)


def _first(tell: Callable[[str], None], skipped: Collection[str]) -> Callable[[Judged], None]:
    """What tells of the first violation."""
    left = [tell]

    def see(one: Judged) -> None:
        for finding in one.judgement.findings:
            if left and finding.severity is Severity.VIOLATION and finding.kind not in skipped:
                where = f"{one.case.recorded_dtype} {one.case.family}/{one.case.name}"
                left.pop()(printable(f"{finding.kind} in {where}: {finding.detail}"))

    return see
