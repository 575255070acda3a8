"""The frameworks that can be asked: one module each, found by listing this package and by entry points of others.

Another package offers an adapter as an entry point in the group ``conformance.frameworks``: its name is the
framework's, its value the class.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from conformance.frameworks.base import Adapter

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Adapter", "BrokenPlugin", "Subject", "adapter", "load", "names", "own", "subjects"]

_NOT_ADAPTERS = {"arrays", "base", "contract", "controls", "kernel"}
_GROUP = "conformance.frameworks"


class BrokenPlugin(Exception):
    """Another package's entry point that cannot be used; the message names it."""


@cache
def own() -> tuple[str, ...]:
    """The frameworks that this package has an adapter for: a module each."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in _NOT_ADAPTERS))


@cache
def _others() -> dict[str, EntryPoint]:
    found: Any = entry_points()
    # A dictionary of groups before Python 3.10, which cannot be asked for one group in the call.
    group = found.select(group=_GROUP) if hasattr(found, "select") else found.get(_GROUP, ())
    return {entry.name: entry for entry in group if entry.name not in own()}


@cache
def names() -> tuple[str, ...]:
    """Every framework there is an adapter for, installed or not."""
    return tuple(sorted({*own(), *_others()}))


@dataclass(frozen=True)
class Subject:
    """A framework in one of its variants; ``missing`` is a module that it needs and that is not installed, or empty."""

    framework: str
    variant: str = ""
    missing: str = ""


def subjects() -> list[Subject]:
    """Every framework there is an adapter for, each of this package in all of its variants; none is imported.

    The adapters of other packages are not imported either, which might end the process: their hello names the variants.
    """
    found = [Subject(name) for name in names() if name not in own()]
    for name in own():
        known = adapter(name)
        for variant in known.variants:
            modules = (*(known.imports or (name,)), *variant.needs)
            found.append(Subject(name, variant.name, next((one for one in modules if not _is_installed(one)), "")))
    return sorted(found, key=lambda one: (one.framework, one.variant))


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return module in sys.modules


@cache
def adapter(name: str) -> type[Adapter]:
    """The adapter's class; importing it imports no framework, and of other packages' modules at most that one.

    Raises
    ------
    LookupError
        If there is no such adapter; the message names those that there are.
    BrokenPlugin
        If an entry point of another package is no adapter.
    """
    if name in own():
        module = importlib.import_module(f"{__name__}.{name}")
        return next(
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, Adapter) and value.__module__ == module.__name__
        )
    if name not in _others():
        raise LookupError(f"unknown framework {name!r}; known: {', '.join(names())}")
    entry = _others()[name]
    try:
        found = entry.load()
    except Exception as error:
        raise BrokenPlugin(f"entry point {entry.name} = {entry.value} ({_GROUP}): {error!r}") from error
    if not (isinstance(found, type) and issubclass(found, Adapter)):
        raise BrokenPlugin(f"entry point {entry.name} = {entry.value} ({_GROUP}) is no subclass of Adapter")
    return found


@cache
def load(name: str) -> Adapter:
    """Import a framework, once a process.

    Raises
    ------
    LookupError
        If there is no such adapter.
    ImportError
        If the framework is not installed, or is broken at import; the message says which.
    BrokenPlugin
        If an entry point of another package is no adapter.
    """
    return adapter(name)()
