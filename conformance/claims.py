"""Is it true, what people say about softmax?

Each claim is a sentence from tutorials and issue threads, asked of every target and answered with
evidence.  A claim can be false of a target that conforms: ``exp(log_softmax(x)) == softmax(x)``
holds on many rows and in general nowhere.  That is what the table is for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.asking import plan
from conformance.asking.asker import told
from conformance.values import Answered, Tier
from reference.bounds import bounds, flush_allowed, row_sum_bound
from reference.formats import FORMATS
from reference.truth import truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from conformance.asking.asker import Asker
    from conformance.values import Target
    from reference.formats import Format

    Numbers = NDArray[np.float64]

DTYPES = {Tier.SMOKE: ("float32",), Tier.STANDARD: ("float64", "float32"), Tier.EXHAUSTIVE: ("float64", "float32")}
"""In which formats each tier asks the claims."""

HOLDS, FAILS, NOT_ASKED = "holds", "fails", "not asked"

INVARIANT_LENGTHS = (7, 64, 1025)
"""Rows of a tail alone, of whole vectors, and of blocks and a tail."""

HOSTILE = [-1000.0, 1000.0, -1000.0]
LOW = [-1000.0, -1000.0, -1000.0]
HIGH = [1000.0, 1000.0, 1000.0]


@dataclass(frozen=True)
class ClaimTask:
    """One target asked all claims in one dtype."""

    target: Target
    dtype: str

    def __str__(self) -> str:
        return f"{self.target} claims {self.dtype}"

    @property
    def id(self) -> str:
        """A hash of who is asked: 16 hex digits."""
        return plan.task_id(self.target, "claims", self.dtype)


class NoAnswer(Exception):
    """A claim that could not be asked; the message is what came instead of an answer."""


class Respondent:
    """One target in one format: float64 numbers in, float64 numbers out.

    Every method raises :class:`NoAnswer` where the target gives none.
    """

    def __init__(self, asker: Asker, target: Target, format: Format) -> None:
        self.asker, self.target, self.format = asker, target, format

    def _call(self, op: str, *arrays: Any, axis: int = -1, target: Target | None = None, **more: Any) -> Numbers:
        stored = [(self.format.name, self.format.encode(np.asarray(array, dtype=np.float64))) for array in arrays]
        seen = self.asker.call(target or self.target, op, stored, axis, **more)
        if not isinstance(seen, Answered):
            raise NoAnswer(told(seen))
        if seen.dtype != self.format.name:
            raise NoAnswer(f"{self.format.name} was asked, {seen.dtype} came back")
        return self.format.decode(seen.stored)

    def own(self, op: str, x: Any) -> Numbers:
        """The framework's own function."""
        return self._call(op, x)

    def along(self, op: str, x: Any, axis: int) -> Numbers:
        """The framework's own function, along an axis."""
        return self._call(op, x, axis=axis)

    def with_threads(self, op: str, x: Any, threads: int) -> Numbers:
        """The framework's own function, computed by so many threads."""
        return self._call(op, x, threads=threads)

    def vjp(self, op: str, x: Any, g: Any) -> Numbers:
        """Its own vector-Jacobian product."""
        return self._call(f"{op}_vjp", x, g)

    def control(self, name: str, op: str, x: Any) -> Numbers:
        """A textbook formula on the framework's own elementary functions."""
        return self._call(op, x, target=replace(self.target, mode=name, control=True))

    def exp(self, x: Any) -> Numbers:
        """The framework's own exp."""
        return self._call("exp", x)

    def random_rows(self, count: int = 400, n: int = 7, scale: float = 4.0) -> Numbers:
        """Normal logits in the format, always the same ones."""
        drawn = np.random.default_rng(1).standard_normal((count, n)) * scale
        return self.format.quantise(drawn)

    def used(self, op: str, x: Numbers, got: Numbers) -> float:
        """The largest share of its stable bound that an answer uses; a flushed subnormal is a policy, not an error."""
        t = truth(op, x, -1, format=self.format)
        bound = bounds(op, x, -1, format=self.format)
        flushed = (got == 0) & flush_allowed(t, bound, self.format)
        return float(np.max(np.where(flushed, 0.0, t.error_over(bound, got))))


