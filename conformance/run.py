"""A run: introduce the subjects, plan, perform the tasks, and keep what is found.

A run that is interrupted, or whose workers die, still ends in a record of what was done.
"""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import conformance
from conformance import cases, claims
from conformance.asking import plan
from conformance.asking.connections import Limits, default_memory
from conformance.asking.plan import MissingTarget, Selection, Task
from conformance.asking.pool import NOT_INSTALLED, Invitation, Pool
from conformance.frameworks.contract import EVERYTHING, Contract
from conformance.record import Header, Plan, Subject, this_machine
from conformance.tasks import Desk, Judged, perform

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from conformance.asking.hello import Hello
    from conformance.claims import ClaimTask
    from conformance.record import Keeper, Record
    from conformance.values import Target, Tier


_HELP = "`python -m pip install torch` brings one, and `conformance check` needs none"
"""What is said where no framework is installed."""


def _limits() -> Limits:
    return Limits(memory=default_memory())


@dataclass(frozen=True)
class Options:
    """What to run.  Empty sequences of targets, families and devices mean everything.

    Attributes
    ----------
    invitations
        Which subjects may be asked; those that no pattern of ``targets`` can mean are not started.
    jobs
        How many tasks are worked on at once.
    must
        Whether a target that cannot do two rows of zeros fails, instead of not supporting the op and dtype.
    controls, claims
        Whether the textbook controls, and the claims, are asked too.
    contract
        What the kernel that is asked promises, as its worker tells.
    only, skip
        See :class:`conformance.asking.plan.Selection`.
    """

    tier: Tier
    invitations: Sequence[Invitation]
    targets: Sequence[str] = ()
    ops: Sequence[str] = field(default_factory=plan.ops)
    dtypes: Sequence[str] = field(default_factory=plan.dtypes)
    families: Sequence[str] = ()
    devices: Sequence[str] = ()
    seed: int = 0
    jobs: int = field(default_factory=lambda: min(2, os.cpu_count() or 1))
    limits: Limits = field(default_factory=_limits)
    must: bool = False
    controls: bool = True
    claims: bool = True
    contract: Contract = EVERYTHING
    only: Sequence[str] = ()
    skip: Sequence[str] = ()
    command: str = ""

    @property
    def thin(self) -> bool:
        """Whether modes that compile are asked less; see :func:`conformance.asking.plan.thins`."""
        return plan.thins(self.dtypes, self.tier)

    @property
    def selection(self) -> Selection:
        """Which questions."""
        return Selection(
            self.tier,
            self.seed,
            tuple(self.families),
            self.contract,
            tuple(self.only),
            tuple(self.skip),
        )


@dataclass
class Introductions:
    """Who was started, and who is absent and why."""

    hellos: dict[Invitation, Hello] = field(default_factory=dict)
    absent: dict[Invitation, str] = field(default_factory=dict)

    def targets(self) -> list[tuple[Invitation, Target]]:
        """Every target of every subject that is here."""
        return [(invitation, target) for invitation, hello in self.hellos.items() for target in plan.targets(hello)]

    def twin(self, hello: Hello) -> Invitation | None:
        """Which invitation has brought the same framework, variant and version already."""
        of = (hello.framework, hello.variant, hello.version)
        return next(
            (one for one, other in self.hellos.items() if (other.framework, other.variant, other.version) == of), None
        )

    def why_absent(self, asked: Collection[str]) -> dict[str, str]:
        """Why something was not asked; with its interpreter, where the framework was asked in another one.

        That another interpreter does not have what was asked in one is nothing to be said.
        """
        return {
            one.subject if one.framework not in asked else f"{one.subject} in {one.label}": why
            for one, why in self.absent.items()
            if one.framework not in asked or why != NOT_INSTALLED
        }

    def told(self, pattern: str) -> str:
        """What each framework that a pattern may mean has, in a line."""
        here = [
            f"{hello.framework} {hello.version} has {', '.join(str(t) for t in plan.targets(hello) if not t.control)}"
            for hello in self.hellos.values()
            if plan.wanted(pattern, hello.framework)
        ]
        absent = [f"{i.subject}: {why}" for i, why in self.absent.items() if plan.wanted(pattern, i.framework)]
        return "; ".join(dict.fromkeys(here + absent)) or "nothing of that name is installed"


