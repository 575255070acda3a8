"""Is the truth true?  Random rows of every kind against Arb's ball arithmetic.

    python tests/reference/certification.py --rows 100000 --write docs/reference.md

compares every lane, at every speed: the error is within the bound that the truth carries, the bound is not
slack in rows of any length of which there are many, and the rounding to the format is the right one of two neighbours; and every so
often a row's balls with mpmath.  The tests call the same functions.
"""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import flint
import mpmath
import numpy as np
from arbiter import ball, balls, exact

from reference.formats import FLOAT8_FORMATS, FORMATS, Format
from reference.truth import OPS, truth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SLACK = 2.0**6
"""The worst error in rows of a length is at least one part in so many of the bound; otherwise the bound is not worth
its name."""

MANY = 10_000
"""So many lanes of a length say what the worst error is."""

ARBITERS = 64
"""Of so many rows, one is asked of mpmath too."""

LENGTHS = (1, 2, 3, 4, 5, 8, 13, 40, 200)
"""Of the last two the rows lie along the second axis of a block, of the others along the first (reference.blocks.SHORT)."""


@dataclass
class Certificate:
    """What a comparison came to; ratios are of error to carried bound."""

    rows: int = 0
    lanes: int = 0
    beyond: int = 0
    """Lanes below every format that may be asked about: the truth says zero, with an error of one."""
    narrow: bool = False
    """Whether float64 may not be asked about."""
    worst_error: float = 0.0
    ratios: dict[int, float] = field(default_factory=dict)
    """The largest, by length of row."""
    lengths: Counter[int] = field(default_factory=Counter)
    """Lanes of each length that say anything of slack."""
    escalated: int = 0
    undecided: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def worst_ratio(self) -> float:
        return max(self.ratios.values(), default=0.0)

    @property
    def slackest(self) -> float:
        """The worst ratio of the length of row whose bound is used least, of those with many lanes."""
        return min((self.ratios[n] for n, lanes in self.lengths.items() if lanes >= MANY), default=self.worst_ratio)


def certify(op: str, x: NDArray[Any], format: Format | None, g: NDArray[Any] | None = None,
            into: Certificate | None = None) -> Certificate:  # fmt: skip
    """Compare every lane of a matrix of rows; with a format, also its rounding to the format."""
    found = into or Certificate()
    found.narrow = format is not None and format.precision < 53
    said = truth(op, x, format=format, cotangent=g)
    parts = [part.tolist() for part in (said.high, said.low, said.exponent, said.error)]
    rounding = format or FORMATS["float64"]
    wider = said.decisive(rounding)
    rounded, decided = wider.rounded(rounding).tolist(), wider.decided(rounding)
    for i, row in enumerate(x.tolist()):
        if any(map(math.isnan, row)) or not math.isfinite(max(row)):
            continue
        cotangent = None if g is None else g[i].tolist()
        dues = balls(op, row, cotangent)
        if found.rows % ARBITERS == 0:
            _compare_arbiters(found, op, row, cotangent, dues)
        found.rows += 1
        for j, due in enumerate(dues):
            high, low, exponent, error = (part[i][j] for part in parts)
            if row[j] == -math.inf and g is None:
                if high != (0.0 if op == "softmax" else -math.inf):
                    found.failures.append(f"{op} {row} lane {j}: a masked lane has {high}")
                continue
            found.lanes += 1
            where = (
                f"{op} {[v.hex() for v in row]} {'' if cotangent is None else [v.hex() for v in cotangent]} lane {j}"
            )
            # The arbiter's own radius is in proportion to the terms.
            terms = due if cotangent is None else flint.arb(max(map(abs, cotangent)))
            values = ball(high, low, exponent), ball(high, 0.0, exponent)
            ratio = _compare(found, where, values, due, error, terms)
            if ratio is not None and len(row) > 1:  # of one logit everything is exact
                found.ratios[len(row)] = max(found.ratios.get(len(row), 0.0), ratio)
                found.lengths[len(row)] += 1
            if decided[i, j] and not _nearest(rounded[i][j], due, rounding):
                found.failures.append(f"{where}: {rounded[i][j]} is not nearest in {rounding.name}")
            if decided[i, j] and due * math.copysign(1.0, rounded[i][j]) < 0:
                found.failures.append(f"{where}: {rounded[i][j]} has the wrong sign")
    found.escalated += wider.escalated
    found.undecided += int((~decided).sum())
    return found


