"""What do the textbook formulas give on a framework's own exp, log, sum and max?

Controls keep the suite honest: the definition must be caught on logits of ±1000, and a report that
shows a framework beside its own textbook forms says what the framework's function is worth.  A
control is an ordinary target, ``torch/definition/cpu``, always run eagerly.

The names and forms follow Blanchard, Higham and Higham (IMA J. Numer. Anal. 41(4), 2021): with
m = max x,

==============  =============================  ================================
control         softmax                        log_softmax
==============  =============================  ================================
definition      exp(x) / Σexp(x)               x - log Σexp(x)
shifted         exp(x - m) / Σexp(x - m)       (x - m) - log Σexp(x - m)
logsumexp       exp(x - (m + log Σexp(x-m)))   x - (m + log Σexp(x - m))
log-of-softmax  —                              log(exp(x - m) / Σexp(x - m))
==============  =============================  ================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.frameworks.base import Framework, Primitives


def softmax_definition(f: Primitives, x: Any, axis: int) -> Any:
    """exp(x) / Σexp(x)."""
    e = f.exp(x)
    return e / f.sum(e, axis)


def log_softmax_definition(f: Primitives, x: Any, axis: int) -> Any:
    """X - log Σexp(x)."""
    return x - f.log(f.sum(f.exp(x), axis))


def softmax_shifted(f: Primitives, x: Any, axis: int) -> Any:
    """exp(x - m) / Σexp(x - m)."""
    e = f.exp(x - f.max(x, axis))
    return e / f.sum(e, axis)


def log_softmax_shifted(f: Primitives, x: Any, axis: int) -> Any:
    """(x - m) - log Σexp(x - m)."""
    t = x - f.max(x, axis)
    return t - f.log(f.sum(f.exp(t), axis))


def logsumexp(f: Primitives, x: Any, axis: int) -> Any:
    """M + log Σexp(x - m)."""
    m = f.max(x, axis)
    return m + f.log(f.sum(f.exp(x - m), axis))


def softmax_logsumexp(f: Primitives, x: Any, axis: int) -> Any:
    """exp(x - logsumexp(x))."""
    return f.exp(x - logsumexp(f, x, axis))


def log_softmax_logsumexp(f: Primitives, x: Any, axis: int) -> Any:
    """X - logsumexp(x)."""
    return x - logsumexp(f, x, axis)


def log_of_softmax(f: Primitives, x: Any, axis: int) -> Any:
    """log(softmax(x)), the composition people write first."""
    return f.log(softmax_shifted(f, x, axis))


CONTROLS: dict[str, dict[str, Callable[[Primitives, Any, int], Any]]] = {
    "definition": {"softmax": softmax_definition, "log_softmax": log_softmax_definition},
    "shifted": {"softmax": softmax_shifted, "log_softmax": log_softmax_shifted},
    "logsumexp": {"softmax": softmax_logsumexp, "log_softmax": log_softmax_logsumexp},
    "log-of-softmax": {"log_softmax": log_of_softmax},
}
"""Mode of the control → op → formula."""


def function(framework: Framework, control: str, op: str, device: str) -> Callable[[Any, int], Any] | None:
    """The textbook formula as ``f(x, axis)`` on this framework, or None where it has no such op."""
    formula = CONTROLS[control].get(op)
    if formula is None:
        return None
    primitives = framework.primitives(device)
    return lambda x, axis: formula(primitives, x, axis)
