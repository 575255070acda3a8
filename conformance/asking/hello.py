"""The hello of a worker: what its framework is and has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from conformance.asking.protocol import VERSION
from conformance.frameworks.contract import BadContract, Contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from conformance.asking.protocol import Message


class AbsentSubject(Exception):
    """A worker that has no framework to ask; the message says why in one line."""


@dataclass(frozen=True)
class Hello:
    """What a worker says of its framework.

    Attributes
    ----------
    modes, devices, ways, layouts
        What it can be asked: see :class:`conformance.frameworks.base.Adapter`.
    compiled
        Those of the modes that compile a function anew for each shape or rank, or interpret it.
    further
        Those of the modes that lead to the kernels of another mode.
    largest
        How many numbers an array may have that it is asked; None for any number.
    controls
        Control → the ops it has a formula of.
    variants
        The other subjects that the same framework could be, the plain one, ``""``, among them.
    watched
        Whether it is a function of somebody's own, which is asked again and may not print.
    contract
        What such a function promises.
    seconds
        From the start of the process until the framework was imported.
    """

    framework: str
    variant: str
    version: str
    modes: tuple[str, ...]
    devices: tuple[str, ...]
    ways: tuple[str, ...]
    layouts: tuple[str, ...]
    controls: Mapping[str, tuple[str, ...]]
    variants: tuple[str, ...]
    watched: bool
    contract: Contract
    compiled: tuple[str, ...]
    further: tuple[str, ...]
    largest: int | None
    python: str
    numpy: str
    versions: Mapping[str, str]
    variables: Mapping[str, str]
    seconds: float = 0.0


def hello_of(message: Message, seconds: float) -> Hello:
    """The hello of a worker.

    Raises
    ------
    AbsentSubject
        If it is none.
    """
    if message["type"] == "absent":
        raise AbsentSubject(str(message.get("why", "")) or "absent, and does not say why")
    if message["type"] == "raised":
        raise AbsentSubject(f"its adapter failed: {message.get('error', '')}")
    if message["type"] == "refused":
        raise AbsentSubject(f"its worker refused: {message.get('why', '')}")
    if message["type"] != "hello" or message.get("protocol") != VERSION:
        said = message.get("protocol") if message["type"] == "hello" else message["type"]
        raise AbsentSubject(f"its worker speaks another protocol ({said!r}, this suite {VERSION})")

    def texts(name: str) -> tuple[str, ...]:
        found: Iterable[Any] = message.get(name, ())
        return tuple(str(text) for text in found)

    try:
        return Hello(
            framework=str(message["framework"]),
            variant=str(message.get("variant", "")),
            version=str(message["version"]),
            modes=texts("modes"),
            devices=texts("devices"),
            ways=texts("ways"),
            layouts=texts("layouts"),
            controls={str(name): tuple(ops) for name, ops in message.get("controls", {}).items()},
            variants=texts("variants"),
            watched=bool(message.get("watched")),
            contract=Contract.of(message.get("contract", {})),
            compiled=texts("compiled"),
            further=texts("further"),
            largest=None if message.get("largest") is None else int(message["largest"]),
            python=str(message.get("python", "")),
            numpy=str(message.get("numpy", "")),
            versions={str(k): str(v) for k, v in message.get("versions", {}).items()},
            variables={str(k): str(v) for k, v in message.get("variables", {}).items()},
            seconds=seconds,
        )
    except BadContract as error:
        raise AbsentSubject(str(error)) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AbsentSubject(f"its worker's hello is incomplete: {error!r}") from None
