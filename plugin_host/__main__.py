# SPDX-License-Identifier: MIT
"""Start of a plugin process: ``<python> <here>/__main__.py serve|probe``.

Nothing is imported at module level: every job worker that multiprocessing
spawns would run this file again as ``__mp_main__``.
"""


def main() -> int:
    import os
    import sys

    here = os.path.dirname(os.path.abspath(__file__))

    # a spawned job worker finds no file to run again, and starts faster
    del globals()["__file__"]

    sys.path.insert(0, here)
    from mint_plugin_host import commands

    # from here on the plugin's own modules are the only ones to be found
    sys.path[:] = [entry for entry in sys.path if entry != here]

    return commands.run(sys.argv)


if __name__ == "__main__":
    raise SystemExit(main())
