"""softmax-conformance: does a framework's softmax say what is true?

``conformance`` asks every framework for softmax, log_softmax and their vjps of adversarial rows, ``reference``
knows what is true and how wrong an honest implementation may be, and ``reports`` is where people
read the difference.  Importing this package imports no framework.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conformance.api import Violations, check
    from conformance.frameworks.contract import BadContract, promises
    from conformance.frameworks.kernel import BadKernel
    from conformance.reporting.loaded import load

try:
    __version__ = version("softmax-conformance")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

__all__ = ["BadContract", "BadKernel", "Violations", "__version__", "check", "load", "promises"]

_HOMES = {
    "BadContract": "conformance.frameworks.contract",
    "BadKernel": "conformance.frameworks.kernel",
    "Violations": "conformance.api",
    "check": "conformance.api",
    "load": "conformance.reporting.loaded",
    "promises": "conformance.frameworks.contract",
}
"""Public name → its module, imported when it is asked for: some need pandas, which a worker may not have."""


def __getattr__(name: str) -> Any:
    """A public name."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
