"""releases.toml names environments of frameworks that have an adapter, each at one release."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from conformance import frameworks

FILE = Path(__file__).parents[1] / "releases.toml"
SUBJECTS: dict[str, dict[str, Any]] = tomllib.loads(FILE.read_text())
AT_LEAST = {"jax": 8, "tensorflow": 8, "onnxruntime": 8, "scipy": 8, "openvino": 5, "keras": 5, "mlx": 5, "torch": 4}


def test_every_subject_has_an_adapter_and_enough_releases() -> None:
    assert set(SUBJECTS) <= set(frameworks.own())
    assert {} == {name: least for name, least in AT_LEAST.items() if len(SUBJECTS[name]["releases"]) < least}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_releases_are_pinned_and_stand_in_their_order(subject: str) -> None:
    table = SUBJECTS[subject]
    assert set(table) <= {"package", "releases", "alone"}
    releases = [one["release"] for one in table["releases"]]

    assert releases == sorted(set(releases), key=Version)
    for one in table["releases"]:
        assert set(one) <= {"release", "with"}
        packages = [Requirement(text) for text in table["package"].format(release=one["release"]).split()]
        packages += [Requirement(text) for text in one.get("with", "").split()]
        assert f"=={one['release']}" in {str(package.specifier) for package in packages}


def test_the_file_says_how_a_release_is_added() -> None:
    assert re.match(r"# .*tox run -e matrix", FILE.read_text())
