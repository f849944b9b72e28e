# SPDX-License-Identifier: MIT
"""The environment of contract/mint_host.h, read once and strictly."""

from __future__ import annotations

import os
from dataclasses import dataclass

REPORT_FD = "MINT_HOST_REPORT_FD"

# without these the SDK would serve in its standalone mode, which asks nobody
# who he is
NEEDED = (
    "MINT_PLATFORM_URL",
    "MINT_PLUGIN_TOKEN",
    "MINT_PLUGIN_NAME",
    "MINT_PLUGIN_ENTRY_POINT",
    "MINT_PLUGIN_DISTRIBUTION",
)


class SettingsError(Exception):
    """A variable is missing or malformed."""


@dataclass(frozen=True)
class Settings:
    listen_fd: int
    control_fd: int             # -1: none
    backlog: int
    keepalive_sec: int
    graceful_sec: int
    stuck_sec: int              # 0: an event loop is never called stuck


def read_settings() -> Settings:
    for name in NEEDED:
        if not os.environ.get(name):
            raise SettingsError(f"{name} is not set")
    settings = Settings(
        listen_fd=_number("MINT_HOST_LISTEN_FD", None, 0, 65535),
        control_fd=_number("MINT_HOST_CONTROL_FD", -1, 0, 65535),
        backlog=_number("MINT_HOST_BACKLOG", 512, 1, 65535),
        keepalive_sec=_number("MINT_HOST_KEEPALIVE_SEC", 75, 1, 86400),
        graceful_sec=_number("MINT_HOST_GRACEFUL_SEC", 30, 1, 86400),
        stuck_sec=_number("MINT_HOST_STUCK_SEC", 5, 0, 86400),
    )
    for fd in (settings.listen_fd, settings.control_fd):
        if fd >= 0:
            _keep_private(fd)
    return settings


def read_report_fd() -> int:
    fd = _number(REPORT_FD, -1, 0, 65535)
    if fd >= 0:
        _keep_private(fd)
    return fd


def read_warm_fd() -> int:
    fd = _number("MINT_HOST_WARM_FD", None, 0, 65535)
    _keep_private(fd)
    return fd


def forget_variables() -> None:
    """The plugin's own subprocesses get no numbers of fds they lack."""
    for name in list(os.environ):
        if name.startswith("MINT_HOST_"):
            del os.environ[name]


def _number(name: str, default: int | None, low: int, high: int) -> int:
    text = os.environ.get(name)
    if not text:
        if default is None:
            raise SettingsError(f"{name} is not set")
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise SettingsError(f"{name} is not a number: {text[:40]!r}")
    value = int(text)
    if not low <= value <= high:
        raise SettingsError(f"{name} is not in {low}..{high}: {value}")
    return value


def _keep_private(fd: int) -> None:
    try:
        os.set_inheritable(fd, False)
    except OSError as exc:
        raise SettingsError(f"fd {fd} is not open: {exc.strerror}") from exc
