"""Judge answers: checks find the lanes that break a rule, grades say how accurate the rest is."""

from conformance.judgement.judge import Judge, digests
from conformance.judgement.question import Question

__all__ = ["Judge", "Question", "digests"]
