"""Questions to a backward pass that is handed what the forward pass returned, and not the logits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from conformance.calls import SAVED
from reference.ops import OPS

if TYPE_CHECKING:
    from conformance.values import Case


def saved(case: Case) -> Case:
    """The same question of a vjp with the correctly rounded softmax, or log_softmax, of its logits in their place.

    The truth stays that of the logits: what rounding the saved answer costs is granted by the bounds of every vjp
    (docs/error-bounds.md), which hold for a backward pass that has p or log p saved.  Where the answer is a policy the
    saved one is NaN, and nothing is asked of the row.
    """
    forward = OPS[case.op.name.removesuffix("_vjp")]
    with np.errstate(all="ignore"):
        y = forward.truth(case.logits, case.call.axis, format=case.format).rounded(case.format)
    y.setflags(write=False)
    return replace(case, inputs=replace(case.inputs, x=y), call=replace(case.call, way=SAVED))
