"""Whom do we ask?  One module a framework, found by listing this package and by entry points of others.

Another package offers an adapter as an entry point in the group ``conformance.frameworks``: its name is the
framework's, its value the class.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from conformance.frameworks.base import Framework

__all__ = ["BrokenPlugin", "Framework", "adapter", "load", "names"]

_NOT_ADAPTERS = {"arrays", "base", "controls"}
_GROUP = "conformance.frameworks"


class BrokenPlugin(Exception):
    """Another package's entry point that cannot be used; the message names it."""


@cache
def _own() -> tuple[str, ...]:
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in _NOT_ADAPTERS))


@cache
def _others() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=_GROUP) if entry.name not in _own()}


@cache
def names() -> tuple[str, ...]:
    """Every framework there is an adapter for, installed or not."""
    return tuple(sorted({*_own(), *_others()}))


@cache
def adapter(name: str) -> type[Framework]:
    """The adapter's class; importing it imports no framework.

    Raises
    ------
    BrokenPlugin
        If an entry point of another package is no adapter.
    """
    if name in _others():
        entry = _others()[name]
        try:
            found = entry.load()
        except Exception as error:
            raise BrokenPlugin(f"entry point {entry.name} = {entry.value} ({_GROUP}): {error!r}") from error
        if not (isinstance(found, type) and issubclass(found, Framework)):
            raise BrokenPlugin(f"entry point {entry.name} = {entry.value} ({_GROUP}) is no subclass of Framework")
        return found
    module = importlib.import_module(f"{__name__}.{name}")
    return next(
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Framework) and value.__module__ == module.__name__
    )


@cache
def load(name: str) -> Framework:
    """Import a framework, once a process.

    Raises
    ------
    ImportError
        If it is not installed, or is broken at import; the message says which.
    """
    return adapter(name)()
