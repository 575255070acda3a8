"""Sweeps: every row of a kind that has a number, and the worst of each target, with no case objects and no record of rows."""
