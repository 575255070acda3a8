"""Read plain data (JSON, TOML) into frozen dataclasses, strictly, and write them back.

A field that is missing, foreign or of another type is a :class:`WrongData` whose one line names the field, what is
allowed and what is there.  The standard library is enough for this, and a machine that only asks has nothing else.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

Source = Annotated[str, "source"]
"""Text that keeps its line breaks, a program; every other text of a record is :func:`printable`."""


class WrongData(ValueError):
    """Data of another shape; the message names the field."""


def printable(text: str) -> str:
    r"""The same text with everything that does not print written as a backslash escape, ``\x1b`` or ``\ud800``.

    Control characters (line breaks too), lone surrogates, marks of writing direction and unassigned code points are
    escaped; letters, symbols and plain spaces are not, nor backslashes, so that escaping twice changes nothing.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


LATER = "later"
"""In the metadata of a field with a default: records of this schema were published without it, and may lack it."""


def to_json(kind: Any, value: Any) -> Any:
    """Plain data of a value of the type ``kind``: a dataclass, or what its fields may be."""
    return _codec(kind, defaults=False).write(value)


def from_json(kind: Any, value: Any, where: str = "", *, defaults: bool = False) -> Any:
    """The value of the type ``kind`` that plain data holds.

    Parameters
    ----------
    where
        How messages name the place of ``value``.
    defaults
        Whether a field that has a default may be missing.

    Raises
    ------
    WrongData
        In one line.
    """
    return _codec(kind, defaults=defaults).read(value, where)


def nearest(name: str, known: Collection[str]) -> str:
    """``; did you mean 'x'?`` where a known name is near, or the known names where none is."""
    close = difflib.get_close_matches(name, [*known], n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"


@dataclass(frozen=True)
class _Codec:
    """How values of one type are written as plain data, and read from it at a named place."""

    write: Callable[[Any], Any]
    read: Callable[[Any, str], Any]


@cache
def _codec(kind: Any, *, defaults: bool) -> _Codec:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if origin is Literal:
        return _choice({str(name): name for name in arguments}, str)
    if origin is tuple:
        return _tuple(arguments, defaults)
    if origin is Mapping:
        return _mapping(arguments[0], _codec(arguments[1], defaults=defaults))
    if origin in (typing.Union, types.UnionType):
        (inner,) = (_codec(one, defaults=defaults) for one in arguments if one is not types.NoneType)
        return _Codec(
            lambda value: None if value is None else inner.write(value),
            lambda value, where: None if value is None else inner.read(value, where),
        )
    if isinstance(kind, type) and issubclass(kind, Enum):
        names = {str(one) if issubclass(kind, StrEnum) else one.name.lower(): one for one in kind}
        written = {one: name for name, one in names.items()}
        return _choice(names, written.__getitem__)
    if dataclasses.is_dataclass(kind):
        return _fields(kind, defaults)
    raise TypeError(f"no plain data stands for {kind}")


def _wrong(where: str, wanted: str, value: Any) -> WrongData:
    return WrongData(f"{where}: {wanted} is wanted, not {shown(value)}")


def shown(value: Any) -> str:
    """A value in one short line."""
    text = printable(ascii(value) if isinstance(value, str) else repr(value))
    return text if len(text) <= 60 else f"{text[:57]}…"


def _of_type(kind: type, name: str) -> _Codec:
    def read(value: Any, where: str) -> Any:
        if type(value) is not kind:  # a truth value is no number, and a date with a time no date
            raise _wrong(where, name, value)
        return value

    return _Codec(kind if kind is not dt.date else (lambda value: value), read)


def _read_text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _wrong(where, "text", value)
    if not value.isprintable():
        raise _wrong(where, "text without control characters", value)
    return value


def _read_number(value: Any, where: str) -> float:
    if value in ("nan", "inf", "-inf"):  # JSON has no others
        return float(value)
    if type(value) not in (int, float) or not math.isfinite(value):
        raise _wrong(where, "a number", value)
    return float(value)


def _write_number(value: float) -> float | str:
    return float(value) if math.isfinite(value) else str(float(value))


_SIMPLE: dict[Any, _Codec] = {
    str: _Codec(printable, _read_text),
    Source: _of_type(str, "text"),
    int: _of_type(int, "a whole number"),
    bool: _of_type(bool, "true or false"),
    float: _Codec(_write_number, _read_number),
    dt.date: _of_type(dt.date, "a date (2026-11-23, without quotes)"),
}


def _choice(names: Mapping[str, Any], write: Callable[[Any], Any]) -> _Codec:
    def read(value: Any, where: str) -> Any:
        if not isinstance(value, str) or value not in names:
            raise _wrong(where, f"one of {', '.join(names)}", value)
        return names[value]

    return _Codec(write, read)


def _tuple(arguments: tuple[Any, ...], defaults: bool) -> _Codec:
    """``tuple[X, ...]`` of any length, or ``tuple[X, Y, Z]``."""
    if arguments[-1] is Ellipsis:
        item = _codec(arguments[0], defaults=defaults)

        def read(value: Any, where: str) -> tuple[Any, ...]:
            if not isinstance(value, list):
                raise _wrong(where, "a list", value)
            return tuple(item.read(one, f"{where}[{i}]") for i, one in enumerate(value))

        return _Codec(lambda value: [item.write(one) for one in value], read)
    items = [_codec(argument, defaults=defaults) for argument in arguments]

    def read_all(value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) != len(items):
            raise _wrong(where, f"a list of {len(items)}", value)
        return tuple(item.read(one, f"{where}[{i}]") for i, (item, one) in enumerate(zip(items, value, strict=True)))

    return _Codec(lambda value: [item.write(one) for item, one in zip(items, value, strict=True)], read_all)


def _mapping(key: Any, item: _Codec) -> _Codec:
    """``Mapping[str, X]``, or ``Mapping[int, X]``, whose keys are written as text."""

    def read_key(name: Any, where: str) -> Any:
        if key is str:
            return _read_text(name, where)
        try:
            return int(name)
        except ValueError:
            raise _wrong(where, "a whole number for a name", name) from None

    def read(value: Any, where: str) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise _wrong(where, "a table of names", value)
        return {read_key(name, where): item.read(one, f"{where}.{name}") for name, one in value.items()}

    return _Codec(lambda value: {printable(str(name)): item.write(one) for name, one in value.items()}, read)


def _fields(kind: Any, defaults: bool) -> _Codec:
    """A dataclass, as a table of its fields."""
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = {field.name: _codec(hints[field.name], defaults=defaults) for field in dataclasses.fields(kind)}
    optional = {
        field.name
        for field in dataclasses.fields(kind)
        if field.metadata.get(LATER)
        or (defaults and (field.default, field.default_factory) != (dataclasses.MISSING, dataclasses.MISSING))
    }

    def read(value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            raise _wrong(where, "a table of fields", value)
        place = f"{where}." if where else ""
        for name in value:
            if name not in fields:
                raise WrongData(f"{place}{shown(name)[1:-1]}: no such field{nearest(name, fields)}")
        for name in fields:
            if name not in value and name not in optional:
                raise WrongData(f"{place}{name}: the field is missing")
        return kind(**{name: codec.read(value[name], f"{place}{name}") for name, codec in fields.items()
                       if name in value})  # fmt: skip

    def write(value: Any) -> dict[str, Any]:
        return {name: codec.write(getattr(value, name)) for name, codec in fields.items()}

    return _Codec(write, read)
