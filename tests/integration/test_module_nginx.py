# SPDX-License-Identifier: MIT
"""The module lives with nginx: reload, replacement of the binary, logs that
are opened anew, and nginx's other modules."""

from nginx_harness import live_through


def test_reloads_and_upgrade_under_load():
    """The short form of tests/faults/test_nginx_life.py."""
    print(live_through(reloads=4, upgrades=1, websockets=10, threads=2))
