# SPDX-License-Identifier: MIT
"""Several plugins in one process: each sees an environment of its own.

Whose code runs is a context variable, set in the tasks of each plugin and in
the threads that asyncio and anyio start for them.  What it decides is what
os.environ holds, where temporary files go, and what a process that is started
inherits.  A thread that a plugin makes by itself belongs to nobody: it sees
the environment of the process, without anybody's token.
"""

from __future__ import annotations

import functools
import multiprocessing.util
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context, ContextVar
from typing import Any

from mint_plugin_host import lines

_current: ContextVar[Tenant | None] = ContextVar("mint_tenant", default=None)
_spawn_lock = threading.Lock()


class Tenant:
    """A plugin as far as the rest of the process has to know it."""

    def __init__(self, name: str, environ: Mapping[str, str]) -> None:
        self.name = name
        self.environ = {
            os.fsencode(key): os.fsencode(value)
            for key, value in environ.items()
        }

    def enter(self) -> None:
        """From here on the current task or context is the plugin's."""
        _current.set(self)
        lines.member.set(self.name)


def install() -> None:
    """Once, before plugin code can keep what is replaced here."""
    for shown in (os.environ, os.environb):
        shown.__class__ = _Environ
    tempfile.gettempdir = functools.wraps(tempfile.gettempdir)(
        _temporary_directory(tempfile.gettempdir)
    )
    multiprocessing.util.spawnv_passfds = _spawn(
        multiprocessing.util.spawnv_passfds
    )
    subprocess.Popen.__init__ = _popen(subprocess.Popen.__init__)


def install_in_sdk() -> None:
    """The SDK's tasks for jobs begin in an empty context, which keeps users
    apart: it shall still be the plugin's."""
    from mint_sdk import job_manager, job_notifications

    for module in (job_manager, job_notifications):
        if hasattr(module, "Context"):
            module.Context = _context_of_plugin


def _context_of_plugin() -> Context:
    tenant = _current.get()
    context = Context()
    if tenant is not None:
        context.run(tenant.enter)
    return context


class _Environ(os._Environ):
    """os.environ of whoever asks."""

    @property
    def _data(self) -> dict[bytes, bytes]:
        tenant = _current.get()
        return self.__dict__["_data"] if tenant is None else tenant.environ

    def __setitem__(self, key: Any, value: Any) -> None:
        if _current.get() is None:
            super().__setitem__(key, value)
        else:
            self._data[self.encodekey(key)] = self.encodevalue(value)

    def __delitem__(self, key: Any) -> None:
        if _current.get() is None:
            super().__delitem__(key)
            return
        try:
            del self._data[self.encodekey(key)]
        except KeyError:
            raise KeyError(key) from None


def _temporary_directory(original: Any) -> Any:
    def gettempdir() -> Any:
        tenant = _current.get()
        own = None if tenant is None else tenant.environ.get(b"TMPDIR")
        # set by the plugin itself: that is for all of the process
        if own is None or tempfile.tempdir is not _process_tempdir:
            return original()
        return os.fsdecode(own)

    _process_tempdir = tempfile.tempdir = original()
    return gettempdir


def _spawn(original: Any) -> Any:
    """Job workers inherit the C library's environment."""

    @functools.wraps(original)
    def spawnv_passfds(*arguments: Any) -> Any:
        with _environment_of_process():
            return original(*arguments)

    return spawnv_passfds


@contextmanager
def _environment_of_process() -> Iterator[None]:
    tenant = _current.get()
    if tenant is None:
        yield
        return
    own = tenant.environ
    host = os.environ.__dict__["_data"]
    with _spawn_lock:
        _put(host, own)
        try:
            yield
        finally:
            _put(own, host)


def _put(old: dict[bytes, bytes], new: dict[bytes, bytes]) -> None:
    for name in old.keys() - new.keys():
        os.unsetenv(name)
    for name, value in new.items():
        os.putenv(name, value)


def _popen(original: Any) -> Any:
    where = 11                  # of env among the arguments, self included

    @functools.wraps(original)
    def init(*arguments: Any, **named: Any) -> None:
        if (
            _current.get() is not None
            and len(arguments) <= where
            and named.get("env") is None
        ):
            named["env"] = dict(os.environ)
        original(*arguments, **named)

    return init
