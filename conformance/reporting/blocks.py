"""What a command has to say, once, as blocks: printed in a terminal, or written as Markdown or HTML."""

from __future__ import annotations

import html as tags
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from conformance.reporting import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console


@dataclass(frozen=True)
class Title:
    """A heading; level 1 is that of the whole."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Said:
    """A paragraph; a loud one is what nobody may overlook."""

    text: str
    loud: bool = False


@dataclass(frozen=True)
class Sheet:
    """A table.

    Attributes
    ----------
    heads
        The names of the columns.
    rows
        Of each row the cells; a tuple is a list of names, which a terminal shows one a line.
    right
        The columns that are aligned to the right.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str | tuple[str, ...], ...], ...]
    right: tuple[str, ...] = ()


_NAME = 38
"""So long a word is kept on one line of a terminal, whatever stands beside it."""


@dataclass(frozen=True)
class Points:
    """A list; of each point the first text is its head, and the others stand under it."""

    points: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Folded:
    """What is shown where somebody opens it; a terminal shows it at once."""

    title: str
    inside: tuple[Block, ...]


@dataclass(frozen=True)
class Picture:
    """A file beside the page, and what it shows; a terminal says the second."""

    file: str
    shows: str


Block = Picture | Title | Said | Sheet | Points | Folded


def markdown(blocks: Iterable[Block]) -> str:
    """A page of GitHub's Markdown."""
    text = escape.markdown
    lines: list[str] = []
    for block in blocks:
        if isinstance(block, Folded):
            inside = markdown(block.inside).rstrip("\n")
            lines += ["<details>", f"<summary>{text(block.title)}</summary>", "", inside, "", "</details>", ""]
        elif isinstance(block, Picture):
            lines += [f"![{text(block.shows)}]({block.file})", ""]
        elif isinstance(block, Title):
            lines += [f"{'#' * block.level} {text(block.text)}", ""]
        elif isinstance(block, Said):
            lines += [f"**{text(block.text)}**" if block.loud else text(block.text), ""]
        elif isinstance(block, Points):
            for head, *under in block.points:
                lines += [f"- {text(head)}", *(f"  - {text(one)}" for one in under)]
            lines.append("")
        else:
            lines += [*table(block.heads, block.rows, block.right), ""]
    return "\n".join(lines)


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str | tuple[str, ...]]], right: Sequence[str] = ()
) -> list[str]:
    """The lines of a table in Markdown."""
    return [
        f"| {' | '.join(heads)} |",
        f"|{'|'.join('---:' if head in right else '---' for head in heads)}|",
        *(f"| {' | '.join(escape.markdown(_joined(cell)) for cell in row)} |" for row in rows),
    ]


def html(blocks: Iterable[Block]) -> str:
    """A fragment of HTML, without styles of its own but for the alignment of columns."""

    def text(part: str) -> str:
        return tags.escape(escape.printable(part))

    parts = []
    for block in blocks:
        if isinstance(block, Folded):
            parts.append(f"<details><summary>{text(block.title)}</summary>\n{html(block.inside)}</details>")
        elif isinstance(block, Picture):
            parts.append(f'<img src="{text(block.file)}" alt="{text(block.shows)}">')
        elif isinstance(block, Title):
            parts.append(f"<h{block.level}>{text(block.text)}</h{block.level}>")
        elif isinstance(block, Said):
            parts.append(f"<p>{'<strong>' * block.loud}{text(block.text)}{'</strong>' * block.loud}</p>")
        elif isinstance(block, Points):
            under = ("".join(f"<br>{text(one)}" for one in rest) for _, *rest in block.points)
            listed = (f"<li>{text(point[0])}{more}</li>" for point, more in zip(block.points, under, strict=True))
            parts.append(f"<ul>{''.join(listed)}</ul>")
        else:
            sides = [' style="text-align: right"' if head in block.right else "" for head in block.heads]
            heads = "".join(f"<th{side}>{text(head)}</th>" for side, head in zip(sides, block.heads, strict=True))
            rows = "".join(
                f"<tr>{''.join(f'<td{side}>{text(_joined(cell))}</td>' for side, cell in zip(sides, row, strict=True))}</tr>"
                for row in block.rows
            )
            parts.append(f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>")
    return "\n".join(parts) + "\n"


def terminal(blocks: Iterable[Block], console: Console) -> None:
    """Print them: no markup, and nothing that moves the cursor."""
    for block in blocks:
        if isinstance(block, Folded):
            terminal((Title(block.title), *block.inside), console)
        elif isinstance(block, Picture):
            console.print(Text(f"[{escape.printable(block.shows)}]"))
        elif isinstance(block, Title):
            console.print()
            console.print(Text(escape.printable(block.text), style="bold"))
        elif isinstance(block, Said):
            console.print(Text(escape.printable(block.text), style="bold red" if block.loud else ""))
        elif isinstance(block, Points):
            for head, *under in block.points:
                console.print(Text(escape.printable(f"- {head}")))
                for one in under:
                    console.print(Padding(Text(escape.printable(one)), (0, 0, 0, 4), expand=False))
        else:
            console.print(_printed(block))


def _printed(sheet: Sheet) -> Table:
    printed = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for i, head in enumerate(sheet.heads):
        right = head in sheet.right
        cells = [row[i] for row in sheet.rows]
        words = [word for cell in cells for word in (cell.split() if isinstance(cell, str) else cell)]
        least = min(max(map(len, [head, *words] if right else words), default=0), _NAME)
        # rich would take from a list of names what it then gives back to it, and cut the last column.
        whole = right or any(isinstance(cell, tuple) for cell in cells)
        printed.add_column(head, justify="right" if right else "left", no_wrap=whole, overflow="fold", min_width=least)
    for row in sheet.rows:
        texts = ("\n".join(map(escape.printable, cell)) if isinstance(cell, tuple) else escape.printable(cell)
                 for cell in row)  # fmt: skip
        printed.add_row(*map(Text, texts))
    return printed


def _joined(cell: str | tuple[str, ...]) -> str:
    return cell if isinstance(cell, str) else ", ".join(cell)
