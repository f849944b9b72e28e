# SPDX-License-Identifier: MIT
"""Life and death of the mint-platform process and its store."""

import concurrent.futures
import http.client
import json
import re
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

from platform_harness import (
    PASSWORD,
    PROGRAM,
    peopled,
    platform,
    upload,
    wait_for,
)


@pytest.fixture(scope="module")
def shared():
    """For tests that leave it as it was."""
    with peopled() as it:
        yield it


# ---- life and death -------------------------------------------------------


def test_first_administrator_without_password():
    with platform(config={"ADMIN_PASSWORD": "", "ADMIN_USERNAME": "chief"},
                  supervisor=False) as it:
        path = it.data / "initial-admin-password"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        password = path.read_text().strip()
        assert re.fullmatch("[A-Za-z0-9]{20}", password)
        assert password not in it.log() and str(path) in it.log()
        assert it.login("chief", password)


def test_bad_first_password_is_refused():
    with platform(config={"ADMIN_PASSWORD": "short"}, start=False,
                  supervisor=False) as it:
        with pytest.raises(AssertionError, match="at least 8 characters"):
            it.start()


def test_store_is_private_and_secrets_stay_out_of_the_log(shared):
    for path in shared.data.glob("mint.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    log = shared.log()
    assert PASSWORD not in log and shared.admin not in log
    assert "token-of-one" not in log


def test_second_platform_is_kept_out():
    with platform(supervisor=False) as it:
        again = subprocess.run(
            [PROGRAM, "--config", it.config_path, "--public-listen",
             f"unix:{it.run}/p.sock", "--internal-listen", "127.0.0.1:0"],
            capture_output=True, text=True, timeout=30)
        assert again.returncode == 1
        assert "another mint-platform uses" in again.stderr
        assert it.login()


def test_newer_store_is_refused():
    with platform(supervisor=False) as it:
        it.stop()
        subprocess.run(["sqlite3", it.data / "mint.db", "INSERT INTO "
                        "schema_steps VALUES (999, 'later', 0)"], check=True)
        with pytest.raises(AssertionError, match="newer version"):
            it.start()


def test_damaged_store_is_refused():
    with platform(start=False, supervisor=False) as it:
        (it.data / "mint.db").write_bytes(b"no database at all " * 1000)
        with pytest.raises(AssertionError, match="mint.db"):
            it.start()


def test_kill_keeps_everything():
    with platform() as it:
        token = it.login()
        it.create_user(token, "bob")
        assert it.stop(signal.SIGKILL) == -signal.SIGKILL
        it.start()
        with it.client(token) as client:
            assert client.get("/api/auth/verify").status_code == 200
        assert [u["username"] for u in it.supervisor.full["users"]] == [
            "admin", "bob"]


def test_stop_finishes_what_is_in_flight():
    with platform() as it:
        it.admin = it.login()
        started = threading.Event()
        release = threading.Event()

        def install(_):
            started.set()
            release.wait(20)
            return {"name": "gen", "distribution": "d", "version": "1",
                    "mode": "shared", "reason": "r", "replaced": None}

        it.supervisor.handlers["install"] = install
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            reply = pool.submit(upload, it)
            assert started.wait(10)
            it.process.send_signal(signal.SIGTERM)
            # nobody takes this one: it waits in the socket that we hold
            wait_for(lambda: "stopping" in it.log(), "the stop to begin")
            waiting = socket.create_connection(
                it.public_socket.getsockname(), 10)
            waiting.sendall(b"GET /api/health HTTP/1.1\r\nHost: x\r\n"
                            b"Connection: close\r\n\r\n")
            release.set()
            assert reply.result().json()["success"] is True
        assert it.process.wait(10) == 0
        it.start()
        with waiting:
            answer = http.client.HTTPResponse(waiting)
            answer.begin()
            assert answer.status == 200


def test_stop_does_not_wait_for_ever():
    with platform() as it:
        it.admin = it.login()
        started = threading.Event()
        it.supervisor.handlers["install"] = lambda _: started.set()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            reply = pool.submit(upload, it)
            assert started.wait(10)
            begun = time.monotonic()
            assert it.stop() == 0
            assert time.monotonic() - begun < 9
            assert reply.result().json()["success"] is False


def test_idle_connections_do_not_hold_up_a_stop():
    with platform(supervisor=False) as it:
        idle = [socket.create_connection(it.public_socket.getsockname(), 10)
                for _ in range(20)]
        with it.client() as client:
            client.get("/api/health")
        begun = time.monotonic()
        assert it.stop() == 0
        assert time.monotonic() - begun < 8
        for s in idle:
            s.close()


@pytest.mark.parametrize("arguments, status", [
    ([], 2), (["--config", "x"], 2), (["--wrong"], 2),
    (["--config", "x", "--public-fd", "-1", "--internal-fd", "3"], 2),
    (["--config", "/nowhere", "--public-listen", "127.0.0.1:0",
      "--internal-listen", "127.0.0.1:0"], 1)])
def test_bad_arguments(arguments, status):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True,
                          text=True, timeout=30)
    assert done.returncode == status
    assert done.stderr


@pytest.mark.parametrize("address, text", [
    ("0.0.0.0:0", "loopback"), ("127.0.0.1", "not unix:PATH"),
    ("127.0.0.1:70000", "not unix:PATH"), ("unix:" + "x" * 200, "path")])
def test_bad_listeners(address, text):
    with platform(start=False, supervisor=False) as it:
        it.config_path.write_text(json.dumps(it.config))
        done = subprocess.run(
            [PROGRAM, "--config", it.config_path, "--public-listen", address,
             "--internal-listen", "127.0.0.1:0"], capture_output=True,
            text=True, timeout=30)
        assert done.returncode == 1 and text in done.stderr


def test_help_and_version():
    for flag, text in (("--help", "--public-fd"), ("--version",
                                                   "mint-platform ")):
        done = subprocess.run([PROGRAM, flag], capture_output=True, text=True,
                              timeout=30)
        assert done.returncode == 0 and text in done.stdout
