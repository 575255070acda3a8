"""One framework on several devices: the same target, version and questions, and what each device answers."""

from __future__ import annotations

import dataclasses
from itertools import combinations
from typing import TYPE_CHECKING

from conformance.reporting.blocks import Block, Folded
from conformance.reporting.comparison import by_op_and_dtype, compare, in_common

if TYPE_CHECKING:
    from conformance.record import Record
    from conformance.values import Target


def pairs(record: Record) -> list[tuple[str, str]]:
    """The names of targets that differ in nothing but the device, the CPU first; without the controls."""
    places: dict[Target, list[Target]] = {}
    for target in record.targets:
        if not target.control:
            places.setdefault(dataclasses.replace(target, device=""), []).append(target)
    found = []
    for mine in places.values():
        mine.sort(key=lambda target: target.device != "cpu")
        found += [(record.names[one], record.names[other]) for one, other in combinations(mine, 2)]
    return found


def page(record: Record) -> list[Block]:
    """Of each such pair how many answers have the same bits or the same grade, by op and dtype."""
    said: list[Block] = []
    for first, second in pairs(record):
        compared = compare(record, first, second)
        inside = tuple(by_op_and_dtype(compared)) if len(compared.rows) else ()
        said.append(Folded(f"A: {first}, B: {second}. {in_common(compared)}", inside))
    return said
