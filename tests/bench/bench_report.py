# SPDX-License-Identifier: MIT
"""Where the figures of tests/bench/ go, and on what machine they were made."""

import pathlib
import platform
import re
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/performance.md"


def first_line(*command):
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    return done.stdout.splitlines()[0].strip()


def versions(*programs):
    asked = {"nginx": ("nginx", "-v"), "wrk": ("wrk", "-v"),
             "haproxy": ("haproxy", "-v"), "valgrind": ("valgrind",
                                                        "--version")}
    found = []
    for name in programs:
        number = re.search(r"[0-9]+\.[0-9.]+", first_line(*asked[name]))
        found.append(f"{name} {number[0]}" if number else name)
    return ", ".join(found)


def machine(*programs):
    """One line: processor, kernel, versions, day."""
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.+)", info)
    count = len(re.findall(r"^processor", info, re.M))
    cpu = model[1] if model else platform.machine()
    return (f"{time.strftime('%Y-%m-%d')}, {cpu}, {count} cores, Linux "
            f"{platform.release()}, {versions('nginx', *programs)}.")


def write_between(name, text):
    """Replaces what stands between the two marks of that name."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    page = PAGE.read_text()
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{PAGE}: no marks for {name}")
    PAGE.write_text(f"{before}{begin}\n\n{text.rstrip()}\n\n{end}{after}")
