"""What can be wrong with a record, its journal, or the folder of a report: one line each, naming the file."""

from __future__ import annotations


class RecordError(Exception):
    """A record that cannot be used or written; the message says which, and why, in one line."""


class UnreadableRecord(RecordError):
    """The file is missing, is not Parquet, or was written by something else."""


class DamagedRecord(RecordError):
    """A part of the record is missing, is of another type, or contradicts another part."""


class MissingFooter(RecordError):
    """A part of the record has no footer: the run that wrote it did not finish."""


class TruncatedRecord(RecordError):
    """A footer counts other rows than there are."""


class DifferentSchema(RecordError):
    """The record was written with different columns."""


class DifferentSuiteVersion(RecordError):
    """The records come from different versions of the suite."""


class DifferentSelection(RecordError):
    """The records were asked another tier, or with another seed."""


class DifferentCases(RecordError):
    """The same op and dtype were asked other cases."""


class DuplicateTarget(RecordError):
    """Two records hold the same target at the same version."""


class JournalInUse(RecordError):
    """Another process writes this journal."""


class UnfinishedRun(RecordError):
    """There is the journal of a run that was interrupted, and nothing says whether to resume it."""


class NothingToResume(RecordError):
    """There is no journal to resume."""


class UnreadableJournal(RecordError):
    """The plan of a journal cannot be read; its finished tasks are still there."""


class DifferentPlan(RecordError):
    """A journal was begun by another version of the suite, or with another plan."""


class ForeignFiles(RecordError):
    """A folder holds something that no report writes, so that it must not be replaced."""


class CannotWrite(RecordError):
    """The disk is full, or the place cannot be written; what was finished before is still there."""


class NoSuchTarget(RecordError):
    """A target that the record does not hold, or holds at several versions; the message names those that it holds."""
