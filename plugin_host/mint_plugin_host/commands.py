# SPDX-License-Identifier: MIT
"""The commands, and what all need before plugin code is imported."""

from __future__ import annotations

import faulthandler
import os
import sys

USAGE = "usage: <python> plugin_host/__main__.py serve|probe|share|warm [NAME]"

# the words that may follow are for whoever looks at a list of processes
COMMANDS = {"serve": 1, "share": 1, "probe": 0, "warm": 1}


def run(argv: list[str]) -> int:
    command = argv[1] if len(argv) > 1 else ""
    if command not in COMMANDS or len(argv) - 2 > COMMANDS[command]:
        print(USAGE, file=sys.stderr)
        return 2

    _prepare_streams()

    if command == "warm":
        from mint_plugin_host import warm

        forked = warm.warm()
        if forked is None:
            return 0
        command = "serve"
        _prepare_streams()

    # plugin code that parses sys.argv must not meet our words
    sys.argv[:] = ["mint-plugin"]

    if command == "serve":
        from mint_plugin_host import serve

        return serve.serve()

    if command == "share":
        from mint_plugin_host import share

        return share.share()

    from mint_plugin_host import probe

    return probe.probe()


def _prepare_streams() -> None:
    """Every line reaches the log at once, a crash with its traceback."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")
    faulthandler.disable()
    faulthandler.enable(file=os.dup(sys.stderr.fileno()), all_threads=True)
