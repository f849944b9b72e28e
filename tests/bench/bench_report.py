# SPDX-License-Identifier: MIT
"""What the scripts of tests/bench/ share: one run of the load generator, where
the figures go, and on what machine they were made."""

import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/performance.md"

PROXY_CORE, LOAD_CORE = 0, 1
CONNECTIONS = 32


# ---- load --------------------------------------------------------------


def pinned(core):
    return ("taskset", "-c", str(core))


def cpu_seconds(pid):
    """User and system time of a process and what it has started."""
    total = 0
    for one in [pid, *children(pid)]:
        fields = pathlib.Path(f"/proc/{one}/stat").read_text()
        fields = fields.rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def children(pid):
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    return [int(p) for p in path.read_text().split()]


def run_wrk(bench, name, arguments, seconds, path):
    """(requests per second, how busy the proxy was)"""
    pid = bench.processes[name].pid
    used, start = cpu_seconds(pid), time.monotonic()
    done = subprocess.run(
        [*pinned(LOAD_CORE), "wrk", "-t1", f"-c{CONNECTIONS}",
         f"-d{seconds}s", *arguments,
         f"http://127.0.0.1:{bench.ports[name]}{path}"],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=seconds + 30)
    elapsed = time.monotonic() - start
    used = cpu_seconds(pid) - used
    found = re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)
    if found is None or "Non-2xx" in done.stdout \
            or "Socket errors" in done.stdout:
        sys.exit(f"wrk against {name}:\n{done.stdout}"
                 f"{bench.said(name)[-2000:]}")
    return float(found[1]), used / min(elapsed, seconds + 0.1)


def p90(values):
    return statistics.quantiles(values, n=10, method="inclusive")[8]


# ---- report ------------------------------------------------------------


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
