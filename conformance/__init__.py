"""softmax-conformance: does a framework's softmax say what is true?

``conformance`` asks every framework for softmax and log_softmax of adversarial rows, ``reference``
knows what is true and how wrong an honest implementation may be, and ``reports`` is where people
read the difference.  Importing this package imports no framework.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("softmax-conformance")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
