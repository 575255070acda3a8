"""Text that a framework, a device or a kernel chose, made safe for the place where it is shown.

Error messages, versions and names of devices come from programs that nobody here wrote: they may hold escape sequences
of a terminal, tags, delimiters of a table, and formulas of a spreadsheet.
"""

from __future__ import annotations

import html
import re

from conformance.record.typed import printable

__all__ = ["cell", "markdown", "printable", "program"]


def program(text: str) -> str:
    """The text of a program, :func:`printable` but for its line feeds."""
    return "\n".join(map(printable, text.split("\n")))


def markdown(text: str) -> str:
    """The text for a paragraph or a table of GitHub's Markdown: no tag, link, emphasis, code or delimiter in it."""
    text = html.escape(printable(text), quote=False)
    # An underscore inside a word, as in log_softmax, is no emphasis, and a bracket alone is no link.
    return re.sub(r"[\\`*|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|\](?=[(\[:])", r"\\\g<0>", text)


def cell(text: str) -> str:
    """The text for a cell of a CSV file: no control characters, and nothing that a spreadsheet takes for a formula."""
    text = printable(text)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
