# SPDX-License-Identifier: MIT
"""A machine starts that has many plugins."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta

import pytest
from fault_system import Field, Scenario, field_of

PLUGINS = 50
AT_ONCE = 4         # plugins.startsAtOnce, as it is without a configuration
STARTING = ("preparing", "starting")
TOLD = re.compile(rf"mint: Starting plugins: (\d+) of {PLUGINS} ready, ")


@pytest.mark.scenario
@pytest.mark.timeout(900)
def test_boot_of_fifty(scenario: Scenario) -> None:
    """All start, four at a time, and that is told while it lasts."""
    with field_of(PLUGINS) as field:
        assert field.system.stop() == 0, field.system.text
        since = datetime.now().astimezone()
        begin = time.monotonic()
        field.system.start()
        field.wait_ready(180)
        scenario.figure(f"{PLUGINS} plugins ready after "
                        f"{time.monotonic() - begin:.1f} s")
        assert most_at_once(field, since) == AT_ONCE
        told = [int(n) for n in TOLD.findall(field.system.text)]
        assert told and told == sorted(told), field.system.text


def most_at_once(field: Field, since: datetime) -> int:
    """From the times of the plugins' own histories."""
    steps: list[tuple[datetime, int]] = []
    for name in field.names:
        records = field.system.ctl_json("history", name)["records"]
        for record in records:
            when = datetime.fromisoformat(record["time"])
            if record["subject"] != "process" or when < since:
                continue
            begins = (record["to"] in STARTING) - (record["from"] in STARTING)
            # times are rounded to a millisecond: ends come first
            steps.append((when + timedelta(microseconds=begins), begins))
    count = most = 0
    for _, step in sorted(steps):
        count += step
        most = max(most, count)
    return most