Verdict = tuple[str, str]


@dataclass(frozen=True)
class Claim:
    """A sentence and the way to ask it."""

    slug: str
    statement: str
    ask: Callable[[Respondent], Verdict]


def _verdict(truth: Any, evidence: str) -> Verdict:
    return (HOLDS if truth else FAILS), evidence


def _row(x: Any) -> str:
    return "[" + ", ".join(f"{float(v):.17g}" for v in np.ravel(x)) + "]"


def _sums_to_one(w: Respondent) -> Verdict:
    x = np.concatenate([w.random_rows(), w.random_rows(scale=100.0)])
    p = w.own("softmax", x)
    off = np.abs(p.sum(axis=-1) - 1)
    used = off / np.ravel(row_sum_bound("softmax", x, -1, format=w.format, grade="stable"))
    return _verdict(
        (p >= 0).all() and (used <= 1).all(),
        f"{len(x)} rows: smallest p {p.min():.3g}, {int((off == 0).sum())} sums are exactly 1, the worst is off by "
        f"{off.max():.3g} ({used.max():.2f} × its bound)",
    )


def _exp_overflows(w: Respondent) -> Verdict:
    got = float(w.exp([1000.0])[0])
    return _verdict(np.isinf(got), f"exp(1000) = {got:.6g}; largest {w.format.name} {w.format.max:.3g}")


def _naive_nan(row: list[float]) -> Callable[[Respondent], Verdict]:
    def ask(w: Respondent) -> Verdict:
        p = w.control("definition", "softmax", [row])[0]
        return _verdict(np.isnan(p).any(), f"exp(x)/Σexp(x) of {_row(row)} = {_row(p)}")

    return ask


def _shift_cures(w: Respondent) -> Verdict:
    rows = np.array([LOW, HOSTILE, HIGH])
    got = w.control("shifted", "softmax", rows)
    used = w.used("softmax", rows, got)
    same = (w.own("softmax", rows) == w.own("softmax", rows - rows.max(axis=-1, keepdims=True))).all()
    return _verdict(
        np.isfinite(got).all() and used <= 1 and same,
        f"shifted softmax of the ±1000 rows is finite, {used:.2f} × its bound at worst; its own softmax of x "
        f"and of x - max x is {'bit-identical' if same else 'not identical'} there",
    )


def _agrees(op: str) -> Callable[[Respondent], Verdict]:
    def ask(w: Respondent) -> Verdict:
        x = np.concatenate([w.random_rows(), w.random_rows(scale=100.0)])
        own, textbook = w.own(op, x), w.control("shifted", op, x)
        both = max(w.used(op, x, own), w.used(op, x, textbook))
        apart = np.abs(own - textbook) / w.format.ulp(textbook)
        # Two answers within the bound of the same truth agree as far as the contract goes.
        return _verdict(
            both <= 1,
            f"{(own == textbook).mean():.1%} of {x.size} values bit-identical, half of all within "
            f"{np.median(apart):.3g} ulp, the furthest {apart.max():.3g} ulp apart; both within {both:.2f} × the bound",
        )

    return ask


def _exp_log_on_row(w: Respondent) -> Verdict:
    p, q = w.own("softmax", [HOSTILE])[0], w.exp(w.own("log_softmax", [HOSTILE]))[0]
    return _verdict((p == q).all(), f"softmax {_row(p)}, exp(log_softmax) {_row(q)}")


def _exp_log_in_general(w: Respondent) -> Verdict:
    x = w.random_rows(n=2)
    p, q = w.own("softmax", x), w.exp(w.own("log_softmax", x))
    apart = np.abs(p - q) / w.format.ulp(p)
    if not apart.any():
        return HOLDS, f"no counterexample among {len(x)} rows of two"
    worst = int(apart.max(axis=-1).argmax())
    return FAILS, (
        f"{(apart.max(axis=-1) > 0).mean():.0%} of {len(x)} rows of two differ; x = {_row(x[worst])}: softmax "
        f"{_row(p[worst])}, exp(log_softmax) {_row(q[worst])}, {apart[worst].max():.0f} ulp"
    )


