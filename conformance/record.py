"""What does a run leave behind?

A record is a header (run, environment, plan), one row for each (target, op, dtype, case), the claims
table, and a footer (counts).  It is one Parquet file: header, claims and footer travel in its schema
metadata, so a part cannot lose them on the way to a merge.
"""

from __future__ import annotations

COLUMNS: dict[str, str] = {
    "run_id": "string",
    "suite_version": "string",
    "target": "string",
    "framework": "string",
    "mode": "string",
    "device": "string",
    "framework_version": "string",
    "op": "string",
    "dtype": "string",
    "family": "string",
    "case": "string",
    "case_id": "string",
    "tier": "string",
    "axis": "int64",
    "shape": "string",
    "layout": "string",
    "producer": "string",
    "outcome": "string",
    "seconds": "float32",
    "digest": "string",
    "policy": "string",
    "grade": "string",
    "severity": "string",
    "findings": "string",
    "max_ulp": "float64",
    "max_ulp_at": "int64",
    "error_over_bound": "float64",
    "row_sum_error": "float64",
    "logit_gap": "float64",
    "nonfinite_expected": "int64",
    "nonfinite_got": "int64",
    "ledger": "string",
    "witness": "string",
}