def introduce(pool: Pool, options: Options) -> Introductions:
    """Start every subject that the options may mean, and the variants that another package's adapter tells of."""
    found = Introductions()
    known = set(options.invitations)
    waiting = list(options.invitations)
    while waiting:
        meant = [
            invitation
            for invitation in waiting
            if invitation.kernel
            or not options.targets
            or any(plan.wanted(pattern, invitation.framework, invitation.variant) for pattern in options.targets)
        ]
        told: list[Invitation] = []
        for invitation, hello in pool.introduce(meant):
            if isinstance(hello, str):
                found.absent[invitation] = hello
                continue
            if invitation.command and hello.framework != invitation.framework:
                found.absent[invitation] = f"its worker calls its framework {hello.framework!r}"
                continue
            if (twin := found.twin(hello)) is not None:
                found.absent[invitation] = f"{hello.framework} {hello.version} is asked in {twin.label} already"
                continue
            found.hellos[invitation] = hello
            told += [replace(invitation, variant=name) for name in hello.variants if not invitation.kernel]
        waiting = [one for one in dict.fromkeys(told) if one not in known]
        known.update(waiting)
    return found


def choose(options: Options, here: Introductions) -> list[tuple[Invitation, Target]]:
    """The targets that the options mean.

    Raises
    ------
    MissingTarget
        If a worker program cannot be asked, a pattern matches no target here, or nothing is left to be asked.
    UnknownName
        If the families have no question of the ops.
    """
    plan.asked(options.ops, options.families)
    for invitation in options.invitations:
        if invitation.command and invitation in here.absent:
            raise MissingTarget(f"the worker of {invitation.subject!r} cannot be asked: {here.absent[invitation]}")
    everyone = here.targets()
    for pattern in options.targets:
        if not any(plan.matches(target, [pattern]) for _, target in everyone):
            raise MissingTarget(f"target {pattern!r} is not here ({here.told(pattern)})")
    chosen = [
        (invitation, target)
        for invitation, target in everyone
        if (not target.control or (options.controls and _has_any(here.hellos[invitation], target, options.ops)))
        and (invitation.kernel or plan.matches(target, options.targets))
        and plan.matches(target.device, options.devices)
    ]
    if not here.hellos and not any(invitation.kernel for invitation in options.invitations):
        raise MissingTarget(f"no framework is here to be asked ({here.told('*')}); {_HELP}")
    if not chosen:
        raise MissingTarget(f"there is no target to ask ({here.told('*')})")
    return chosen


def _has_any(hello: Hello, control: Target, ops: Sequence[str]) -> bool:
    return any(op in hello.controls[control.mode] for op in ops)


def planned(
    options: Options, here: Introductions, chosen: Sequence[tuple[Invitation, Target]]
) -> list[tuple[Invitation, Task | ClaimTask]]:
    """Every task, sheet by sheet, in each the modes that compile first; the claims at the end."""
    found: list[tuple[Invitation, Task | ClaimTask]] = []
    for dtype in options.dtypes:
        for op in plan.asked(options.ops, options.families):
            sheet = [
                (invitation, task)
                for invitation, hello in here.hellos.items()
                for task in plan.tasks(
                    hello,
                    [target for one, target in chosen if one == invitation],
                    op,
                    dtype,
                    options.selection,
                    thin=options.thin,
                )
            ]
            # Those that take longest first, so that nobody waits for them at the end.
            found += sorted(sheet, key=lambda one: one[1].target.mode not in here.hellos[one[0]].compiled)
    if options.claims:
        found += [
            (invitation, claims.ClaimTask(target, dtype))
            for dtype in claims.DTYPES[options.tier]
            if dtype in options.dtypes
            for invitation, target in chosen
            if not target.control and target.mode not in here.hellos[invitation].further
        ]
    return found