def _jacobian(w: Respondent, x: list[float]) -> tuple[Numbers, Numbers]:
    """Its own Jacobian of log_softmax (row i: gradient of y_i), and softmax from the truth."""
    n = len(x)
    rows = np.tile(np.asarray(x), (n, 1))
    jacobian = w.vjp("log_softmax", rows, np.eye(n))
    return jacobian, truth("softmax", np.asarray(x), -1, format=w.format).rounded(w.format)


_LOGITS = [0.5, -1.25, 2.0]


def _one_minus_softmax(w: Respondent) -> Verdict:
    jacobian, p = _jacobian(w, _LOGITS)
    if jacobian[0, 1] == 1 - p[1]:
        return HOLDS, f"the Jacobian is {jacobian.tolist()}"
    return FAILS, (
        f"only on the diagonal: x = {_row(_LOGITS)}: ∂y₀/∂x₀ = {jacobian[0, 0]:.6g} and 1 - p₀ = {1 - p[0]:.6g}, but "
        f"∂y₀/∂x₁ = {jacobian[0, 1]:.6g} and 1 - p₁ = {1 - p[1]:.6g}"
    )


def _full_jacobian(w: Respondent) -> Verdict:
    worst = 0.0
    for x in (_LOGITS, HOSTILE, [0.0, 0.0], w.random_rows(1, 9)[0].tolist()):
        n, jacobian = len(x), _jacobian(w, x)[0]
        rows = np.tile(np.asarray(x), (n, 1))
        t = truth("log_softmax_vjp", rows, -1, format=w.format, cotangent=np.eye(n))
        bound = bounds("log_softmax_vjp", rows, -1, format=w.format, cotangent=np.eye(n))
        worst = max(worst, float(np.max(t.error_over(bound, jacobian))))
    return _verdict(
        worst <= 1, f"every entry of 4 Jacobians by its autodiff within {worst:.2f} × the bound of δᵢⱼ - pⱼ"
    )


BATCHES = (2, 8, 64)
"""Batches that a row is put into, at the first, the middle and the last place."""


def _apart(one: Numbers, other: Numbers, format: Format) -> float:
    """The largest distance in units in the last place of the first; NaN is as far from itself as anything equal."""
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        return float(np.max(np.where(same, 0.0, np.abs(one - other) / format.ulp(one))))


def _invariant(
    ways: Callable[[Respondent, str, Numbers], dict[str, tuple[Numbers, Numbers]]],
) -> Callable[[Respondent], Verdict]:
    """Bit for bit: a row of each length alone, and the same row in other company."""

    def ask(w: Respondent) -> Verdict:
        worst: dict[str, float] = {}
        for op in ("softmax", "log_softmax"):
            for n in INVARIANT_LENGTHS:
                for way, (alone, other) in ways(w, op, w.random_rows(1, n)[0]).items():
                    name = f"{op} of {n}, {way}"
                    worst[name] = max(worst.get(name, 0.0), _apart(alone, other, w.format))
        differing = {name: ulps for name, ulps in worst.items() if ulps}
        if not differing:
            return HOLDS, f"{len(worst)} comparisons, all bit-identical"
        name = max(differing, key=lambda key: differing[key])
        return FAILS, f"{len(differing)} of {len(worst)} comparisons differ; the most {name}: {differing[name]:.3g} ulp"

    return ask


