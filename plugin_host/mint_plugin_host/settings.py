# SPDX-License-Identifier: MIT
"""The environment of contract/mint_host.h, read once and strictly."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

REPORT_FD = "MINT_HOST_REPORT_FD"
PLUGINS = "MINT_HOST_PLUGINS"

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


@dataclass(frozen=True)
class Place:
    """One plugin of several in this process."""

    name: str
    listen_fd: int
    environ: dict[str, str]


def read_settings() -> Settings:
    _check_needed(os.environ, "")
    return _read_settings(_number("MINT_HOST_LISTEN_FD", None, 0, 65535))


def read_shared_settings() -> tuple[Settings, list[Place], int]:
    """Of all, of each, and within how many seconds each has to be ready."""
    settings = _read_settings(-1)
    ready_sec = _number("MINT_HOST_READY_SEC", 45, 1, 86400)
    try:
        places = [
            Place(
                name=str(item["environment"]["MINT_PLUGIN_NAME"]),
                listen_fd=int(item["fd"]),
                environ={
                    str(k): str(v) for k, v in item["environment"].items()
                },
            )
            for item in json.loads(os.environ.get(PLUGINS, ""))
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise SettingsError(f"{PLUGINS} is malformed: {exc!r}") from exc
    for place in places:
        _check_needed(place.environ, f" for plugin {place.name!r}")
        _keep_private(place.listen_fd)
    if not places:
        raise SettingsError(f"{PLUGINS} names no plugin")
    return settings, places, ready_sec


def _check_needed(environ: Mapping[str, str], whose: str) -> None:
    for name in NEEDED:
        if not environ.get(name):
            raise SettingsError(f"{name} is not set{whose}")


def _read_settings(listen_fd: int) -> Settings:
    settings = Settings(
        listen_fd=listen_fd,
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
