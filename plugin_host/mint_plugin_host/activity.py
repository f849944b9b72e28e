# SPDX-License-Identifier: MIT
"""What a plugin process would lose if it ended now.

Jobs, sessions, uploads and results live in the SDK's job manager.  Most of
it has underscore names, so it is read with suspicion: whatever does not look
as in mint-sdk 1.2 makes the answer "unknown", and unknown means that
everyone stays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

UNFINISHED = frozenset({"awaiting_input", "queued", "running"})
GOING_ON = frozenset({"queued", "running"})


@dataclass
class JobActivity:
    known: bool = True
    unfinished: int = 0         # awaiting input, queued or running
    going_on: int = 0           # will end by themselves: queued or running
    results: int = 0            # of finished jobs, kept until they expire
    sessions: int = 0
    uploads: int = 0
    owners: set[str] = field(default_factory=set)


def job_activity(app: Any) -> JobActivity:
    manager = getattr(getattr(app, "state", None), "job_manager", None)
    activity = JobActivity()
    if manager is None:         # the plugin declares no jobs
        return activity
    try:
        for runtime in tuple(manager._plugins.values()):
            _read_jobs(runtime, activity)
            _read_sessions(runtime, activity)
            _read_uploads(runtime, activity)
    except Exception:
        activity = JobActivity(known=False)
        _read_public_counts(manager, activity)
    return activity


def _read_jobs(runtime: Any, activity: JobActivity) -> None:
    for state in runtime.jobs.snapshot():
        status = str(state.status)
        activity.unfinished += status in UNFINISHED
        activity.going_on += status in GOING_ON
        has_result = state.result_status == "available"
        activity.results += has_result
        if status in UNFINISHED or has_result:
            _add_owner(activity, state.owner_user_id)


def _read_sessions(runtime: Any, activity: JobActivity) -> None:
    store = runtime.sessions
    now = datetime.now(UTC)
    for session in tuple(store._sessions.values()):
        if session.active_job_ids or now - session.last_seen_at < store.ttl:
            activity.sessions += 1
            _add_owner(activity, session.owner_user_id)


def _read_uploads(runtime: Any, activity: JobActivity) -> None:
    for upload in tuple(runtime.paths._uploads.values()):
        activity.uploads += 1
        _add_owner(activity, upload.owner_user_id)


def _add_owner(activity: JobActivity, owner: Any) -> None:
    if owner is not None and owner != "":
        activity.owners.add(str(owner))


def _read_public_counts(manager: Any, activity: JobActivity) -> None:
    try:
        counts = manager.activity_snapshot()
        activity.going_on = int(counts.queued) + int(counts.running)
    except Exception:
        activity.going_on = 0
    activity.unfinished = activity.going_on


@dataclass
class ConnectionActivity:
    requests: int = 0
    websockets: int = 0
    idle: int = 0


def is_websocket(connection: Any) -> bool:
    name = type(connection).__name__
    return "WebSocket" in name or name.startswith("WS")


def is_idle(connection: Any) -> bool:
    cycle = getattr(connection, "cycle", None)
    return cycle is None or bool(cycle.response_complete)


def connection_activity(server_state: Any) -> ConnectionActivity:
    activity = ConnectionActivity()
    for connection in tuple(server_state.connections):
        if is_websocket(connection):
            activity.websockets += 1
        elif is_idle(connection):
            activity.idle += 1
        else:
            activity.requests += 1
    return activity
