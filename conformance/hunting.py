"""Where is a target worst?  Search for the row with the largest error over its bound.

The row is described by numbers in [0, 1]: where its maximum lies, and how far below it each other logit is.
Differential evolution (SciPy's) climbs towards the largest error; a whole generation is one batch, so that a
compiled mode compiles one shape.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import differential_evolution

from conformance import engine, selection
from conformance.execution.batches import batches
from conformance.execution.kernel import FRAMEWORKS, Kernel, KernelFramework, KernelRespondent
from conformance.judgement import Judge
from conformance.values import Case, Severity, Target, Tier
from reference.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from conformance.execution.ask import Respondent
    from conformance.values import Judgement
    from reference.formats import Format

WRONG = 2.0**40
"""The height of a row with a violation that has no size: a NaN, an exception."""


class BadCase(Exception):
    """A file that holds no kept row; the message names it in one line."""


@dataclass(frozen=True)
class Quarry:
    """The worst row that was found.

    Attributes
    ----------
    row
        The logits.
    judgement
        What the judge says of the answer.
    height
        Error over the stable bound; more than any such where a violation has no size.
    asked
        How many rows were asked on the way.
    script
        A program that asks the row alone.
    whom
        By what name the target is asked: its own, or where a kernel stands.
    framework
        Whose arrays it takes.
    """

    target: Target
    op: str
    dtype: str
    row: NDArray[np.float64]
    judgement: Judgement
    height: float
    asked: int
    script: str
    whom: str
    framework: str

    @property
    def violated(self) -> bool:
        """Whether the contract is violated there."""
        return self.judgement.severity is Severity.VIOLATION

    def as_json(self) -> dict[str, Any]:
        """The case, as anyone can replay it: ``conformance hunt --replay FILE``."""
        return {
            "target": self.whom,
            "framework": self.framework,
            "op": self.op,
            "dtype": self.dtype,
            "asked": self.asked,
            "row": [value.hex() for value in self.row.tolist()],
            "error_over_bound": self.judgement.error_over_bound,
            "max_ulp": self.judgement.max_ulp,
            "grade": str(self.judgement.grade or ""),
            "findings": [
                {"kind": f.kind, "severity": str(f.severity), "detail": f.detail} for f in self.judgement.findings
            ],
            "script": self.script,
        }


def describe(format: Format, genes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of n logits from rows of n + 1 numbers in [0, 1].

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


class Hunt:
    """One search; ``best`` is the worst row so far."""

    def __init__(self, respondent: Respondent, op: str, dtype: str, length: int) -> None:
        self.respondent, self.op, self.dtype, self.length = respondent, op, dtype, length
        self.asked = 0
        self.best: tuple[float, NDArray[np.float64], Judgement] | None = None

    def heights(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """How bad each row is: error over the stable bound, or WRONG; the worst is kept."""
        cases = [Case("hunt", str(i), self.op, self.dtype, row) for i, row in enumerate(rows)]
        judge = Judge()  # forgets its truths, which nobody asks for twice
        heights = {}
        for batch in batches(cases):
            for part, observation in self.respondent.ask(batch):
                for case, judged in zip(part.cases, judge.judge(part, observation), strict=True):
                    height = 0.0 if np.isnan(judged.error_over_bound) else judged.error_over_bound
                    if judged.severity is Severity.VIOLATION:
                        height = max(height, WRONG)
                    heights[case.name] = height
                    if self.best is None or height > self.best[0]:
                        self.best = (height, case.values, judged)
        self.asked += len(rows)
        return np.array([heights[case.name] for case in cases])

    def run(self, seconds: float, seed: int = 0, watch: Callable[[float, float], None] = lambda *_: None) -> Quarry:
        """Climb until the time is over or a violation is found; ``watch`` hears seconds gone and the best height."""
        format, start = FORMATS[self.dtype], time.perf_counter()

        def valley(genes: NDArray[np.float64]) -> NDArray[np.float64]:
            heights = self.heights(describe(format, np.atleast_2d(genes.T)))
            return -np.log2(np.maximum(heights, 2.0**-60))

        def enough(*_: Any, **__: Any) -> bool:
            gone = time.perf_counter() - start
            watch(gone, self.best[0] if self.best else 0.0)
            return self.best is not None and (gone > seconds or self.best[0] >= WRONG)

        while not enough():  # a population that has settled starts again elsewhere
            differential_evolution(
                valley,
                [(0.0, 1.0)] * (self.length + 1),
                vectorized=True,
                updating="deferred",
                popsize=max(5, 256 // (self.length + 1)),
                maxiter=200,
                tol=0.0,
                polish=False,
                rng=np.random.default_rng([seed, self.asked]),
                callback=enough,
            )
        return self._quarry()

    def again(self, kept: dict[str, Any]) -> Quarry:
        """Ask a kept row."""
        self.heights(np.array([[float.fromhex(text) for text in kept["row"]]]))
        return self._quarry()

    def _quarry(self) -> Quarry:
        assert self.best is not None
        height, row, judged = self.best
        target = self.respondent.target
        literal = repr(row.tolist())
        framework = self.respondent.framework
        script = framework.script(self.op, target.mode, target.device, self.dtype, -1, literal)
        whom, arrays = str(target), framework.name
        if isinstance(framework, KernelFramework):
            whom, arrays = str(framework.kernel.where), framework.kernel.framework
        return Quarry(target, self.op, self.dtype, row, judged, height, self.asked, script, whom, arrays)


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
        kept["target"], kept["framework"], kept["op"], FORMATS[kept["dtype"]].encode(row)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadCase(f"{path} holds no row that `conformance hunt --out` kept: {error!r}") from None
    return kept


def respondent(target: str, op: str, dtype: str, framework: str = "numpy") -> Respondent:
    """Whoever is meant, in this process and ready to be asked.

    Parameters
    ----------
    target
        framework/mode/device, or a kernel's file.py:function or module:function.
    framework
        For a kernel: whose arrays it takes.

    Raises
    ------
    MissingTarget, BadKernel
        If there is nobody of that name here, or they do not support the op in the dtype.
    """
    if ":" in target.rpartition("/")[2] and not target.rpartition("/")[2].startswith("cuda:"):
        selection.check_names("framework", [framework], FRAMEWORKS)
        kernel = Kernel(target, framework)
        found: Respondent = KernelRespondent(
            kernel.load(), Target(kernel.name, framework, "cpu"), op, FORMATS[dtype], must=False
        )
    else:
        selection.check_targets([target])
        name, _, _ = target.partition("/")
        said = engine.introduce(name)
        chosen = [one for one in said.targets() if selection.matches(one, [target])]
        if not chosen:
            raise selection.MissingTarget(f"target {target!r} is not here ({said.absent or ', '.join(said.devices)})")
        found = engine.Task(chosen[0], op, dtype, engine.Selection(Tier.SMOKE, 0)).respondent()
    if found.why_not:
        raise selection.MissingTarget(f"{found.target} {op} {dtype}: {found.why_not}")
    return found
