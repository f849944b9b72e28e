# SPDX-License-Identifier: MIT
"""Run by tests/bench/install, which says what it measures."""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))

from bench_report import machine, write_between     # noqa: E402
from system_harness import (                        # noqa: E402
    PLUGINS, MintSystem, make_bundle, make_place, raw_request, renamed_plugin)

MOST_SEC = 3.0

# what the plugin asks for besides the SDK
WAYS = {"shared": ["prettytable>=3.10"], "isolated": ["click<8"]}


def first_answer_sec(system, bundle, name):
    """From the upload to the first 200 through nginx."""
    begin = time.monotonic()
    system.install(bundle)
    while raw_request(system.port, "GET", f"/api/{name}/headers")[0] != 200:
        time.sleep(0.001)
    return time.monotonic() - begin


def by_hand_sec(system, bundle):
    """Only the environment, as one would make it with uv."""
    folder = system.place / "by-hand"
    shutil.rmtree(folder, ignore_errors=True)
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
    wheel, = folder.rglob("*.whl")
    # a cache of its own, for another user's files in the system's would harm
    environment = {**os.environ,
                   "UV_CACHE_DIR": f"{os.environ['MINT_CACHE']}/uv-tests"}
    uv = [os.environ["MINT_TEST_UV"]]
    begin = time.monotonic()
    for command in (
        ["venv", "--quiet", "--python", os.environ["MINT_TEST_PYTHON"],
         str(folder / "venv")],
        ["pip", "install", "--quiet", "--compile-bytecode", "--python",
         str(folder / "venv/bin/python"), str(wheel), "mint-sdk[server]"],
    ):
        subprocess.run(uv + command, check=True, env=environment)
    return time.monotonic() - begin


def rounds_of(system, way, count):
    name = f"test-bench{way}"
    project = renamed_plugin("echo", f"bench{way}", system.place)
    times, hand = [], []
    for number in range(count + 1):
        bundle = make_bundle(project, system.place / f"{way}{number}",
                             version=f"1.0.{number}", requires=WAYS[way])
        taken = first_answer_sec(system, bundle, name)
        plugin = system.plugins()[name]
        assert (plugin["mode"], plugin["version"]) == (way, f"1.0.{number}")
        alone = by_hand_sec(system, bundle)
        if number > 0:                  # the first ones fill the caches
            times.append(taken)
            hand.append(alone)
        system.ctl("uninstall", name, "--mode", "purge", "--yes")
        print(f"{way}: {taken:.2f} s", flush=True)
    return times, hand


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--rough", action="store_true")
    options = parser.parse_args()

    system = MintSystem(make_place())
    try:
        system.start()
        system.install(make_bundle(PLUGINS / "mirror", system.place))
        found = {way: rounds_of(system, way, options.rounds) for way in WAYS}
        assert system.stop() == 0, system.text
    finally:
        system.end()

    cells = {way: (statistics.median(times), min(times), max(times),
                   statistics.median(hand))
             for way, (times, hand) in found.items()}
    rows = (
        "| | shared | isolated |\n|---|---|---|\n"
        "| from the upload to the first 200 through nginx: median of "
        f"{options.rounds} | "
        + " | ".join(f"{c[0]:.2f} s" for c in cells.values()) + " |\n"
        "| ... fastest, slowest | "
        + " | ".join(f"{c[1]:.2f}, {c[2]:.2f} s" for c in cells.values())
        + " |\n| `uv venv` and `uv pip install` by hand, without a start | "
        + " | ".join(f"{c[3]:.2f} s" for c in cells.values()) + " |\n")
    last = "install: " + ", ".join(
        f"{way} {c[0]:.2f} s ({c[0] / c[3]:.1f} x uv alone)"
        for way, c in cells.items())
    if not options.rough:
        write_between("install", f"{machine()}\n\n{rows}\n```\n{last}\n```\n")
    print(rows)
    print(last)
    if not options.rough and max(c[0] for c in cells.values()) > MOST_SEC:
        sys.exit("install: more than it may take")


if __name__ == "__main__":
    main()
