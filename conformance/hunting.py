"""Search for the row where a target has the largest error over its bound.

The row is described by numbers in [0, 1]: where its maximum lies, and how far below it each other logit is.
Differential evolution (SciPy's) climbs towards the largest error; a whole generation is one batch, so that a
compiled mode compiles one shape.  A crash or a hang is the worst that can be found, and ends the search.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import differential_evolution

from conformance.asking import plan
from conformance.asking.connections import Limits, default_memory
from conformance.asking.hello import AbsentSubject
from conformance.asking.interpreters import invitations, is_kernel
from conformance.asking.narrowing import fitted
from conformance.asking.plan import MissingTarget
from conformance.asking.pool import Invitation
from conformance.asking.saved import saved as from_saved
from conformance.cases import batches
from conformance.frameworks.base import Program
from conformance.frameworks.contract import EVERYTHING, BadContract, Contract
from conformance.judgement import Judge
from conformance.record import RecordError
from conformance.reporting.scripts import script
from conformance.reporting.symptoms import SYMPTOMS
from conformance.values import Call, Case, Exhibit, Inputs, Severity, Unsupported
from reference.formats import FORMATS
from reference.ops import OPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from conformance.asking.asker import Asker
    from conformance.values import Judgement, Numbers, Target
    from reference.formats import Format
    from reference.ops import Op

WRONG = 2.0**40
"""Error over bound that stands for a violation without a size: a NaN, an exception, a crash."""


class BadCase(RecordError):
    """A file that holds no kept row; the message names it in one line."""


@dataclass(frozen=True, eq=False)
class WorstRow:
    """The worst row that was found.

    Attributes
    ----------
    name
        What was asked, as the command line names it: a target, or where a kernel stands.
    framework
        Whose arrays it takes.
    row
        The logits, float64.
    cotangent
        Of the same shape where the op is a vjp; else None.
    saved
        Whether a vjp was handed what the forward pass returned of the row, and not the row.
    judgement
        Of the answer.
    error_over_bound
        Error over the stable bound; at least :data:`WRONG` where a violation has no size.
    asked
        How many rows were asked on the way.
    script
        A program that asks the row again; empty where there is none.
    """

    name: str
    framework: str
    op: str
    dtype: str
    row: NDArray[np.float64]
    cotangent: NDArray[np.float64] | None
    saved: bool
    judgement: Judgement
    error_over_bound: float
    asked: int
    script: str

    @property
    def violated(self) -> bool:
        """Whether the contract is violated there."""
        return self.judgement.severity is Severity.VIOLATION

    def as_json(self) -> dict[str, Any]:
        """The row as plain data that anyone can replay: ``conformance hunt --replay FILE``."""
        return {
            "target": self.name,
            "framework": self.framework,
            "op": self.op,
            "dtype": self.dtype,
            "asked": self.asked,
            "row": [value.hex() for value in self.row.tolist()],
            **({} if self.cotangent is None else {"cotangent": [value.hex() for value in self.cotangent.tolist()]}),
            **({"saved": True} if self.saved else {}),
            "error_over_bound": self.judgement.error_over_bound,
            "max_ulp": self.judgement.max_ulp,
            "grade": str(self.judgement.grade or ""),
            "findings": [
                {"kind": f.kind, "severity": str(f.severity), "detail": f.detail} for f in self.judgement.findings
            ],
            "script": self.script,
        }


def rows_of(format: Format, genes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of n logits from rows of n + 1 numbers in [0, 1]; float64, representable in the format.

    The first gene is the maximum: its middle is zero, its ends are the largest numbers, and every power of two
    between has its share.  The others are gaps: half of them below a unit, the rest up to where exp is zero.
    """
    side = 2 * genes[:, :1] - 1
    reach = np.log2(format.max) + 12
    top = np.sign(side) * 2.0 ** (np.abs(side) * reach - 12.001)
    zero = -np.log(format.smallest_subnormal)
    gaps = np.where(genes[:, 1:] < 0.5, 2 * genes[:, 1:], 1 + (2 * genes[:, 1:] - 1) ** 2 * 1.1 * zero)
    # One logit is the maximum itself: the one with the smallest gap.
    gaps -= gaps.min(axis=1, keepdims=True)
    return format.quantise(np.clip(top - gaps, -format.max, format.max))


