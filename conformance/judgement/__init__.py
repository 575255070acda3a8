"""How wrong is the answer?  Checks find lanes that break a rule, grades say how accurate the rest is."""

from conformance.judgement.judge import Judge

__all__ = ["Judge"]
