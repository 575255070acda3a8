"""An adapter of several modes, so that a run has several short tasks; one of them is wrong on a few rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from misbehaving import Honest, softmax


class Several(Honest):
    """Does what it should, but in its last mode."""

    name = "several"
    modes = ("one", "two", "wrong")

    def function(self, op: str, way: str, mode: str, device: str) -> Any:
        """The formula; a row of equal logits of -1000 is NaN in the wrong mode, and one of 1000 is off."""
        self.program(op, way, mode, device)
        if mode != "wrong":
            return softmax

        def wrong(x: Any, axis: int) -> Any:
            y = softmax(x, axis)
            y = np.where((x == -1000).all(axis=axis, keepdims=True), np.float32(np.nan), y)
            return np.where((x == 1000).all(axis=axis, keepdims=True), y * np.float32(1.01), y)

        return wrong
