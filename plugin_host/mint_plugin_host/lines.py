# SPDX-License-Identifier: MIT
"""Lines that are printed while a request is served carry its id.

What a plugin prints or logs goes to the log pipe as it is.  Only a line of a
request becomes a JSON line with the text, the id and the time: the supervisor
merges those (supervisor/process/log_line.h), so "mintctl trace" finds them.
A line that is a JSON object already gets the id as one more member.  Where
several plugins are one process each line says of which it is, too.
"""

from __future__ import annotations

import io
import json
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
LINE_MAX = 32768                # a longer one goes out as it is

request_id: ContextVar[str] = ContextVar("mint_request_id", default="")
member: ContextVar[str] = ContextVar("mint_member", default="")


def id_of(scope: Any) -> str:
    """The id that the edge has given to a request ("" = none)."""
    for name, value in scope.get("headers", ()):
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            return value.decode("ascii")
    return ""


def install() -> None:
    """From now on; before plugin code can keep the streams of before."""
    sys.stdout = TaggedLines(sys.stdout)
    sys.stderr = TaggedLines(sys.stderr)


def end_request(number: str) -> None:
    for stream in (sys.stdout, sys.stderr):
        if number and isinstance(stream, TaggedLines):
            stream.end_request(number)


class TaggedLines(io.TextIOBase):
    """Takes the place of sys.stdout or sys.stderr."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        # by id or plugin: a line without its end
        self._begun: dict[tuple[str, str], str] = {}

    # ---- what makes it differ ----------------------------------------

    def write(self, text: str) -> int:
        whose = (member.get(), request_id.get())
        if not any(whose):
            return self._stream.write(text)
        whole = self._begun.pop(whose, "") + text
        *lines, rest = whole.split("\n")
        if lines:
            self._stream.write(
                "".join(f"{tagged(line, *whose)}\n" for line in lines)
            )
        if len(rest) > LINE_MAX:
            self._stream.write(rest)
        elif rest:
            self._begun[whose] = rest
        return len(text)

    def end_request(self, number: str) -> None:
        whose = (member.get(), number)
        rest = self._begun.pop(whose, "")
        if rest:
            self._stream.write(f"{tagged(rest, *whose)}\n")

    # ---- what does not -------------------------------------------------

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:              # type: ignore[override]
        return self._stream.encoding

    @property
    def errors(self) -> str:                # type: ignore[override]
        return self._stream.errors

    @property
    def buffer(self) -> Any:
        return self._stream.buffer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def tagged(line: str, plugin: str, number: str) -> str:
    if len(line) > LINE_MAX:
        return line
    ours = {"request_id": number} if number else {}
    if plugin:
        ours["shared_plugin"] = plugin
    if line.startswith("{") and line.endswith("}"):
        try:
            members = json.loads(line)
        except ValueError:
            members = None
        if isinstance(members, dict):
            if "requestId" in members:
                ours.pop("request_id", None)
            added = {k: v for k, v in ours.items() if k not in members}
            return json.dumps({**members, **added}) if added else line
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    return json.dumps({"message": line, **ours, "time": now})
