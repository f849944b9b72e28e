# SPDX-License-Identifier: MIT
"""TLS contexts that are made before a fork.

To read the certificates that are trusted takes longer than anything else in a
plugin's start, and the SDK makes two such contexts in each, also for a platform
that it talks to without TLS.  The warm interpreter has as many in stock as its
rehearsal asked for.  Each process that is forked hands each of them out once:
nobody shares a context.  Whoever asks for anything else gets a new one.
"""

from __future__ import annotations

import contextlib
import functools
import os
import ssl
from collections.abc import Callable, Iterator
from typing import Any

_File = tuple[str, int, int, int, int]

_Context = ssl.SSLContext
_create: Callable[..., ssl.SSLContext] = ssl.create_default_context
_stock: dict[_File, list[ssl.SSLContext]] = {}


@contextlib.contextmanager
def stocked() -> Iterator[None]:
    """What is asked for within is in stock afterwards."""
    wanted: list[str] = []

    @functools.wraps(_create)
    def note(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        if _is_usual(args, kwargs):
            wanted.append(kwargs["cafile"])
        return _create(*args, **kwargs)

    ssl.create_default_context = note
    try:
        yield
    finally:
        ssl.create_default_context = create_default_context
    for path in wanted:
        file = _identify(path)
        if file is not None:
            _stock.setdefault(file, []).append(_create(cafile=path))


@functools.wraps(_create)
def create_default_context(*args: Any, **kwargs: Any) -> ssl.SSLContext:
    if _stock and _is_usual(args, kwargs):
        file = _identify(kwargs["cafile"])
        # also when two threads ask at once, each gets another
        with contextlib.suppress(KeyError, IndexError):
            return _stock[file].pop()   # type: ignore[index]
    return _create(*args, **kwargs)


def _is_usual(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Nothing but a file is named, and nothing else has a say."""
    return (
        not args and kwargs.keys() == {"cafile"}
        and isinstance(kwargs["cafile"], str)
        and ssl.SSLContext is _Context      # some packages bring their own
        and not os.environ.get("SSLKEYLOGFILE")
    )


def _identify(path: str) -> _File | None:
    """It is read once; another file of this name is another."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (path, found.st_dev, found.st_ino, found.st_size,
            found.st_mtime_ns)
