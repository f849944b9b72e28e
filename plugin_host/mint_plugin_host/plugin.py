# SPDX-License-Identifier: MIT
"""Finding and importing the one plugin of this process."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import sys
import tempfile
from importlib import invalidate_caches, metadata
from typing import Any

GROUP = "mint.plugins"
OLD_GROUP = "mld.plugins"
AFFINITY_GROUP = "mint.affinity"
AFFINITIES = ("user", "session")


@functools.cache
def sdk_version() -> str:
    try:
        return metadata.version("mint-sdk")
    except metadata.PackageNotFoundError:
        return ""


def python_version() -> str:
    return ".".join(str(part) for part in sys.version_info[:3])


def load_plugin() -> Any:
    """An instance of the plugin class, as the SDK itself selects it."""
    translate_old_group(
        os.environ.get("MINT_PLUGIN_ENTRY_POINT", ""),
        os.environ.get("MINT_PLUGIN_DISTRIBUTION", ""),
    )
    from mint_sdk.runtime import load_plugin_class

    return load_plugin_class()()


def translate_old_group(name: str, distribution: str) -> bool:
    """Shows an entry of the old group to the SDK as one of the current.

    A directory with nothing but a copy of the distribution's metadata goes
    first on sys.path.  Unlike a patched importlib this also holds in job
    workers, which inherit sys.path and nothing else.
    """
    try:
        found = metadata.distribution(distribution)
    except (metadata.PackageNotFoundError, ValueError):
        return False
    entries = list(found.entry_points)
    if any(e.group == GROUP and e.name == name for e in entries):
        return False
    if not any(e.group == OLD_GROUP and e.name == name for e in entries):
        return False

    top = tempfile.mkdtemp(prefix="mint-host-")
    atexit.register(_remove_if_owner, top, os.getpid())
    folder = os.path.join(top, "translated.dist-info")
    os.mkdir(folder)
    texts = {
        "METADATA": found.read_text("METADATA") or "",
        "entry_points.txt": _entry_points_text(entries),
    }
    for file_name, text in texts.items():
        path = os.path.join(folder, file_name)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
    sys.path.insert(0, top)
    invalidate_caches()
    return True


def affinity(name: str, distribution: str) -> str:
    """What the plugin declares in group mint.affinity (or "none")."""
    try:
        entries = metadata.distribution(distribution).entry_points
    except (metadata.PackageNotFoundError, ValueError):
        return "none"
    for entry in entries:
        if entry.group == AFFINITY_GROUP and entry.name == name:
            if entry.value not in AFFINITIES:
                raise ValueError(
                    f"affinity of {name!r} is {entry.value!r}, expected one "
                    f"of {', '.join(AFFINITIES)}"
                )
            return entry.value
    return "none"


def _entry_points_text(entries: list[metadata.EntryPoint]) -> str:
    groups: dict[str, list[str]] = {}
    for entry in entries:
        group = GROUP if entry.group == OLD_GROUP else entry.group
        groups.setdefault(group, []).append(f"{entry.name} = {entry.value}")
    return "".join(
        f"[{group}]\n" + "".join(f"{line}\n" for line in lines) + "\n"
        for group, lines in groups.items()
    )


def _remove_if_owner(path: str, pid: int) -> None:
    if os.getpid() == pid:
        shutil.rmtree(path, ignore_errors=True)
