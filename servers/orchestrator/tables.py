"""The tables of the orchestrator: jobs, the steps of their logs, the uploads they name, what is left of erased ones."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table
from sqlalchemy import UniqueConstraint as Unique

METADATA = MetaData()

JOBS = Table(
    "jobs",
    METADATA,
    Column("job_id", String(32), primary_key=True),
    Column("owner", String(128), nullable=False),
    # Made by the caller; a job without one gets its job_id, so that the pair stays unique.
    Column("request_id", String(128), nullable=False),
    # Serialised loupe.orchestrator.v1.JobSpec.
    Column("spec", LargeBinary, nullable=False),
    # Serialised loupe.orchestrator.v1.Ancestry; null for a job of its own.
    Column("ancestry", LargeBinary),
    # The job in it; null for a job of its own.
    Column("parent_job_id", String(32)),
    # Number of loupe.orchestrator.v1.JobState, as of the last step.
    Column("state", Integer, nullable=False),
    # Who takes the job raises it; a write under an older attempt changes nothing.
    Column("attempt", Integer, nullable=False),
    Column("last_sequence", Integer, nullable=False),
    Column("create_time", DateTime, nullable=False),
    Column("end_time", DateTime),
    # Number of loupe.orchestrator.v1.JobPriority; never UNSPECIFIED, so that it sorts.
    Column("priority", Integer, nullable=False, server_default="2"),
    # When the job must have ended; later by each wait for a person.
    Column("deadline_time", DateTime),
    # When somebody must look at it next: waiting for its turn, at once; in work, when its worker's lease is over (null:
    # nobody else could take it); waiting for a person, when their time is over. Null once it has ended.
    Column("wake_time", DateTime),
    # The worker process that has it, or had it last.
    Column("worker", String(64)),
    # Attempts in a row that ended with no step stored and without a word.
    Column("fruitless_count", Integer, nullable=False, server_default="0"),
    # When it ended, as long as nobody has looked for files that no step of it names. Null before that and after.
    Column("tidy_time", DateTime),
    Unique("owner", "request_id", name="uq_jobs_owner_request"),
    Index("ix_jobs_owner_create_time", "owner", "create_time", "job_id"),
    Index("ix_jobs_state", "state"),
    Index("ix_jobs_wake_time", "wake_time"),
    Index("ix_jobs_end_time", "end_time"),
    Index("ix_jobs_parent", "parent_job_id"),
    Index("ix_jobs_tidy_time", "tidy_time"),
)

STEPS = Table(
    "steps",
    METADATA,
    Column("job_id", String(32), ForeignKey("jobs.job_id"), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    # Serialised loupe.orchestrator.v1.Step.
    Column("body", LargeBinary, nullable=False),
)

# Which uploads jobs name: none of these goes for its age. What a job makes bears its id at the files server.
NAMED_UPLOADS = Table(
    "named_uploads",
    METADATA,
    Column("file_id", String(32), primary_key=True),
    Column("job_id", String(32), ForeignKey("jobs.job_id"), primary_key=True),
    Index("ix_named_uploads_job", "job_id"),
)

# Uploads that go for their age, since when: no job that is made may name one, also for a while after it has gone.
LEAVING_UPLOADS = Table(
    "leaving_uploads",
    METADATA,
    Column("file_id", String(32), primary_key=True),
    Column("leave_time", DateTime, nullable=False),
    Index("ix_leaving_uploads_leave_time", "leave_time"),
)

# What a webhook has not taken yet. Recorded with its step.
NOTICES = Table(
    "notices",
    METADATA,
    Column("job_id", String(32), ForeignKey("jobs.job_id"), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("due_time", DateTime, nullable=False),
    Index("ix_notices_due_time", "due_time"),
)

# One row: when a process that looks after jobs last wrote to these records.
PULSE = Table(
    "pulse",
    METADATA,
    Column("pulse_id", Integer, primary_key=True, autoincrement=False),
    Column("beat_time", DateTime, nullable=False),
)

# What was removed on an owner's behalf for good: the proof that it was, without a word of what it held.
ERASED = Table(
    "erased",
    METADATA,
    Column("job_id", String(32), primary_key=True),
    Column("owner_sha256", String(64), nullable=False),
    Column("log_sha256", String(64), nullable=False),
    Column("step_count", Integer, nullable=False),
    Column("erase_time", DateTime, nullable=False),
    Index("ix_erased_owner", "owner_sha256", "job_id"),
)
