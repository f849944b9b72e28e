# SPDX-License-Identifier: MIT
"""The cyclic garbage collector stands aside while a plugin starts.

Hardly anything is garbage then, and each collection looks at all that was
imported.  In a forked process it would also copy memory that is shared.
"""

from __future__ import annotations

import gc

_before: tuple[int, ...] | None = None
_paused: tuple[int, ...] | None = None


def pause() -> None:
    global _before, _paused
    _before = gc.get_threshold()
    gc.set_threshold(0)
    _paused = gc.get_threshold()


def resume() -> None:
    """As before, unless the plugin has chosen for itself; what is there now
    stays, and is not looked at again."""
    if _before is None or gc.get_threshold() != _paused:
        return
    gc.freeze()
    gc.set_threshold(*_before)