def _compare_arbiters(found: Certificate, op: str, row: list[float], g: list[float] | None, dues: list[Any]) -> None:
    """A ball and mpmath's number agree to 200 bits, of themselves or of the largest cotangent."""
    for j, (due, other) in enumerate(zip(dues, exact(op, row, g), strict=True)):
        if not mpmath.isfinite(other) or abs(other) < mpmath.mpf(2) ** -(2**14):
            continue
        significand, exponent = other.man_exp
        value = flint.arb(int(significand)) * flint.arb(2) ** exponent * int(mpmath.sign(other))
        scale = flint.arb(max(map(abs, g))) if g else due
        if not abs(due - value) <= abs(scale) * flint.arb(2) ** -200:
            found.failures.append(f"{op} {[v.hex() for v in row]} lane {j}: the arbiters disagree")


def _compare(found: Certificate, where: str, said: tuple[Any, Any], due: Any, error: float, terms: Any) -> float | None:
    """The error as a share of the bound, where that says anything of slack."""
    value, high = said
    difference = value - due
    if error == 0:
        if not difference.contains(0) or not difference.rad() <= abs(terms) * flint.arb(2) ** -200:
            found.failures.append(f"{where}: is said to be exact")
    elif value == 0 and error >= 1:
        # A zero that stands for something below every format that may be asked about.
        if not due.abs_upper() <= flint.arb(2) ** -(151 if found.narrow else 1076):
            found.failures.append(f"{where}: is not below every format")
        found.beyond += 1
    else:
        size = float(difference.abs_upper() / abs(high))
        ratio = size / error
        # Below, all that is left is the last bit of a pair, or less; above, it is of a number beyond float64.  Both are far
        # from any verdict, and say nothing of slack.
        if not ratio <= 1:
            found.failures.append(f"{where}: {ratio:.3g} times the bound")
        if 2.0**-105 < error < 0.25:
            found.worst_error = max(found.worst_error, size)
            return ratio
    return None


def _nearest(value: float, due: Any, format: Format) -> bool:
    """Whether a number of the format is the nearest to the ball ``due``, or as near as the other."""
    if math.isinf(value):
        return bool(due.abs_upper() >= flint.arb(format.max) + flint.arb(float(format.ulp(format.max))) / 2)
    if math.isnan(value):
        return not format.has_inf and bool(due.abs_upper() >= format.max)
    outward = bool(due.abs_upper() >= abs(value))
    gap = flint.arb(float(format.ulp(value if outward else np.nextafter(abs(value), 0))))
    return bool((abs(due - value) - gap / 2).lower() <= 0)


