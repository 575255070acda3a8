"""What does the suite add to the frameworks' own time?

Runs a tier with one worker at a time and prints the run's wall time over the frameworks' own share
(imports, and asking: sending, compiling, calling, fetching), both measured in that run.

    python benchmarks/overhead.py [smoke|standard]
"""

import sys
import time

from conformance.engine import OPS
from conformance.run import Options, Run
from conformance.values import Tier
from reference.formats import FORMATS


def main() -> None:
    """Run once and print the ratio."""
    tier = Tier[(sys.argv[1] if len(sys.argv) > 1 else "standard").upper()]
    start = time.perf_counter()
    record = Run(Options(tier=tier, ops=OPS, dtypes=tuple(FORMATS), jobs=1)).execute()
    wall = time.perf_counter() - start
    timing = record.footer["timing"]
    print(f"{'framework':12} {'import':>8} {'ask':>8} {'claims':>8} {'judge':>8} {'cases':>8}  seconds")
    for name, parts in sorted(timing.items()):
        columns = (parts.get(part, 0.0) for part in ("import", "ask", "claims", "judge", "cases"))
        print(f"{name:12} " + " ".join(f"{seconds:8.2f}" for seconds in columns))
    own = sum(parts.get(part, 0.0) for parts in timing.values() for part in ("import", "ask", "claims"))
    print(f"wall {wall:.1f} s, the frameworks' own share {own:.1f} s, ratio {wall / own:.2f}")


if __name__ == "__main__":
    main()
