"""A function of a user's own as an adapter: the arrays of NumPy or of a framework, and that one function.

A kernel is ``fn(x, axis)``, or ``fn(x, axis, g)`` where it claims to be a vjp; it gets and returns arrays of its framework.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance import frameworks
from conformance.frameworks.arrays import PROGRAM, NumPy, lacking
from conformance.frameworks.base import Adapter, Border, Forwarding, NotOffered, Program
from conformance.frameworks.contract import ATTRIBUTE, EVERYTHING, BadContract, Contract

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager


class BadKernel(Exception):
    """A kernel that cannot be found or called; the message is one line."""


def known_frameworks() -> tuple[str, ...]:
    """The names of the frameworks whose arrays a kernel may take: NumPy's, and those of every adapter."""
    return ("numpy", *frameworks.names())


@dataclass(frozen=True)
class Kernel:
    """Where a function is, and whose arrays it takes.

    Attributes
    ----------
    where
        ``path/to/file.py:function``, ``package.module:function``, or the function itself.
    framework
        One of :func:`known_frameworks`.
    contract
        What its user says it promises; what its attribute says holds as well.
    """

    where: str | Callable[[Any, int], Any]
    framework: str = "numpy"
    contract: Contract = EVERYTHING

    @property
    def name(self) -> str:
        """Its name in the report: no part of a target's name may hold a slash or a space."""
        name = self.where.rpartition(":")[2] if isinstance(self.where, str) else getattr(self.where, "__name__", "")
        return "".join(c if c.isalnum() or c in "-_." else "-" for c in name) or type(self.where).__name__

    def function(self) -> Callable[[Any, int], Any]:
        """Import it.

        Raises
        ------
        BadKernel
            If there is no such file, module or function, or importing it fails.
        """
        if not isinstance(self.where, str):
            return self.where
        place, name = self._parts()
        try:
            if "" not in sys.path:  # as for python -m
                sys.path.insert(0, "")
            module = _from_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
        except FileNotFoundError as error:
            missing = place.endswith(".py") and not Path(place).is_file()
            said = f"there is no file {place}" if missing else f"importing {place} failed: {_describe(error)}"
            raise BadKernel(f"{self.where}: {said}") from None
        except KeyboardInterrupt:
            raise
        except BadContract as error:
            raise BadKernel(f"{self.where}: {error}") from None
        except BaseException as error:  # noqa: BLE001 - whatever its file does is its own
            raise BadKernel(f"{self.where}: importing {place} failed: {_describe(error)}") from None
        function = getattr(module, name, None)
        if not callable(function):
            known = sorted(
                key for key, value in vars(module).items() if callable(value) and not key.startswith("_")
                and getattr(value, "__module__", "") == module.__name__
            )  # fmt: skip
            what = "is no function" if function is not None else "is not there"
            raise BadKernel(f"{self.where}: {name} {what}; {place} has {', '.join(known) or 'none'}")
        return function  # type: ignore[no-any-return]

    def load(self) -> KernelAdapter:
        """The function as an adapter.

        Its file is imported before its framework, so that what it sets for that import (an environment variable, a
        library of its own) counts.

        Raises
        ------
        BadKernel
            If the function cannot be found or called, its contract has a mistake, or its framework is none of
            :func:`known_frameworks`.
        ImportError
            If its framework is not installed.
        """
        if self.framework not in known_frameworks():
            raise BadKernel(f"unknown framework {self.framework!r}; known: {', '.join(known_frameworks())}")
        function = self.function()
        try:
            contract = Contract.of(getattr(function, ATTRIBUTE, {})).both(self.contract).settled()
        except BadContract as error:
            raise BadKernel(f"{self.told}: {error}") from None
        self._check_signature(function, contract.arguments)
        return KernelAdapter(
            self, function, contract, NumPy() if self.framework == "numpy" else frameworks.load(self.framework)
        )

    @property
    def told(self) -> str:
        """How a message calls it."""
        return self.where if isinstance(self.where, str) else getattr(self.where, "__qualname__", self.name)

    def _check_signature(self, function: Callable[..., Any], arguments: Sequence[str]) -> None:
        """Refuse a function that cannot be called; one that was not written in Python may say nothing of its arguments."""
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):
            return
        try:
            signature.bind(*arguments)
        except TypeError:
            plain = [one.replace(annotation=inspect.Parameter.empty) for one in signature.parameters.values()]
            takes = signature.replace(parameters=plain, return_annotation=inspect.Signature.empty)
            called = f"{re.split('[:.]', self.told)[-1]}({', '.join(arguments)})"
            raise BadKernel(f"{self.told} takes {takes}, but a kernel is called as {called}") from None

    def source(self) -> str:
        """Python source that imports the function as ``f``, from any folder.

        A comment alone, where no other program can import it: of a lambda, say, or of a function made by another one.
        """
        if isinstance(self.where, str):
            place, name = self._parts()
            if place.endswith(".py"):
                return _import_of_file(Path(place).resolve(), name)
            return _import_of_module(importlib.import_module(place), name)
        name, module = self.told, sys.modules.get(getattr(self.where, "__module__", None) or "")
        if module is not None and _found_in(module, name) is self.where:
            return _import_of_module(module, name)
        code = getattr(self.where, "__code__", None)
        place = f" of {code.co_filename}, line {code.co_firstlineno}," if code else ""
        return f"# f is {name}{place} which no other program can import: define it here.\n"

    def _parts(self) -> tuple[str, str]:
        place, colon, name = str(self.where).rpartition(":")
        if not colon or not place or not name:
            raise BadKernel(f"{self.where!r}: a kernel is path/to/file.py:function or package.module:function")
        return place, name


