"""Softmax of NumPy arrays, tile by tile in one pass: the running sum is scaled whenever the maximum grows."""

from __future__ import annotations

from typing import Any

import numpy as np

TILE = 64


def softmax(x: Any, axis: int) -> Any:
    """Along the last axis of a float32 array, and along others by moving them there."""
    rows = np.moveaxis(np.asarray(x), axis, -1)
    top = np.full((*rows.shape[:-1], 1), -np.inf, x.dtype)
    total = np.zeros_like(top)
    with np.errstate(all="ignore"):
        for start in range(0, rows.shape[-1], TILE):
            tile = rows[..., start : start + TILE]
            higher = np.maximum(top, tile.max(axis=-1, keepdims=True))
            total = total * np.exp(top - higher) + np.exp(tile - higher).sum(axis=-1, keepdims=True)
            top = higher
        return np.moveaxis(np.exp(rows - top) / total, -1, axis)
