"""Adapters are found by listing the package and by entry points, whatever the release of Python calls these."""

from __future__ import annotations

import re
import sys
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import pytest

from conformance import frameworks
from conformance.frameworks import Adapter, BrokenPlugin, Subject
from conformance.frameworks.base import Variant

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "conformance.frameworks"
CACHES = (frameworks.own, frameworks._others, frameworks.names, frameworks.adapter, frameworks.load)


class Mine(Adapter):
    """What another package offers."""

    name = "mine"
    modes = ("eager",)


@pytest.fixture(params=["select", "dictionary"])
def offer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes these the entry points that are installed, as new releases of Python list them and as 3.9 did."""

    def offered(**values: str) -> None:
        entries = [EntryPoint(name, value, GROUP) for name, value in values.items()]

        class Selectable:
            def select(self, group: str) -> list[EntryPoint]:
                return [entry for entry in entries if entry.group == group]

        found: Any = Selectable() if request.param == "select" else {GROUP: entries}
        monkeypatch.setattr(frameworks, "entry_points", lambda: found)

    for cache in CACHES:
        cache.cache_clear()
    yield offered
    for cache in CACHES:
        cache.cache_clear()


def test_the_own_ones_are_listed() -> None:
    assert {"jax", "tensorflow", "torch"} <= set(frameworks.names())


def test_variables_are_published_by_their_full_names_and_none_names_a_folder() -> None:
    published = {variable for name in frameworks.own() for variable in frameworks.adapter(name).variables}

    assert "XLA_FLAGS" in published
    assert [] == [name for name in published if not re.fullmatch(r"\w+", name) or re.search("(DIR|FILE|PATH)$", name)]


def test_one_of_another_package_is_found(offer: Any) -> None:
    offer(mine=f"{__name__}:Mine")

    assert "mine" in frameworks.names()
    assert Mine is frameworks.adapter("mine")


def test_loading_an_own_one_imports_nobody_elses(offer: Any) -> None:
    offer(broken="no_such_module_of_another_package", torch=f"{__name__}:Mine")

    assert "broken" in frameworks.names()
    for name in ("jax", "tensorflow", "torch"):
        assert f"conformance.frameworks.{name}" == frameworks.adapter(name).__module__
    assert "no_such_module_of_another_package" not in sys.modules


@pytest.mark.parametrize(
    ("value", "why"),
    [("no_such_module", "No module named 'no_such_module'"), ("json:JSONDecoder", "is no subclass of Adapter")],
)
def test_one_that_is_none_is_one_line(offer: Any, value: str, why: str) -> None:
    offer(broken=value)

    with pytest.raises(BrokenPlugin) as caught:
        frameworks.load("broken")

    assert f"entry point broken = {value} ({GROUP})" in str(caught.value)
    assert why in str(caught.value)
    assert 1 == len(str(caught.value).splitlines())


def test_an_unknown_name_is_one_line_with_the_known_ones(offer: Any) -> None:
    offer(mine=f"{__name__}:Mine")

    with pytest.raises(LookupError) as caught:
        frameworks.adapter("caffe")

    known = ", ".join(sorted({"mine", *frameworks.own()}))
    assert f"unknown framework 'caffe'; known: {known}" == str(caught.value)


class Several(Mine):
    """An adapter of a framework that is not there, in three variants, of which one needs more."""

    name = "several"
    imports = ("json",)
    variants = (Variant(), Variant("more", needs=("no_such_module_of_anybody",)), Variant("deep", needs=("os.path",)))


def test_every_variant_is_a_subject_and_says_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    adapters = {"framework_of_nobody": Mine, "several": Several}
    monkeypatch.setattr(frameworks, "own", lambda: tuple(adapters))
    monkeypatch.setattr(frameworks, "names", lambda: tuple(adapters))
    monkeypatch.setattr(frameworks, "adapter", adapters.__getitem__)

    assert [
        Subject("framework_of_nobody", missing="framework_of_nobody"),
        Subject("several"),
        Subject("several", "deep"),
        Subject("several", "more", "no_such_module_of_anybody"),
    ] == frameworks.subjects()


def test_the_adapter_of_another_package_is_not_imported_to_list_its_variants(offer: Any) -> None:
    offer(broken="no_such_module_of_another_package")

    assert Subject("broken") in frameworks.subjects()
