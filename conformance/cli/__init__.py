"""The command line: thin, because everything it does the rooms behind it do.

Exit status: 0 nothing unexpected; 1 findings that no ledger knows and must know (``--fail-on``), or ledger entries that
no longer hold; 2 bad usage, said in one line; 3 the run is incomplete; 70 a mistake of the suite, with its traceback.
"""

from conformance.cli.main import main

__all__ = ["main"]
