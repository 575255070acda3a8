"""Whom do we ask?  One module a framework, found by listing this package."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from conformance.frameworks.base import Framework

__all__ = ["Framework", "adapter", "load", "names"]

_NOT_ADAPTERS = {"arrays", "base", "controls"}


@cache
def names() -> tuple[str, ...]:
    """Every framework there is an adapter for, installed or not."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in _NOT_ADAPTERS))


def adapter(name: str) -> type[Framework]:
    """The adapter's class; importing it imports no framework."""
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
