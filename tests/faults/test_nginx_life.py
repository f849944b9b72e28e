# SPDX-License-Identifier: MIT
"""A hundred reloads and ten upgrades of nginx's binary under load; this build
of the module beside the one before it."""

import contextlib
import math
import os
import shutil
import signal
import subprocess

import pytest
from module_harness import MODULE, ROOT, echo_websocket, read_head, wait_for
from nginx_harness import (
    Clients, Daemon, answer_load, is_alive, live_through)


@pytest.mark.scenario
@pytest.mark.timeout(900)
def test_reloads_and_upgrades_of_nginx(scenario):
    """A hundred reloads and ten upgrades."""
    figures = live_through(reloads=scenario.count(100),
                           upgrades=scenario.count(10), websockets=200)
    for name, value in figures.items():
        scenario.figure(f"{name}: {value}")
    # a kept connection may be closed just when the next request comes: how
    # often that happens is chance, but it has to be the same chance
    ours, plain = figures["mint kept"][1], figures["plain kept"][1]
    assert ours <= plain + 4 * math.sqrt(ours + plain) + 4


@pytest.fixture(scope="module")
def previous_build(tmp_path_factory):
    """The module before the last commit that changed it, and its commit."""
    commits = subprocess.run(
        ["git", "log", "-2", "--format=%H", "--", "ngx_mint_module",
         "contract"], cwd=ROOT, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, check=False).stdout.split()
    if len(commits) < 2:
        pytest.skip("needs the repository with its history")
    source = tmp_path_factory.mktemp("source")
    build = tmp_path_factory.mktemp("build")
    archive = subprocess.run(["git", "archive", commits[1]], cwd=ROOT,
                             stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "-x", "-C", source], input=archive, check=True)
    (build / ".module-key").write_text(commits[1])
    subprocess.run([source / "scripts" / "build-module",
                    os.environ.get("NGINX_SOURCE", "/usr/share/nginx/src"),
                    build, "-O2 -g"], check=True, timeout=300)
    return build / MODULE.name, commits[1]


@pytest.mark.scenario
@pytest.mark.timeout(600)
def test_new_build_beside_the_previous_one(scenario, previous_build):
    module, commit = previous_build
    with Daemon(main="worker_processes 2;") as w:
        installed = w.dir / MODULE.name
        shutil.copy(module, installed)
        w._format["module"] = installed
        tiny = w.backend("tiny-a")
        tiny.on("/api/tiny/load")(answer_load)
        tiny.on("/api/tiny/ws")(echo_websocket)
        w.start()
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(
                Clients(w.port, "/api/tiny/load", threads=2, keep=keep))
                for keep in (False, True)]
            s = stack.enter_context(w.open_websocket("/api/tiny/ws"))
            read_head(s)
            before = w.worker_pids()

            # to the new build and back: both orders have to do
            for replacement in (MODULE, module):
                shutil.copy(replacement, w.dir / "new")
                (w.dir / "new").rename(installed)
                old = w.start_upgrade()
                both = w.worker_pids() | w.worker_pids(old)
                wait_for(lambda: {r["pid"] for r in w.workers()} >= both,
                         "records of both builds")
                w.signal(signal.SIGWINCH, old)
                s.sendall(b"ping")
                assert s.recv(100) == b"ping"
                if replacement == module:
                    break
                w.signal(signal.SIGQUIT, old)
                # the WebSocket keeps it; the next upgrade needs it gone
                s.close()
                wait_for(lambda pid=old: not is_alive(pid), "its end")
                s = stack.enter_context(w.open_websocket("/api/tiny/ws"))
                read_head(s)
            s.close()
            w.signal(signal.SIGQUIT, old)
            wait_for(lambda: not is_alive(old), "end of the old master")
        for c in clients:
            assert c.answered > 0 and not c.failed, c.failed[:5]
        assert not before & w.worker_pids()
        scenario.figure(f"beside {commit[:12]}: "
                        f"{[(c.answered, c.closed) for c in clients]}")
