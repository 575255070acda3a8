"""What a framework says is shown as text, wherever it is shown: it moves no cursor, closes no tag, starts no formula."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from markdown_it import MarkdownIt
from report_rows import HOSTILE, record, row, violation
from rich.console import Console

from conformance.reporting import Reading, claims, divergences, escape, page, summary, terminal, verdict
from conformance.values import Choice, Target

if TYPE_CHECKING:
    from markdown_it.token import Token

TARGET = Target(f"f{HOSTILE}", "eager", f"cuda:0 {HOSTILE}", f"v{HOSTILE}", f"1.0{HOSTILE}")
SHOWN = "\\x1b[31m[bold]</td><script>document.title = 'owned'</script>"
"""How the beginning of a hostile text is read."""


@pytest.fixture(scope="module")
def hostile() -> Reading:
    """Everything that a framework can name has a hostile name."""
    claim = {
        "claim": "a", "statement": HOSTILE, "target": str(TARGET), "version": TARGET.version, "dtype": HOSTILE,
        "verdict": "fails", "evidence": HOSTILE,
    }  # fmt: skip
    made = record(
        row(TARGET, case="=1+1", findings=[violation(detail=f"={HOSTILE}")], choices=[Choice("q", "a")]),
        row(TARGET, case=HOSTILE, findings=[violation("raised", HOSTILE)], choices=[Choice("q", "b")]),
        row(TARGET, outcome="unsupported", reason=HOSTILE, grade=""),
        row(TARGET, outcome="not_asked", reason=f"-{HOSTILE}", grade="", dtype=HOSTILE),
        claims=[claim],
        run=HOSTILE.replace("\n", ""),
        programs={f"{TARGET.versioned} softmax plain": (f"# {HOSTILE}", "{values}", "", "")},
    )
    return Reading(made)


def controls(text: str) -> set[str]:
    return {c for c in text if not c.isprintable() and c != "\n"}


def test_the_terminal_shows_it_and_does_not_obey(hostile: Reading) -> None:
    printed = io.StringIO()
    console = Console(file=printed, width=80, force_terminal=True, color_system=None)

    terminal.summary(hostile, console)
    verdict.show(
        verdict.verdict(
            hostile, passed=False, rejecting=["raised"], unsupported={"float16": HOSTILE}, skipped=(),
            again=lambda _: HOSTILE,
        ),
        console,
    )  # fmt: skip
    text = printed.getvalue()

    assert set() == controls(text)
    assert SHOWN in text
    assert SHOWN in terminal.explain(hostile, hostile.record.observations[:2])
    assert set() == controls(terminal.explain(hostile, hostile.record.observations[:2]))


class Page(HTMLParser):
    """Tags, their attributes, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.attributes: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_it_and_does_not_obey(hostile: Reading) -> None:
    text = page.render(hostile)
    read = Page(text)
    harmless = Page(page.render(Reading(record(row(findings=[violation()])))))

    assert harmless.tags["script"] == read.tags["script"] == 7
    assert {"data-outcome", "data-claim"} == set(read.attributes) - set(harmless.attributes)
    for library in page.libraries().values():
        text = text.replace(library, "")
    assert set() == controls(text)
    assert SHOWN in read.text
    assert "<script>document.title" not in text


def cells(text: str) -> list[list[str]]:
    """The tables of a page of Markdown: the cells of each row as text."""
    tokens: list[Token] = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    rows: list[list[str]] = []
    for i, token in enumerate(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("td_open", "th_open"):
            rows[-1].append("".join(child.content for child in tokens[i + 1].children or ()))
    return rows


@pytest.mark.parametrize("what", ["summary", "claims"])
def test_markdown_shows_it_and_does_not_obey(hostile: Reading, what: str) -> None:
    text = summary.markdown(hostile) if what == "summary" else claims.markdown(hostile.record)
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    inside = {child.type for token in tokens for child in token.children or ()}
    widths = {len(line) for line in cells(text)}

    # The comment that says what made it, and what folds a table.
    own = re.compile(r"<!-- .+ -->|<details>\n<summary>[\w :]+</summary>|</details>")
    markup = [token.content.strip() for token in tokens if token.type == "html_block"]
    assert {"html_inline", "link_open", "image", "code_inline", "em_open"}.isdisjoint(inside)
    assert markup
    assert [] == [text for text in markup if not own.fullmatch(text)]
    assert widths <= {2, 3, 4, 6, 7, 10}
    assert any(escape.printable(HOSTILE) in cell for line in cells(text) for cell in line)
    assert set() == controls(text)


def test_no_cell_of_the_divergences_is_a_formula(hostile: Reading) -> None:
    text = divergences.table(hostile)
    told = list(csv.reader(io.StringIO(text)))

    assert 3 == len(told)
    assert {len(divergences.COLUMNS)} == {len(line) for line in told}
    assert all(not cell.startswith(("=", "+", "@", "\t")) for line in told for cell in line)
    assert "'=1+1" in told[1] + told[2]
    assert set() == controls(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("log_softmax of [0.5, -1]", "log_softmax of [0.5, -1]"),
        ("a|b", r"a\|b"),
        ("`x`", r"\`x\`"),
        ("__b__ *i* ~~s~~", r"\_\_b\_\_ \*i\* \~\~s\~\~"),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
        ("![i](x)", r"![i\](x)"),
        ("a\\|b\nc", "a\\\\\\|b\\\\nc"),
    ],
)
def test_markdown_text(text: str, shown: str) -> None:
    assert shown == escape.markdown(text)
    html: Any = MarkdownIt("commonmark").enable("table").render(f"|x|\n|-|\n|{escape.markdown(text)} |\n")
    assert 1 == html.count("<td>")


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x"])
def test_a_formula_is_quoted(text: str) -> None:
    assert f"'{text}" == escape.cell(text)
    assert f"a{text}" == escape.cell(f"a{text}")


def test_programs_keep_their_lines() -> None:
    assert "import f\n\\x1b\nprint()" == escape.program("import f\n\x1b\nprint()")
