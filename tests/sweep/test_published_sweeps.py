"""The published sweeps and the table that is made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import worst_rows

from conformance.reporting import worst_cases
from conformance.sweep.finished import read
from reference.formats import EVERY_FORMAT
from reference.truth import truth

ROOT = Path(__file__).parents[2]
FOLDERS = sorted((ROOT / "reports" / "sweeps").iterdir())


def test_the_table_is_that_of_the_published_sweeps(tmp_path: Path) -> None:
    worst_cases.write([read(folder) for folder in FOLDERS], tmp_path / "worst-cases.md")
    assert (tmp_path / "worst-cases.md").read_text() == (ROOT / "docs" / "worst-cases.md").read_text()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_its_figures_follow_from_the_rows_and_answers_that_it_names(folder: Path) -> None:
    """Each worst error once more, from the logits and the answer, in double-double arithmetic."""
    looked = 0
    for result in read(folder).results:
        op, _, cotangent = result.question.partition(", ")
        for lanes in result.lanes:
            for k, lane in enumerate(lanes):
                if (worst := lane.worst.get("ulp_normal")) is None:
                    continue
                x = np.array([float.fromhex(text) for text in worst.row])
                g = {"": None, "one-hot": [1.0, 0.0], "ones": [1.0, 1.0]}[cotangent]
                wide = truth(op, x, cotangent=g)
                if wide.error[k] > 2.0**-40:
                    continue  # of terms that cancel the certified truth may know nothing
                got = wide.rounded(EVERY_FORMAT[result.dtype]).copy()
                got[k] = float.fromhex(worst.answer)
                exact = wide.error_ulps(got, EVERY_FORMAT[result.dtype])[k]
                # docs/error-bounds.md, "Rows of two logits"; an answer that is no number is off by infinity.
                assert worst.error == exact or abs(worst.error - exact) < 2.0**-20
                looked += 1
    assert looked > 10


def test_the_families_of_worst_rows_ask_what_the_sweeps_found() -> None:
    assert worst_rows.MODULE.read_text() == worst_rows.module()
