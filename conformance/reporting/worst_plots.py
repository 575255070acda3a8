"""The pictures of the table of worst cases: the largest error in each binade of the gap."""

from __future__ import annotations

import io
import itertools
from collections import defaultdict
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from conformance.reporting.worst_cases import Line

# Okabe and Ito's colours, which colour-blind readers can tell apart, and then dashed.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_PENS = tuple((colour, dash) for dash in ("-", "--") for colour in _COLOURS)

_SHOWN = 30
"""Binades of the gap to both sides of 1 that are drawn: before and behind, every answer is the same."""


def error_against_gap(here: Sequence[Line]) -> str:
    """The largest error in units in the last place in each binade of the gap, a panel a question; an SVG."""
    # Of a truth of zero there is no error in units in the last place.
    erring = (line for line in here if any(lane.peaks for _, _, lane in line.lanes))
    questions = list(dict.fromkeys(line.question for line in erring))
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "conformance", "font.size": 9}):
        figure = Figure(figsize=(9, 2.6 * ((len(questions) + 1) // 2)), layout="constrained")
        panels = figure.subplots((len(questions) + 1) // 2, 2, squeeze=False, sharex=True)
        for panel in panels.flat:
            panel.set_visible(False)
        for panel, question in zip(panels.flat, questions, strict=False):
            _panel(panel, [line for line in here if line.question == question and not line.failed])
            panel.set_title(question, loc="left", fontsize=9)
            panel.set_visible(True)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return text.getvalue()


def _panel(panel: Axes, here: Sequence[Line]) -> None:
    """One line for targets whose errors are the same in every binade."""
    same: defaultdict[tuple[tuple[int, float], ...], list[str]] = defaultdict(list)
    for line in here:
        peaks: defaultdict[int, float] = defaultdict(lambda: 0.5)
        for _, _, lane in line.lanes:
            for binade in lane.histogram:
                peaks[binade] = min(max(peaks[binade], lane.peaks.get(binade, 0.5)), 2.0**40)  # of no number, too
        same[tuple(sorted(peaks.items()))].append(line.target)
    for (points, targets), (colour, dash) in zip(same.items(), itertools.cycle(_PENS)):
        shown = [(binade, peak) for binade, peak in points if -_SHOWN <= binade <= _SHOWN]
        name = targets[0] if len(targets) == 1 else f"{targets[0]} and {len(targets) - 1} more"
        panel.plot(
            [2.0**b for b, _ in shown], [p for _, p in shown], drawstyle="steps-post", color=colour, ls=dash, label=name
        )
    panel.axhline(0.5, color="#888888", lw=0.6)
    # What is lost where the truth is subnormal, to a flush, would leave nothing else to be seen.
    worst = [found[2].error for line in here if (found := line.worst("ulp_normal")) and np.isfinite(found[2].error)]
    panel.set_ylim(0.4, 4 * max(worst, default=1.0))
    panel.set_xscale("log", base=2)
    panel.set_yscale("log", base=2)
    panel.set_xlabel("gap d")
    panel.set_ylabel("largest error, ulp")
    panel.legend(fontsize=6, framealpha=0.8, edgecolor="none")
