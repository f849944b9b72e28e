# SPDX-License-Identifier: MIT
"""What generated plugins ask for: published packages with several majors, as
ranges that exclude each other, overlap, or do neither."""

from __future__ import annotations

import os
import random
import subprocess

# distribution: (module, ranges)
PACKAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "attrs": ("attr", ("<23", ">=22,<24", ">=23.2")),
    "cachetools": ("cachetools", ("<5", ">=5,<6", ">=5.3")),
    "click": ("click", ("<8", ">=8,<9", ">=7.1,<8.2", ">=8.1")),
    "decorator": ("decorator", ("<5", ">=5", ">=4.4")),
    "idna": ("idna", ("<3", ">=3", ">=2.10")),
    "jinja2": ("jinja2", (">=3.0,<3.1", ">=3.1", ">=3.0")),
    "markupsafe": ("markupsafe", (">=3", ">=2.1")),
    "more-itertools": ("more_itertools", ("<9", ">=9,<11", ">=10")),
    "numpy": ("numpy", (">=2.1,<2.3", ">=2.3", ">=2.1")),
    "packaging": ("packaging", (">=22,<25", ">=24", "<26")),
    "prettytable": ("prettytable", ("<3", ">=3,<3.10", ">=3.10", ">=2.5")),
    "pygments": ("pygments", ("<2.16", ">=2.15,<2.18", ">=2.17")),
    "pyparsing": ("pyparsing", ("<3", ">=3,<3.2", ">=3.1")),
    "rich": ("rich", (">=12,<13", ">=13,<14", ">=14", ">=12.6")),
    "sortedcontainers": ("sortedcontainers", (">=2.3", "<2.4", ">=2")),
    "tabulate": ("tabulate", ("<0.9", ">=0.9", ">=0.8")),
    "toolz": ("toolz", ("<0.12", ">=0.12,<1", ">=1", ">=0.11")),
    "wcwidth": ("wcwidth", ("<0.2.6", ">=0.2.6", ">=0.2")),
}

# besides: their wheels are for certain versions of Python, and these have none
# for a newer one
UP_TO_312: dict[str, tuple[str, ...]] = {
    "markupsafe": (">=2.1,<3",),
    "numpy": (">=1.26,<2", ">=2"),
}

# large, so in few plugins
RARE = {"numpy"}
RARE_SHARE = 0.15
MOST = 4


def ranges() -> dict[str, tuple[str, ...]]:
    """What can be installed with the Python of the tests."""
    done = subprocess.run(
        [os.environ["MINT_TEST_PYTHON"], "-I", "-c",
         "import sys; print(sys.version_info < (3, 13))"],
        capture_output=True, text=True, check=True)
    more = UP_TO_312 if done.stdout.strip() == "True" else {}
    return {name: found + more.get(name, ())
            for name, (_, found) in PACKAGES.items()}


def draw(
    rng: random.Random, wheels: dict[str, tuple[str, ...]]
) -> dict[str, str]:
    """{distribution: range} of one version of one plugin; none at times."""
    names = sorted(set(wheels) - RARE)
    chosen = rng.sample(names, rng.randint(0, MOST))
    chosen += [name for name in sorted(RARE) if rng.random() < RARE_SHARE]
    return {name: rng.choice(wheels[name]) for name in chosen}


def modules(wanted: dict[str, str]) -> dict[str, str]:
    return {name: PACKAGES[name][0] for name in wanted}