def cotangents_of(format: Format, genes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cotangents of n lanes from rows of n numbers in [0, 1]; float64, representable in the format.

    The middle is zero, and to both sides every binade from 2**-p to 2**p has its share, as far as the format has it.
    """
    side, none = 2 * genes - 1, 1 / 16
    place = (2 * (np.abs(side) - none) / (1 - none) - 1) * format.precision
    magnitude = 2.0 ** np.clip(place, format.emin, np.log2(format.max / 4 / genes.shape[1]))
    return format.quantise(np.where(np.abs(side) < none, 0.0, np.sign(side) * magnitude))


def population(genes: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """The genes that a search begins with: 256 rows, and fewer long ones, so that a generation takes seconds at most."""
    return rng.random((min(256, max(16, 2**17 // genes)), genes))


class Hunt:
    """One search; ``best`` is the worst row so far: its error over bound, its logits, how it was asked, its judgement."""

    def __init__(
        self,
        asker: Asker,
        target: Target,
        op: Op,
        dtype: str,
        length: int,
        *,
        name: str = "",
        contract: Contract = EVERYTHING,
    ) -> None:
        self.asker, self.target, self.op, self.format, self.contract = asker, target, op, FORMATS[dtype], contract
        self.length = contract.nearest(length) if contract.lengths else length
        self.name = name or str(target)
        self.asked = 0
        self.best: tuple[float, Numbers, Exhibit, Judgement] | None = None

    @property
    def genes(self) -> int:
        """How many numbers describe a question: of the row, and of the cotangent where the op takes one."""
        return self.length + 1 + (self.length if self.op.takes_cotangent else 0)

    def errors(
        self, rows: NDArray[np.float64], cotangents: Iterable[NDArray[np.float64] | None]
    ) -> NDArray[np.float64]:
        """How bad each row is, with its cotangent: error over the stable bound, or WRONG; the worst is kept.

        Raises
        ------
        MissingTarget
            If the target does not support the op in the format.
        """
        format = self.format
        plain = (
            Case(self.op, format, "hunt", str(i), Inputs(row, format.name, cotangent=g), Call(), logits=row)
            for i, (row, g) in enumerate(zip(rows, cotangents, strict=True))
        )
        asked = [fitted(case, self.contract) for case in plain]
        if self.contract.saved:
            asked = [from_saved(case) for case in asked]
        found: dict[str, float] = {}
        for batch in batches(asked):
            for part, observation in self.asker.ask(self.target, batch):
                if isinstance(observation, Unsupported):
                    raise MissingTarget(f"{self.name} {self.op} {format.name}: {observation.why}")
                for place, (case, judged) in enumerate(zip(part.cases, Judge(part).judge(observation), strict=True)):
                    error = 0.0 if np.isnan(judged.error_over_bound) else judged.error_over_bound
                    if judged.severity is Severity.VIOLATION:
                        error = max(error, WRONG)
                    found[case.id] = error
                    if self.best is None or error > self.best[0]:
                        self.best = (error, case.logits, Exhibit(case.inputs, len(part.cases), place), judged)
        self.asked += len(rows)
        return np.array([found[case.id] for case in asked])

    def run(self, seconds: float, seed: int = 0, watch: Callable[[float, float], None] = lambda *_: None) -> WorstRow:
        """Search until the time is over, a violation is found or Ctrl-C; ``watch`` gets seconds gone and the worst so far.

        Raises
        ------
        KeyboardInterrupt
            If it is interrupted before any row was judged.
        """
        start = time.perf_counter()

        def objective(genes: NDArray[np.float64]) -> NDArray[np.float64]:
            rows, more = np.split(np.atleast_2d(genes.T), [self.length + 1], axis=1)
            cotangents = cotangents_of(self.format, more) if self.op.takes_cotangent else [None] * len(rows)
            errors = self.errors(rows_of(self.format, rows), cotangents)
            return -np.log2(np.maximum(errors, 2.0**-60))

        def enough(*_: Any, **__: Any) -> bool:
            gone = time.perf_counter() - start
            watch(gone, self.best[0] if self.best else 0.0)
            return self.best is not None and (gone > seconds or self.best[0] >= WRONG)

        try:
            while not enough():  # a population that has settled starts again elsewhere
                differential_evolution(
                    objective,
                    [(0.0, 1.0)] * self.genes,
                    init=population(self.genes, rng := np.random.default_rng([seed, self.asked])),
                    vectorized=True,
                    updating="deferred",
                    maxiter=200,
                    tol=0.0,
                    polish=False,
                    rng=rng,
                    callback=enough,
                )
        except KeyboardInterrupt:
            if self.best is None:
                raise
        return self._worst()

    def again(self, row: NDArray[np.float64], cotangent: NDArray[np.float64] | None = None) -> WorstRow:
        """Ask a kept row."""
        self.errors(row[None], [cotangent])
        return self._worst()

    def _worst(self) -> WorstRow:
        assert self.best is not None
        error, row, exhibit, judged = self.best
        assert exhibit.inputs is not None
        return WorstRow(
            self.name,
            str(self.asker.request["framework"]),
            self.op.name,
            self.format.name,
            row.reshape(-1),
            None if (g := exhibit.inputs.cotangent) is None else g.reshape(-1),
            self.contract.saved,
            judged,
            error,
            self.asked,
            self._script(exhibit, judged),
        )

    def _script(self, exhibit: Exhibit, judged: Judgement) -> str:
        """A program that looks at the first finding, or prints the answer where there is none."""
        way = "saved" if self.contract.saved else "plain"
        program = self.asker.program(self.op.name, way, self.target)
        if program is None:
            return ""
        asked = {"op": self.op.name, "dtype": self.format.name, "way": way, "axis": -1}
        asked |= {"layout": "", "cotangent_layout": ""}
        finding = next((one for one in judged.findings if one.kind in SYMPTOMS), None)
        limits = self.asker.limits
        return script(
            asked, finding, exhibit, Program(*program), self.target.device,
            seconds=limits.seconds, memory=limits.memory / 2**30,
        )  # fmt: skip


def read_case(path: Path) -> dict[str, Any]:
    """A row that was kept.

    Raises
    ------
    BadCase
        If the file is not what ``conformance hunt --out`` writes.
    """
    try:
        kept: dict[str, Any] = json.loads(path.read_text())
        row = [float.fromhex(text) for text in kept["row"]]
        cotangent = [float.fromhex(text) for text in kept.get("cotangent", [])]
        FORMATS[kept["dtype"]].encode(row)
        FORMATS[kept["dtype"]].encode(cotangent)
        if not row or kept["op"] not in OPS or not all(isinstance(kept[name], str) for name in ("target", "framework")):
            raise ValueError("a row, an op, a target and a framework are wanted")  # noqa: TRY301
        if len(cotangent) != (len(row) if OPS[kept["op"]].takes_cotangent else 0):
            raise ValueError(f"{kept['op']} of {len(row)} logits has a cotangent of {len(cotangent)}")  # noqa: TRY301
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadCase(f"{path} holds no row that `conformance hunt --out` kept: {error!r}") from None
    said = {"cotangent": np.array(cotangent) if cotangent else None, "saved": bool(kept.get("saved"))}
    return kept | {"row": np.array(row)} | said


def hunter(
    name: str,
    op: str,
    dtype: str,
    length: int,
    *,
    saved: bool = False,
    framework: str = "numpy",
    timeout: float = 120.0,
) -> Hunt:
    """A search in a worker.

    Parameters
    ----------
    name
        framework/mode/device, or a kernel's file.py:function or module:function.
    op
        Empty: what a kernel's file says of it, or softmax.
    saved
        Whether a kernel of a vjp is called as fn(y, axis, g), y being what the forward pass returned.
    framework
        For a kernel: whose arrays it takes.
    timeout
        Seconds that it may take over one array.

    Raises
    ------
    UnknownName
        For a framework there is no adapter for.
    MissingTarget
        If there is nothing of that name here.
    BadContract
        If something is saved for a forward op.

    A kernel that promises some lengths alone (:class:`Contract`) is asked the nearest of them.
    """
    limits = Limits(seconds=timeout, memory=default_memory())
    if is_kernel(name):
        plan.check_names("framework", [framework], ("numpy", *plan.known_frameworks()))
        invitation = Invitation(framework, kernel=name, contract=Contract.of({"op": op, "saved": saved}))
    else:
        if saved:
            raise BadContract(f"saved is for a function of one's own: {name} is handed the logits")
        plan.check_targets([name], plan.known_frameworks())
        meant = [one for one in invitations() if plan.wanted(name, one.framework, one.variant)]
        if not meant:
            raise MissingTarget(f"target {name!r} is not here: {name.partition('/')[0]} is no variant of it")
        invitation = meant[0]
    asker = invitation.asker(limits)
    try:
        hello = asker.start()
    except AbsentSubject as absent:
        raise MissingTarget(f"target {name!r} is not here ({absent})") from None
    everyone = plan.targets(hello)
    chosen = everyone if is_kernel(name) else [one for one in everyone if plan.matches(one, [name])]
    if not chosen:
        asker.close()
        raise MissingTarget(f"target {name!r} is not here ({', '.join(map(str, everyone))})")
    called = name if is_kernel(name) else str(chosen[0])
    op = hello.contract.op or op or "softmax"
    return Hunt(asker, chosen[0], OPS[op], dtype, length, name=called, contract=hello.contract)