def _found_in(module: Any, name: str) -> Any:
    """What a dotted name is in a module; None where there is nothing."""
    for part in name.split("."):
        module = getattr(module, part, None)
    return module


def _import_of_module(module: Any, name: str) -> str:
    """The source of an import, after that of the folder where the module was found; of a script as of its file."""
    file = getattr(module, "__file__", None)
    if module.__name__ == "__main__" and file:
        return _import_of_file(Path(file).resolve(), name)
    first, _, rest = name.partition(".")
    imported = f"from {module.__name__} import {first} as f\n" + (f"f = f.{rest}\n" if rest else "")
    if file is None:
        return imported
    above = Path(file).resolve().parents[module.__name__.count(".") + (Path(file).stem == "__init__")]
    if any(above.is_relative_to(known) for known in (sys.prefix, sys.base_prefix)):  # where every program looks
        return imported
    return f"import sys\nsys.path.insert(0, {str(above)!r})\n{imported}"


def _import_of_file(path: Path, name: str) -> str:
    """The source of an import of a file, whose neighbours it may import."""
    first, _, rest = name.partition(".")
    found = f"import sys\nsys.path.insert(0, {str(path.parent)!r})\n"
    if path.stem.isidentifier():
        return f"{found}from {path.stem} import {first} as f\n" + (f"f = f.{rest}\n" if rest else "")
    return (
        f"{found}import importlib.util\n"
        f"specification = importlib.util.spec_from_file_location({path.stem!r}, {str(path)!r})\n"
        "module = importlib.util.module_from_spec(specification)\n"
        "specification.loader.exec_module(module)\n"
        f"f = module.{name}\n"
    )


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(path)
    path = path.resolve()
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    # A file may import its neighbours, as when it is run as a script.
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    sys.modules[path.stem] = module
    specification.loader.exec_module(module)
    return module


def _describe(error: BaseException) -> str:
    """An exception in one line of at most 300 characters."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # noqa: BLE001 - an exception may be of the kernel's own making
        lines = ["its message cannot be read"]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]


class KernelAdapter(Forwarding):
    """A border, and one function.

    ``twice`` says that a kernel is asked again on the same bits and watched, which a framework is not.
    """

    twice = True
    ways = ("plain", "saved")

    def __init__(self, kernel: Kernel, function: Callable[[Any, int], Any], contract: Contract, border: Border) -> None:
        self.kernel, self.own, self.border = kernel, function, border
        self.contract = contract  # type: ignore[misc]
        # Each kernel is a framework of its own.
        self.name = kernel.name  # type: ignore[misc]
        self.modes = (border.name,)  # type: ignore[misc]
        self.layouts = border.layouts  # type: ignore[misc]
        self.version = border.version
        if isinstance(border, Adapter):
            self.distributions, self.variables = border.distributions, border.variables  # type: ignore[misc]

    def devices(self) -> tuple[str, ...]:
        return self.border.devices()

    def state(self) -> dict[str, object]:
        return self.border.state()

    def threads(self, count: int) -> AbstractContextManager[None]:
        return self.border.threads(count)

    def function(self, op: str, way: str, mode: str, device: str) -> Callable[..., Any]:
        if way not in self.ways:
            raise NotOffered(f"{self.name} is called as f(x, axis): no {way} for {op} ({mode}, {device})")
        return self.own

    def program(self, op: str, way: str, mode: str, device: str) -> Program:  # noqa: ARG002 - a kernel is f itself
        """The kernel's file, then the framework's own program for its arrays."""
        if isinstance(self.border, Adapter):
            around = self.border.program(op, "plain", self.border.modes[0], device)
        else:
            # ml_dtypes gives NumPy bfloat16.
            around = PROGRAM if lacking("bfloat16") else replace(PROGRAM, setup="import numpy\nimport ml_dtypes\n")
        # As when it is loaded: the file before the framework.
        return replace(around, setup=f"{self.kernel.source()}{around.setup}", define="")

    def forget(self) -> None:
        if isinstance(self.border, Adapter):
            self.border.forget()