def _in_batches(w: Respondent, op: str, row: Numbers) -> dict[str, tuple[Numbers, Numbers]]:
    alone = w.own(op, row[None])[0]
    ways = {}
    for k in BATCHES:
        others = w.random_rows(k, len(row))
        for place in sorted({0, k // 2, k - 1}):
            batch = others.copy()
            batch[place] = row
            ways[f"at {place} of a batch of {k}"] = (alone, w.own(op, batch)[place])
    return ways


def _permuted(w: Respondent, op: str, row: Numbers) -> dict[str, tuple[Numbers, Numbers]]:
    order = np.random.default_rng(2).permutation(len(row))
    reverse = np.arange(len(row))[::-1]
    alone = w.own(op, row[None])[0]
    return {name: (alone[by], w.own(op, row[None, by])[0]) for name, by in (("permuted", order), ("reversed", reverse))}


def _in_parts(w: Respondent, op: str, row: Numbers) -> dict[str, tuple[Numbers, Numbers]]:
    matrix = np.stack([np.roll(row, i) for i in range(9)])
    whole = w.own(op, matrix)
    return {
        "as part of a split batch": (whole, np.concatenate([w.own(op, matrix[:4]), w.own(op, matrix[4:])])),
        "along the first axis": (whole, w.along(op, np.ascontiguousarray(matrix.T), 0).T),
    }


def _twice(w: Respondent, op: str, row: Numbers) -> dict[str, tuple[Numbers, Numbers]]:
    matrix = np.tile(row, (8, 1))
    return {"asked again": (w.own(op, matrix), w.own(op, matrix))}


def _threads(w: Respondent, op: str, row: Numbers) -> dict[str, tuple[Numbers, Numbers]]:
    matrix = np.stack([np.roll(row, i) for i in range(64)])
    return {"64 rows, by 1 thread and by 2": (w.with_threads(op, matrix, 1), w.with_threads(op, matrix, 2))}


CLAIMS = (
    Claim("sums-to-one", "softmax is non-negative and sums to 1", _sums_to_one),
    Claim("exp-overflows", "exp(1000) is inf", _exp_overflows),
    Claim("naive-nan-low", "the definition gives NaN on a row of -1000", _naive_nan(LOW)),
    Claim("naive-nan-hostile", "the definition gives NaN on [-1000, 1000, -1000]", _naive_nan(HOSTILE)),
    Claim("shift-cures", "subtracting the maximum changes nothing mathematically and cures both", _shift_cures),
    Claim("agrees-shifted", "its softmax agrees with the shifted formula", _agrees("softmax")),
    Claim("agrees-logsumexp", "its log_softmax agrees with the shifted log-sum-exp", _agrees("log_softmax")),
    Claim("exp-log-on-row", "exp(log_softmax(x)) = softmax(x) bit for bit on [-1000, 1000, -1000]", _exp_log_on_row),
    Claim("exp-log-in-general", "exp(log_softmax(x)) = softmax(x) bit for bit in general", _exp_log_in_general),
    Claim("derivative", "the derivative of log_softmax is 1 - softmax", _one_minus_softmax),
    Claim("jacobian", "the Jacobian of log_softmax is δᵢⱼ - pⱼ", _full_jacobian),
    Claim("batch", "a row gets the same bits alone and anywhere in a batch", _invariant(_in_batches)),
    Claim("split", "a batch gets the same bits whole, in parts and along another axis", _invariant(_in_parts)),
    Claim("permutation", "permuted logits get the same bits, permuted", _invariant(_permuted)),
    Claim("threads", "one thread and two give the same bits", _invariant(_threads)),
    Claim("repeat", "the same array gets the same bits twice", _invariant(_twice)),
)


def ask(asker: Asker, task: ClaimTask) -> Iterator[dict[str, str]]:
    """Ask one target every claim; each is a row with the columns claim, statement, target, version, dtype, verdict, evidence."""
    respondent = Respondent(asker, task.target, FORMATS[task.dtype])
    for claim in CLAIMS:
        try:
            verdict, evidence = claim.ask(respondent)
        except NoAnswer as error:
            verdict, evidence = NOT_ASKED, str(error)
        yield {
            "claim": claim.slug,
            "statement": claim.statement,
            "target": str(task.target),
            "version": task.target.version,
            "dtype": task.dtype,
            "verdict": verdict,
            "evidence": evidence,
        }
