"""How does the error grow with the logit gap?  One figure, as SVG that follows the page's colours.

Each point is the worst error over the stable bound among all rows of a target whose logits spread over
that gap, in logarithmic bins: thousands of rows become some hundred points, and the one that matters
is kept.  Text and axes are drawn in ``currentColor``, so light and dark pages need one figure.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from conformance.reporting.escape import printable
from conformance.reporting.frames import names
from conformance.reporting.history import age

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from conformance.record import Record
    from conformance.values import Target

_INK = "#010203"
"""Stands for ``currentColor``, which matplotlib does not know."""

# Okabe and Ito's palette, which colour-blind readers can tell apart and which stands on light and dark.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_MARKS = (("-", "o"), ("--", "x"), (":", "+"), ("-.", "s"), ("-", "^"), ("--", "d"))
_FLOOR, _CEILING = 2.0**-8, 2.0**60
_GAPS = (2.0**-10, 2.0**12)
_PEN: Any = {"linewidth": 0.9, "markersize": 4, "markerfacecolor": "none", "markeredgewidth": 0.9, "alpha": 0.85}
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))

_SETTINGS: Any = {"svg.fonttype": "none", "svg.hashsalt": "conformance", "font.family": "sans-serif", "font.size": 9}


@dataclass(frozen=True)
class _Style:
    colour: str
    dash: Any
    marker: str


def error_against_gap(record: Record) -> str:
    """Error over bound against max x - min x, one panel for each op and dtype; an ``<svg>`` element."""
    with mpl.rc_context(_SETTINGS):
        text = io.StringIO()
        figure(record).savefig(text, format="svg", transparent=True, metadata=_NO_METADATA)
    # A hundredth of a point is finer than a screen.
    svg = re.sub(r"(\d\.\d\d)\d+", r"\1", text.getvalue().replace(_INK, "currentColor"))
    return _classes(svg[svg.index("<svg") :])


def figure(record: Record) -> Figure:
    """The figure itself: a row of panels a dtype, a column an op, a line for each target, in its newest release; no controls."""
    rows = record.observations
    rows = rows[~rows["control"].astype(bool) & rows["error_over_bound"].notna()]
    rows = rows.assign(name=names(record, rows))
    ops, dtypes, styles = record.ops, record.dtypes, _styles(record)
    with mpl.rc_context(_SETTINGS):
        drawn = Figure(figsize=(10, 1.0 + 1.9 * len(dtypes)), layout="constrained")
        panels = drawn.subplots(len(dtypes), len(ops), sharex=True, sharey=True, squeeze=False)
        for i, dtype in enumerate(dtypes):
            for j, op in enumerate(ops):
                chosen = rows[(rows["op"] == op) & (rows["dtype"] == dtype)]
                for name, style in styles.items():
                    _line(panels[i, j], chosen[chosen["name"] == name], name, style)
                _dress(panels[i, j], f"{op}, {dtype}")
        drawn.supxlabel(f"logit gap, max x − min x (the last bin holds every gap from {_GAPS[1]:g} on)", color=_INK)
        drawn.supylabel("worst error ÷ stable bound", color=_INK)
        # Not those of a panel: a legend leaves out a label that begins with an underscore.
        handles = [
            Line2D([], [], color=style.colour, linestyle=style.dash, marker=style.marker, **_PEN)
            for style in styles.values()
        ]
        legend = drawn.legend(
            handles, map(_label, styles), loc="outside upper center", ncols=4, frameon=False, labelcolor=_INK
        )
        legend.set_in_layout(True)
        for text in legend.get_texts():
            text.set_parse_math(False)  # a dollar in the name of a device is a dollar
    return drawn


def _label(name: str) -> str:
    """A name in letters that every font has."""
    return printable(name).encode("ascii", "backslashreplace").decode()


def _classes(svg: str) -> str:
    """Markers and ticks repeat their style a thousand times: as classes, and unindented, they take half of the bytes."""
    names: dict[str, str] = {}

    def named(match: re.Match[str]) -> str:
        return f' class="{names.setdefault(match[1], f"mark{len(names)}")}"'

    svg = re.sub(r' style="([^"]*)"', named, re.sub(r">\s+<", "><", svg))
    rules = "".join(f".{name}{{{style}}}" for style, name in names.items())
    return svg.replace("</svg>", f"<style>{rules}</style></svg>")


def _styles(record: Record) -> dict[str, _Style]:
    """Target → a colour for each framework, a dash and a marker for each of its modes."""
    newest: dict[str, Target] = {}
    for target in sorted((one for one in record.names if not one.control), key=lambda one: age(one.version)):
        newest[str(target)] = target
    own = {target: name for target, name in record.names.items() if newest.get(str(target)) == target}
    frameworks = list(dict.fromkeys(target.framework for target in own))
    styles = {}
    for target, name in own.items():
        mates = [mate for mate in own if mate.framework == target.framework]
        colour = _COLOURS[frameworks.index(target.framework) % len(_COLOURS)]
        styles[name] = _Style(colour, *_MARKS[mates.index(target) % len(_MARKS)])
    return styles


def _line(panel: Axes, rows: pd.DataFrame, name: str, style: _Style) -> None:
    # The smallest gaps share the first bin and those beyond every exponent range the last.
    gap = np.log2(rows["logit_gap"].clip(*_GAPS))
    worst = rows["error_over_bound"].clip(_FLOOR, _CEILING).groupby((gap / 2).round() * 2).max()
    panel.plot(
        2.0 ** worst.index.to_numpy(),
        worst.to_numpy(),
        style.dash,
        marker=style.marker,
        color=style.colour,
        label=_label(name),
        **_PEN,
    )


def _dress(panel: Axes, title: str) -> None:
    panel.set_xscale("log", base=2)
    panel.set_yscale("log", base=2)
    panel.axhline(1.0, color=_INK, linewidth=0.8, linestyle=(0, (1, 2)))
    panel.set_title(title, color=_INK, fontsize=9, loc="left")
    panel.tick_params(colors=_INK, which="both")
    panel.grid(visible=True, color=_INK, alpha=0.12, linewidth=0.5)
    for side, spine in panel.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(_INK)
