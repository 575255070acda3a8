"""An adapter that computes a long row in as many roundings as a plain loop would: legal, and worse than usual."""

from __future__ import annotations

from typing import Any

import numpy as np
from misbehaving import Honest, softmax


class Coarse(Honest):
    """Never wrong, and not as good as it could be."""

    name = "coarse"

    def function(self, op: str, way: str, mode: str, device: str) -> Any:
        """The formula, whose sum loses one unit roundoff for each fourth term."""
        self.program(op, way, mode, device)

        def coarse(x: Any, axis: int) -> Any:
            lost = x.shape[axis] // 4 * 2.0**-24
            return (softmax(x.astype(np.float64), axis) * (1 - lost)).astype(np.float32)

        return coarse
