# SPDX-License-Identifier: MIT
"""Which plugins cannot be in one process, and why, in words.

One interpreter has one module of a name and one table of a name.  The second
plugin that brings such a one would silently be the first one's class, or fail
at import with words that name neither.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

TABLE = re.compile(r"Table '([^']+)' is already defined")
OTHERWISE = "set plugins.sharedProcess to false, or name one of them in " \
    "plugins.forceIsolated"
ALONE = "name one of them in plugins.forceIsolated"


class Clash(Exception):
    """Has been started after a plugin that has the same of something."""


class Census:
    """What is whose among the plugins of this process."""

    def __init__(self, selectors: Mapping[str, tuple[str, str]]) -> None:
        """selectors: plugin -> its distribution and entry point."""
        self._selectors = dict(selectors)
        self._files = {
            name: _files(distribution)
            for name, (distribution, _) in self._selectors.items()
        }
        self._tables: dict[str, str] = {}

    # ---- before anything is imported --------------------------------------

    def check_installed(self, name: str) -> None:
        """Raises Clash if name must not be imported at all."""
        distribution, entry_point = self._selectors[name]
        for other, selector in self._selectors.items():
            if other == name:
                break
            if _same(selector, (distribution, entry_point)):
                raise Clash(
                    f"its entry point {entry_point!r} of {distribution!r} is "
                    f"also that of plugin {other!r}; {ALONE}"
                )
        self._check_overwritten(name, distribution, entry_point)

    def _check_overwritten(
        self, name: str, distribution: str, entry_point: str
    ) -> None:
        """Two distributions with one file: it is that of the last one."""
        for path in _module_files(distribution, entry_point):
            if path not in self._files[name]:
                continue
            for other, files in self._files.items():
                mine, theirs = self._files[name][path], files.get(path)
                if path not in files or _same(
                    self._selectors[other], self._selectors[name], 1
                ):
                    continue
                if _is_as(path, mine) and (
                    not _is_as(path, theirs) or self._is_first(name, other)
                ):
                    continue
                raise Clash(
                    f"its module {path.name!r} ({path.parent.name}) was "
                    f"overwritten by that of plugin {other!r}, which has the "
                    f"same name; {ALONE}"
                )

    def _is_first(self, name: str, other: str) -> bool:
        order = list(self._selectors)
        return order.index(name) < order.index(other)

    # ---- once it is imported ------------------------------------------------

    def check_module(self, name: str, plugin: Any) -> None:
        """Raises Clash if the class that was found is another plugin's."""
        module = type(plugin).__module__
        file = getattr(sys.modules.get(module), "__file__", None)
        if file is None or Path(file) in self._files[name]:
            return
        for other, files in self._files.items():
            if Path(file) in files:
                raise Clash(
                    f"its module {module!r} is also that of plugin "
                    f"{other!r}, which was imported first; {OTHERWISE}"
                )

    def note_tables(self, name: str) -> None:
        for table in _tables():
            self._tables.setdefault(table, name)

    def explain(self, exc: BaseException) -> BaseException:
        """In place of what an import has raised: a Clash, if it is one."""
        found = TABLE.search(str(exc))
        owner = self._tables.get(found[1]) if found else None
        if found is None or owner is None:
            return exc
        return Clash(
            f"its table {found[1]!r} is also that of plugin {owner!r}, which "
            f"was imported first; {OTHERWISE}"
        )


def _tables() -> list[str]:
    sqlmodel = sys.modules.get("sqlmodel")
    if sqlmodel is None:
        return []
    return list(sqlmodel.SQLModel.metadata.tables)


def _same(one: Sequence[str], two: Sequence[str], count: int = 2) -> bool:
    """Distribution (in whatever spelling), and entry point."""
    return [_plain(one[0]), *one[1:]][:count] == \
        [_plain(two[0]), *two[1:]][:count]


def _plain(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _files(distribution: str) -> dict[Path, Any]:
    """Of the distribution: path -> what it was when it was installed."""
    try:
        found = metadata.distribution(distribution)
        return {
            Path(str(found.locate_file(file))): file.hash
            for file in found.files or ()
            if file.suffix in (".py", ".so", ".pyc")
        }
    except (metadata.PackageNotFoundError, ValueError, OSError):
        return {}


def _module_files(distribution: str, entry_point: str) -> list[Path]:
    """The files that the entry point's module can be."""
    try:
        found = metadata.distribution(distribution)
    except (metadata.PackageNotFoundError, ValueError):
        return []
    for entry in found.entry_points:
        if entry.name == entry_point and entry.group.endswith(".plugins"):
            stem = entry.module.replace(".", "/")
            return [
                Path(str(found.locate_file(f"{stem}{end}")))
                for end in (".py", "/__init__.py")
            ]
    return []


def _is_as(path: Path, known: Any) -> bool:
    """The file is what the distribution has brought, as far as is known."""
    if known is None or known.mode not in hashlib.algorithms_available:
        return True
    try:
        digest = hashlib.new(known.mode, path.read_bytes()).digest()
    except OSError:
        return True
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() \
        == known.value
