"""What is true: formats, readable formulas, the certified truth, and the bounds that an honest answer keeps."""

from reference.bounds import bounds, flush_allowed, row_sum_bound
from reference.comparison import Bound
from reference.formats import FORMATS, Format
from reference.truth import Truth, truth

__all__ = ["FORMATS", "Bound", "Format", "Truth", "bounds", "flush_allowed", "row_sum_bound", "truth"]