def header(options: Options, here: Introductions, targets: Sequence[Target]) -> Header:
    """The header of a run that starts now."""
    families, limits = cases.families(), options.limits
    asked = {target.framework for target in targets}
    return Header(
        run_id=uuid.uuid4().hex[:12],
        suite_version=conformance.__version__,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=options.command,
        proves_not=plan.PROVES_NOT[options.tier],
        plan=Plan(
            tier=options.tier,
            seed=options.seed,
            ops=tuple(options.ops),
            dtypes=tuple(options.dtypes),
            families={name: families[name].reason for name in options.families or families},
            targets=tuple(targets),
            absent=here.why_absent(asked),
            limits={
                "a batch": f"{limits.seconds:g} s",
                "a worker": f"{limits.memory / 2**30:.3g} GiB of memory",
                "a call": f"{limits.output / 2**20:g} MiB of output",
            },
            questions=cases.fingerprint(),
            not_asked=(plan.THINNED[options.tier],)
            if options.thin and any(target.mode in _thinned(here) for target in targets)
            else (),
        ),
        machine=this_machine(),
        subjects=tuple(
            Subject(
                framework=hello.framework,
                variant=hello.variant,
                version=hello.version,
                python=hello.python,
                numpy=hello.numpy,
                versions=hello.versions,
                variables=hello.variables,
                kernel=invitation.kernel if isinstance(invitation.kernel, str) else hello.framework,
                contract=json.dumps(hello.contract.terms()) if hello.contract.terms() else "",
            )
            for invitation, hello in here.hellos.items()
        ),
    )


def _thinned(here: Introductions) -> set[str]:
    """The modes that are asked less."""
    return {mode for hello in here.hellos.values() for mode in (*hello.compiled, *hello.further)}


class Run:
    """One run, from its options to its record."""

    def __init__(
        self,
        options: Options,
        keeper: Keeper,
        watch: Callable[[int, int, str], None] = lambda *_: None,
        see: Callable[[Judged], None] = lambda _: None,
    ) -> None:
        """Nothing is started yet.

        Parameters
        ----------
        watch
            Called with tasks done, tasks planned (0 while that is not known), and the task in hand.
        see
            Called with each case as soon as it is judged.
        """
        self.options = options
        self.keeper = keeper
        self.watch = watch
        self.see = see
        self.failure: Exception | None = None
        self.interrupted = False
        self.here = Introductions()

    def execute(self) -> Record:
        """Run to the end, or until Ctrl-C, or until the suite itself fails; what was done is never lost.

        A failure of the suite is kept in ``failure``, for the caller to raise once the record is safe.

        Raises
        ------
        MissingTarget
            If a target that was asked for by name is not here, or nothing is left to be asked; nothing was asked then.
        UnknownName
            If a glob of cases means none.
        KeyboardInterrupt
            If it is interrupted before anything was asked.
        RecordError
            If what was found cannot be kept.
        """
        begun = complete = False
        try:
            with Pool(self.options.jobs, self.options.limits, must=self.options.must) as pool:
                self.watch(0, 0, "starting the workers")
                self.here = introduce(pool, self.options)
                for hello in self.here.hellos.values():
                    if hello.watched:  # what its file says of it is known only now
                        promised = hello.contract.settled()
                        self.options = replace(self.options, contract=promised, ops=(promised.op,))
                chosen = choose(self.options, self.here)
                tasks = planned(self.options, self.here, chosen)
                desk = Desk(self.options.selection)
                self.keeper.begin(self._header([target for _, target in chosen], tasks, desk))
                begun = True
                self._perform(pool, tasks, desk)
            complete = True
        except KeyboardInterrupt:
            if not begun:
                raise
            self.interrupted = True
        except Exception as error:
            if not begun:
                raise
            self.failure = error
        return self.keeper.record(complete=complete)

    def _header(
        self, targets: Sequence[Target], tasks: Sequence[tuple[Invitation, Task | ClaimTask]], desk: Desk
    ) -> Header:
        """The header of this run, with what the selection leaves out of its questions."""
        begun, selection = header(self.options, self.here, targets), self.options.selection
        if not selection.narrowed:
            return begun
        sheets = list({task.sheet: desk.sheet(task) for _, task in tasks if isinstance(task, Task)}.values())
        plan.check_chosen(sheets, selection)
        return replace(begun, plan=replace(begun.plan, not_asked=(*begun.plan.not_asked, *plan.left_out(sheets))))

    def _perform(self, pool: Pool, tasks: Sequence[tuple[Invitation, Task | ClaimTask]], desk: Desk) -> None:
        """Perform what is not finished already."""
        finished = self.keeper.finished()
        left = [one for one in tasks if one[1].id not in finished]
        before = len(tasks) - len(left)
        for found in perform(
            pool, left, desk, lambda done, what: self.watch(before + done, len(tasks), what), see=self.see
        ):
            self.keeper.finish(found)
