# SPDX-License-Identifier: MIT
"""A hundred reloads and ten upgrades of nginx's binary under load."""

import math

import pytest
from nginx_harness import live_through


@pytest.mark.timeout(900)
def test_hundred_reloads_ten_upgrades():
    figures = live_through(reloads=100, upgrades=10, websockets=200)
    for name, value in figures.items():
        print(f"{name}: {value}")
    # a kept connection may be closed just when the next request comes: how
    # often that happens is chance, but it has to be the same chance
    ours, plain = figures["mint kept"][1], figures["plain kept"][1]
    assert ours <= plain + 4 * math.sqrt(ours + plain) + 4
