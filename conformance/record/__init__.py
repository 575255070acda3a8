"""What a run leaves behind: typed parts and rows, the file, the journal of a run in progress, merging, and findings."""

from conformance.record.errors import (
    CannotWrite,
    DamagedRecord,
    DifferentCases,
    DifferentPlan,
    DifferentSchema,
    DifferentSelection,
    DifferentSuiteVersion,
    DuplicateTarget,
    ForeignFiles,
    JournalInUse,
    MissingFooter,
    NothingToResume,
    RecordError,
    TruncatedRecord,
    UnfinishedRun,
    UnreadableJournal,
    UnreadableRecord,
)
from conformance.record.files import read, write
from conformance.record.findings import finding_id, findings
from conformance.record.journal import Journal, journal_folder
from conformance.record.keeping import Keeper, Memory, task_record
from conformance.record.machine import this_machine, this_platform
from conformance.record.merge import merge
from conformance.record.rows import choices_of, claims_frame, exhibit_of, expected_of, findings_of, frame
from conformance.record.schema import (
    CLAIM_COLUMNS,
    COLUMNS,
    SCHEMA,
    Footer,
    Header,
    Machine,
    Part,
    Plan,
    Record,
    Subject,
)
from conformance.record.tasks import TaskRecord
from conformance.record.typed import printable

__all__ = [
    "CLAIM_COLUMNS",
    "COLUMNS",
    "SCHEMA",
    "CannotWrite",
    "DamagedRecord",
    "DifferentCases",
    "DifferentPlan",
    "DifferentSchema",
    "DifferentSelection",
    "DifferentSuiteVersion",
    "DuplicateTarget",
    "Footer",
    "ForeignFiles",
    "Header",
    "Journal",
    "JournalInUse",
    "Keeper",
    "Machine",
    "Memory",
    "MissingFooter",
    "NothingToResume",
    "Part",
    "Plan",
    "Record",
    "RecordError",
    "Subject",
    "TaskRecord",
    "TruncatedRecord",
    "UnfinishedRun",
    "UnreadableJournal",
    "UnreadableRecord",
    "choices_of",
    "claims_frame",
    "exhibit_of",
    "expected_of",
    "finding_id",
    "findings",
    "findings_of",
    "frame",
    "journal_folder",
    "merge",
    "printable",
    "read",
    "task_record",
    "this_machine",
    "this_platform",
    "write",
]
