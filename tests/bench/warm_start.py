# SPDX-License-Identifier: MIT
"""Run by tests/bench/warm-start, which says what it measures."""

import argparse
import http.client
import json
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))

from bench_report import machine, write_between     # noqa: E402
from system_harness import (                        # noqa: E402
    MintSystem, make_bundle, make_place, wait_for)

REQUESTS = 200
MOST_MS, MOST_SHARE = 80, 0.42
QUIET_SEC = 3

SETTINGS = """\
import gc

from pydantic import BaseModel, Field
from mint_sdk import endpoint


class Settings(BaseModel):
    threshold: float = Field(default=0.5, ge=0, le=1, title="Threshold")
    label: str = Field(default="", title="Label")


@mint_plugin("""

COLLECT = """(AnalysisPlugin):
    @endpoint.post("/collect", auth=False)
    async def collect(self) -> dict[str, int]:
        return {"found": gc.collect()}

"""


def scaffold(place, number):
    """The bundle of what "mint init" makes, with settings, and an endpoint
    that collects garbage."""
    folder = place / f"bench-{number}"
    subprocess.run(
        ["mint", "init", str(folder), "--name", f"Bench {number}", "--mode",
         "generated", "--no-install", "--no-git", "--ai-assistant", "none",
         "--yes", "--author", "A", "--email", "a@example.org"],
        check=True, stdout=subprocess.DEVNULL)
    return make_bundle(folder, place, version="0.1.0", replace={
        "@mint_plugin(": SETTINGS,
        "capabilities=PluginCapabilities(),":
            "capabilities=PluginCapabilities(),\n    config=Settings,",
        "(AnalysisPlugin):\n": COLLECT,
    })


class Admin:
    """The supervisor's admin socket: one request at a time."""

    def __init__(self, system):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(system.run_directory / "supervisor.sock"))
        self.lines = self.sock.makefile("rb")
        self.number = 0

    def send(self, operation, **arguments):
        self.number += 1
        self.sock.sendall(json.dumps(
            {"id": self.number, "op": operation, **arguments}
        ).encode() + b"\n")

    def wait(self):
        while True:
            answer = json.loads(self.lines.readline())
            if "ok" in answer:
                assert answer["ok"], answer
                return answer["result"]

    def call(self, operation, **arguments):
        self.send(operation, **arguments)
        return self.wait()

    def close(self):
        self.lines.close()
        self.sock.close()


class Gateway:
    def __init__(self, system):
        self.http = http.client.HTTPConnection("127.0.0.1", system.port,
                                               timeout=60)

    def status(self, path, method="GET"):
        self.http.request(method, path)
        reply = self.http.getresponse()
        reply.read()
        return reply.status


def start_ms(system, name):
    """From the request to start it to the first 200."""
    admin, gateway = Admin(system), Gateway(system)
    admin.call("halt", plugin=name, now=True)
    path = f"/api/{name}/_mint/runtime"
    gateway.status(path)                            # connected
    admin.send("start", plugin=name)
    begin = time.monotonic()
    while (status := gateway.status(path)) != 200:
        assert status == 503, status        # not heard of the order yet
        time.sleep(0.001)
    taken = (time.monotonic() - begin) * 1000
    admin.wait()
    admin.close()
    return taken


def pss(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.M)[1]) / 1024


def memory_mib(system, names):
    """Of all plugins together, and with the interpreter they come from."""
    gateway = Gateway(system)
    for name in names:
        for _ in range(REQUESTS):
            assert gateway.status(f"/api/{name}/_mint/runtime") == 200
    for name in names:
        assert gateway.status(f"/api/{name}/collect", "POST") == 200
    alone = sum(pss(system.pid(name)) for name in names)
    warm = system.status()["warm"]["pid"]
    return alone, alone + (pss(warm) if warm else 0)


def quiet(system):
    """Everything is up, and nothing has run for a while."""
    wait_for(lambda: system.status()["state"] == "running", "the start", 120)
    wait_for(lambda: system.status()["warm"]["state"] in ("ready", "down"),
             "the warm interpreter", 60)
    time.sleep(QUIET_SEC)


def measure(system, names, rounds, way):
    """(times of starts, memory, memory with the interpreter)"""
    begin = time.monotonic()
    system.start()
    print(f"{way}: all {len(names)} ready after "
          f"{time.monotonic() - begin:.1f} s", flush=True)
    quiet(system)
    memory = memory_mib(system, names)
    times = []
    for _ in range(rounds):
        time.sleep(0.2)
        times.append(start_ms(system, names[0]))
    assert system.stop() == 0, system.text
    return times, *memory


def install_all(system, count):
    names = []
    system.start()
    for number in range(1, count + 1):
        system.install(scaffold(system.place, number))
        names.append(f"bench-{number}")
    modes = {p["mode"] for p in system.plugins().values()}
    assert modes == {"shared"}, modes
    assert system.stop() == 0, system.text
    return names


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--plugins", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--rough", action="store_true")
    options = parser.parse_args()

    system = MintSystem(make_place())
    try:
        names = install_all(system, options.plugins)
        forked, warm, warm_all = measure(system, names, options.rounds,
                                         "forked")
        system.environment["MINT_PLUGINS__WARM_START"] = "false"
        execed, cold, _ = measure(system, names, options.rounds, "exec'ed")
    finally:
        system.end()

    share = warm / cold
    median = statistics.median(forked)
    last = (f"warm-start: {median:.0f} ms to the first answer, exec "
            f"{statistics.median(execed):.0f} ms; {len(names)} plugins take "
            f"{share * 100:.1f} % of the memory")
    rows = f"""\
| | forked | exec'ed |
|---|---|---|
| to the first 200 through nginx: median of {len(forked)} | {median:.0f} ms | \
{statistics.median(execed):.0f} ms |
| ... fastest, slowest | {min(forked):.0f}, {max(forked):.0f} ms | \
{min(execed):.0f}, {max(execed):.0f} ms |
| PSS of {len(names)} plugins | {warm:.0f} MiB | {cold:.0f} MiB |
| ... and the interpreter they are forked from | {warm_all:.0f} MiB | |
"""
    if not options.rough:
        write_between("warm-start",
                      f"{machine()}\n\n{rows}\n```\n{last}\n```\n")
    print(rows)
    print(last)
    if not options.rough and (median > MOST_MS or share > MOST_SHARE):
        sys.exit("warm-start: more than it may take")


if __name__ == "__main__":
    main()