def random_rows(format: Format, rows: int, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """Matrices of up to 64 rows, representable in the format: every magnitude, spread, tie and gap."""
    log_eta = -math.log(format.smallest_subnormal)
    while rows > 0:
        n = int(rng.choice(LENGTHS, p=[0.05, 0.3, 0.2, 0.15, 0.1, 0.1, 0.06, 0.03, 0.01]))
        k = min(rows, 64 if n < 100 else 16)
        shape = (k, n)
        row = (k, 1)
        scale = 2.0 ** rng.uniform(-30, 12, row)
        match int(rng.integers(8)):
            case 0:
                x = rng.standard_normal(shape) * scale
            case 1:  # any number of the format, among them the smallest and the largest
                exponents = rng.uniform(format.emin - format.precision, format.emax + 0.99, shape)
                x = rng.choice([-1, 1], shape) * 2.0**exponents
            case 2:  # neighbours
                base = format.quantise(rng.standard_normal(row) * scale)
                x = base + rng.integers(-3, 4, shape) * format.ulp(base)
            case 3:  # one winner, the others anywhere down to the smallest number and below
                x = -rng.uniform(0, 1.2 * log_eta, shape)
                x[np.arange(k), rng.integers(n, size=k)] = 0
            case 4:  # one winner, the others at both sides of where a speed answers zero
                x = -rng.choice(REACHES, row) - rng.standard_normal(shape) * 2.0 ** rng.uniform(-6, 7, row)
                x[np.arange(k), rng.integers(n, size=k)] = rng.choice([0, 5e-324, -5e-324], k)
            case 5:  # ties
                x = rng.integers(-2, 3, shape) * scale
            case 6:  # the largest numbers
                x = rng.choice([-1, 1], shape) * format.max * 2.0 ** rng.choice([0, 0, 0, -1, -2, -60], shape)
            case _:  # far from zero
                x = rng.standard_normal(shape) * scale + rng.standard_normal(row) * 2.0 ** rng.uniform(0, 14, row)
        x = format.quantise(np.clip(x, -format.max, format.max))
        if format.has_inf and rng.random() < 0.15:
            x = np.where(rng.random(shape) < 0.4, -np.inf, x)
        rows -= k
        yield x


REACHES = (680.0, 1100.0, 2.0**14)
"""Where the three speeds answer zero (reference.forward)."""

SPEEDS: dict[str, Format | None] = {**FORMATS, **FLOAT8_FORMATS, "the widest": None}
"""The formats that a truth is computed for, which choose the speed."""


def certify_random(op: str, name: str, rows: int, seed: int = 0) -> Certificate:
    """Certify one op for one format on random rows."""
    format = SPEEDS[name]
    rng = np.random.default_rng([seed, OPS.index(op), list(SPEEDS).index(name)])
    found = Certificate()
    for x in random_rows(format or FORMATS["float64"], rows, rng):
        certify(op, x, format, random_cotangent(x.shape, rng) if op.endswith("_vjp") else None, found)
    if found.slackest < 1 / SLACK:
        found.failures.append(f"{op} for {name}: the errors by length of row are {found.ratios} of their bounds")
    return found


def random_cotangent(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Of every size that float64 has, alike or not, and such that sums cancel."""
    match int(rng.integers(3)):
        case 0:
            return rng.standard_normal(shape) * 2.0 ** rng.uniform(-20, 20, shape)
        case 1:
            return rng.choice([-1.0, 1.0], shape) * 2.0 ** rng.uniform(-1074, 1023, shape)
        case _:
            return rng.integers(-2, 3, shape) * 2.0 ** rng.integers(-1074, 1000, (shape[0], 1))


@click.command(help=__doc__.replace("\n\n    python", "\n\n\b\n    python"))
@click.option("--rows", default=20_000, show_default=True, help="random rows for each op and format")
@click.option("--seed", default=0, show_default=True)
@click.option("--write", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="page to put the table in")
def main(rows: int, seed: int, write: Path | None) -> None:
    lines = [
        "| op | for | rows | lanes | worst error | of the bound, by length | recomputed rows | undecided lanes |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    failures = []
    asked = [(op, name) for op in OPS for name in SPEEDS]
    with ProcessPoolExecutor() as pool:
        found = pool.map(certify_random, *zip(*asked, strict=True), repeat(rows), repeat(seed))
        with click.progressbar(found, length=len(asked), file=sys.stderr) as bar:
            for (op, name), one in zip(asked, bar, strict=True):
                failures += one.failures
                worst = "cancels" if op.endswith("_vjp") else f"2^{math.log2(one.worst_error):.1f}"
                lines.append(
                    f"| {op} | {name} | {one.rows:,} | {one.lanes:,} | {worst} | "
                    f"{one.slackest:.2f} to {one.worst_ratio:.2f} | {one.escalated:,} | {one.undecided:,} |"
                )
    table = "\n".join(lines)
    click.echo(table)
    for failure in failures[:20]:
        click.echo(failure, err=True)
    if write:
        section = f"<!-- certification -->\n\n{table}\n\n<!-- /certification -->"
        text = re.sub(
            r"<!-- certification -->.*<!-- /certification -->", lambda _: section, write.read_text(), flags=re.DOTALL
        )
        write.write_text(text)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
