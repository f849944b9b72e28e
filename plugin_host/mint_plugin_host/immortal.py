# SPDX-License-Identifier: MIT
"""Objects that are there before a fork are never counted again.

A count of references is written at each use of an object, and so copies the
page of memory it is in, which forked processes could share.  Python has
objects whose count is never written (PEP 683): None, True, small numbers.
Everything that is there now becomes such a one.  It would live as long as the
process anyway.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from types import CodeType
from typing import Any

CODE_PARTS = (
    "co_consts", "co_names", "co_name", "co_qualname", "co_filename",
    "co_linetable", "co_exceptiontable",
)


def freeze() -> None:
    """Takes what is garbage away first, and the rest out of the collector's
    sight."""
    gc.collect()
    if is_known():
        _immortalize()
    gc.freeze()


def is_known() -> bool:
    """The layout of objects that this relies upon."""
    return (
        sys.implementation.name == "cpython"
        and (3, 12) <= sys.version_info[:2] <= (3, 14)
        and getattr(sys, "_is_gil_enabled", lambda: True)()
        and not hasattr(sys, "getobjects")
        and _count(None) == _count(True) and _count(None) >> 31 == 1
    )


def _count(item: Any) -> int:
    return ctypes.c_uint32.from_address(id(item)).value


def _immortalize() -> None:
    immortal = _count(None)
    waiting = gc.get_objects()
    seen = {id(waiting), id(sys._getframe())}
    found = []
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        found.append(item)
        waiting.extend(gc.get_referents(item))
        if isinstance(item, CodeType):
            waiting.extend(getattr(item, name) for name in CODE_PARTS)
    addresses = [id(item) for item in found]
    del found, waiting, seen, item
    at = ctypes.c_uint32.from_address
    for address in addresses:
        at(address).value = immortal
