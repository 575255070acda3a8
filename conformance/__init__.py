"""softmax-conformance: does a framework's softmax say what is true?

``conformance`` asks every framework for softmax and log_softmax of adversarial rows, ``reference``
knows what is true and how wrong an honest implementation may be, and ``reports`` is where people
read the difference.  Importing this package imports no framework.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conformance.api import check
    from conformance.frameworks.contract import promises

try:
    __version__ = version("softmax-conformance")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__", "check", "promises"]


def __getattr__(name: str) -> Any:
    """Import what needs pandas when it is asked for; a worker, which may not have it, has ``promises`` alone."""
    if name == "check":
        from conformance.api import check

        return check
    if name == "promises":
        from conformance.frameworks.contract import promises

        return promises
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
