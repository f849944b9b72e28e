# SPDX-License-Identifier: MIT
"""The report pipe: JSON lines to the supervisor, never in the plugin's way."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import os
import select
import threading
import time
import traceback
from typing import Any

LINE_MAX = 65536                # MINT_HOST_LINE_MAX
TEXT_MAX = 500                  # of a one-line error
DEPTH_MAX = 64
INT_MAX = 2**63 - 1


class LineTooLong(Exception):
    """A report does not fit into one line."""


def clean(value: Any, depth: int = 0) -> Any:
    """Anything as what every JSON parser takes (jansson is strict)."""
    if depth > DEPTH_MAX:
        return str(type(value).__name__)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, enum.Enum):
        return clean(value.value, depth + 1)
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, int):
        return int(value) if -INT_MAX <= value <= INT_MAX else str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {
            field.name: getattr(value, field.name)
            for field in dataclasses.fields(value)
        }
    if isinstance(value, dict):
        return {
            clean_text(str(key)): clean(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, (set, frozenset)):
        return sorted((clean(item, depth + 1) for item in value), key=str)
    if isinstance(value, (list, tuple)):
        return [clean(item, depth + 1) for item in value]
    return clean_text(str(value))


def clean_text(text: str) -> str:
    """No NUL and no lone surrogates."""
    text = text.replace("\0", "\ufffd")
    return text.encode("utf-8", "replace").decode("utf-8")


def encode(report: dict[str, Any]) -> bytes:
    """One line, at most LINE_MAX bytes; raises LineTooLong."""
    line = json.dumps(clean(report), allow_nan=False, separators=(",", ":"))
    data = line.encode("ascii") + b"\n"
    if len(data) > LINE_MAX:
        raise LineTooLong(f"{len(data)} bytes")
    return data


def one_line(exc: BaseException) -> str:
    text = " ".join(str(exc).split())
    name = type(exc).__name__
    return (f"{name}: {text}" if text else name)[:TEXT_MAX]


def trace(exc: BaseException) -> str:
    return "".join(traceback.format_exception(exc))


def failed(stage: str, error: str, text: str = "") -> dict[str, Any]:
    """The "failed" event; of a long traceback the start and the end stay."""
    room = 24000
    if len(text) > room:
        text = text[:6000] + "\n  ... cut ...\n" + text[6000 - room:]
    if len(json.dumps(clean_text(text))) > LINE_MAX - 8192:
        text = text[-4000:]
    return {
        "event": "failed",
        "stage": stage,
        "error": error[:TEXT_MAX],
        "traceback": text,
    }


class Reporter:
    """Writes without blocking; what does not fit into the pipe is dropped.

    A line that was written in part is finished before the next one, so that
    lines never mix; the watchdog writes from a thread of its own.  A closed
    pipe only means that nobody listens.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.dropped = 0
        self._rest = b""
        self._lock = threading.RLock()
        if fd >= 0:
            os.set_inheritable(fd, False)
            os.set_blocking(fd, False)

    def send(self, report: dict[str, Any]) -> bool:
        data = encode(report)
        with self._lock:
            self.flush()
            if self.fd < 0 or self._rest:
                self.dropped += 1
                return False
            written = self._write(data)
            if written == 0:
                self.dropped += 1
                return False
            self._rest = data[written:]
            return True

    def flush(self) -> None:
        with self._lock:
            while self._rest:
                written = self._write(self._rest)
                if written == 0:
                    return
                self._rest = self._rest[written:]

    def send_last(self, report: dict[str, Any], wait_sec: float = 2.0) -> None:
        """For the last words of a process: waits a little for room."""
        data = encode(report)
        deadline = time.monotonic() + wait_sec
        with self._lock:
            self._rest += data
        while self._rest and self.fd >= 0:
            self.flush()
            left = deadline - time.monotonic()
            if not self._rest or left <= 0:
                return
            poll = select.poll()
            poll.register(self.fd, select.POLLOUT)
            poll.poll(left * 1000)

    def _write(self, data: bytes) -> int:
        try:
            return os.write(self.fd, data) if self.fd >= 0 else 0
        except BlockingIOError:
            return 0
        except OSError:
            self.fd = -1
            self._rest = b""
            return 0
