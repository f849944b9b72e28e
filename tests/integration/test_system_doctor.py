# SPDX-License-Identifier: MIT
"""mintctl doctor and support on a system that is well, on one that is not,
and on one whose disk for logs is full."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from system_harness import (
    ADMIN,
    SECRET,
    MintSystem,
    make_place,
    wait_for,
)

NAME = "test-misbehaving"
PATH = "/api/test-misbehaving"


def findings(system: MintSystem) -> list[dict[str, Any]]:
    done = system.ctl("doctor", "--json", status=None)
    result = json.loads(done.stdout)
    levels = [f["level"] for f in result["findings"]]
    assert result["errors"] == levels.count("error")
    assert result["warnings"] == levels.count("warning")
    assert done.returncode == (1 if result["errors"] else 0)
    for finding in result["findings"]:
        assert finding["level"] not in ("error", "warning") \
            or finding["fix"] or finding["text"].startswith("missing prot")
    return result["findings"]


def texts(system: MintSystem, check: str, level: str) -> str:
    return "\n".join(f["text"] for f in findings(system)
                     if (f["check"], f["level"]) == (check, level))


def test_a_system_that_is_well(system: MintSystem) -> None:
    found = findings(system)
    # the clock, disk and limits are the machine's
    bad = [f for f in found if f["level"] == "error"
           and f["check"] not in ("clock", "disk", "limits")]
    assert bad == []
    checks = {f["check"]: f for f in found}
    assert set(checks) == {
        "system", "nginx", "run files", "edge", "rights", "times", "disk",
        "clock", "python", "limits", "logs",
    }
    assert "loads the module" in checks["nginx"]["text"]
    assert "sockets" in checks["edge"]["text"]
    shown = system.ctl("doctor", status=None).stdout
    assert "loads the module" in shown and " errors, " in shown


def test_a_plugin_that_has_failed(system: MintSystem) -> None:
    """Five deaths in a minute."""
    system.ctl("restart", NAME)
    pid = 0
    for _ in range(5):
        pid = wait_for(lambda old=pid: system.pid(NAME) not in (0, old)
                       and system.pid(NAME), "the next process")
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: system.plugins()[NAME]["state"] == "failed", "its end")
    found = [f for f in findings(system) if f["check"] == "system"]
    assert f'plugin "{NAME}" is failed' in found[0]["text"]
    assert f"mintctl crashes {NAME} 1" in found[0]["fix"]
    newest = system.ctl_json("crashes", NAME)["crashes"][0]
    assert newest["next"][-1]["text"].startswith("given up for now")


def test_wrong_rights_are_found_with_the_fix(system: MintSystem) -> None:
    registry = system.data / "registry.json"
    sockets = system.run_directory / "s"
    before = sockets.stat().st_mode & 0o7777
    registry.chmod(0o644)
    sockets.chmod(0o700 if system.status()["protection"] == [] else 0o000)
    try:
        found = {f["check"]: f for f in findings(system)
                 if f["level"] == "error"}
    finally:
        registry.chmod(0o600)
        sockets.chmod(before)
    assert "registry.json" in found["rights"]["text"]
    assert found["rights"]["fix"].startswith("chmod go-rwx ")
    if os.geteuid() == 0:
        assert f'"{sockets}" does not let them through' \
            in found["edge"]["text"]


def test_a_broken_run_file(system: MintSystem) -> None:
    """Of a copy: that of the system is in use."""
    path = system.run_directory / "identity"
    spare = path.with_name("identity.spare")
    shutil.copy2(path, spare)
    path.rename(path.with_name("identity.good"))
    spare.write_bytes(b"no run file")
    spare.rename(path)
    try:
        assert "identity" in texts(system, "run files", "error")
    finally:
        path.with_name("identity.good").rename(path)
    assert texts(system, "run files", "error") == ""


def test_a_module_of_another_nginx(system: MintSystem, tmp_path: Path) -> None:
    module = system.var / "program" / "module" / "ngx_http_mint_module.so"
    good = module.with_name("good.so")
    module.rename(good)
    try:
        assert "No such file" in texts(system, "nginx", "error")
        # as nginx writes it into what it compiles
        data = good.read_bytes()
        assert b"8,4,8," in data
        module.write_bytes(data.replace(b"8,4,8,", b"4,4,4,"))
        module.chmod(0o755)
        assert "not binary compatible" in texts(system, "nginx", "error")
    finally:
        good.rename(module)
    assert texts(system, "nginx", "error") == ""


def test_times_that_do_not_fit(system: MintSystem) -> None:
    conf = system.var / "program" / "conf" / "mint-upstream.conf"
    text = conf.read_text("utf-8")
    conf.write_text(text.replace("keepalive_timeout 30s",
                                 "keepalive_timeout 100s"))
    try:
        said = texts(system, "times", "error")
    finally:
        conf.write_text(text)
    assert "half of what plugins keep a connection (75 s)" in said
    assert "(100 s)" in said


def test_doctor_without_a_system(tmp_path: Path) -> None:
    """What can be looked at without one is looked at."""
    system = MintSystem(make_place())
    try:
        system.var.mkdir()
        (system.var / "run").mkdir()
        done = system.ctl("doctor", "--json", status=None)
        found = json.loads(done.stdout)["findings"]
        assert found[0]["text"].startswith("the system is not running")
        assert {"python", "clock", "limits"} <= {f["check"] for f in found}
        (system.var / "config.json").write_text('{"nginx": {"binary": 3}}')
        done = system.ctl("doctor", status=1)
        assert "nginx.binary" in done.stderr
    finally:
        system.end()


# ---- support -----------------------------------------------------------------


def test_support_bundle(
    system: MintSystem, member: httpx.Client, tmp_path: Path
) -> None:
    token = member.headers["authorization"].removeprefix("Bearer ")
    member.post(PATH + "/say", params={"text": f"api_key=abc123 {token}"})
    member.post(PATH + "/say", params={"text": f"known {SECRET}"})
    pid = system.pid(NAME)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: any(
        r["pid"] == pid and r["requests"] is not None
        for r in system.ctl_json("crashes", NAME)["crashes"]), "its report")

    path = tmp_path / "mint-help.tar.gz"
    done = system.ctl("support", str(path))
    assert done.stdout.rstrip().endswith(str(path))
    assert "look" in done.stderr
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as bundle:
        files = {
            member.name.removeprefix("mint-help/"):
                bundle.extractfile(member).read().decode("utf-8", "replace")
            for member in bundle.getmembers()
        }
    assert {
        "about.txt", "status.json", "plugins.json", "doctor.json",
        "facts.json", "config.json", "run.json", "machine.txt",
        f"logs/{NAME}.log", "logs/nginx.log", "logs/platform.log",
        "logs/supervisor.log", "logs/edge-requests.log",
        f"crashes/{NAME}-1.json", f"history/{NAME}.json",
    } <= set(files)
    history = json.loads(files[f"history/{NAME}.json"])
    assert any((r["subject"], r["from"], r["cause"]) ==
               ("process", "ready", "crash") for r in history), history
    for name in files:
        assert name == "about.txt" or name in files["about.txt"]
        for secret in (SECRET, token, "abc123", ADMIN[1]):
            assert secret not in files[name], name
    assert "printed api_key=[redacted] [redacted]" in files[f"logs/{NAME}.log"]
    registry = json.loads((system.data / "registry.json").read_text())
    tokens = [p["token"] for p in registry["plugins"]]
    assert tokens and not any(t in text for t in tokens
                              for text in files.values())
    # one that is there is not written over
    again = system.ctl("support", str(path), status=1)
    assert "cannot be made: File exists" in again.stderr
    listed = system.ctl_json("support", str(tmp_path / "two.tar.gz"))
    assert listed["path"] == str(tmp_path / "two.tar.gz")


# ---- a full disk -------------------------------------------------------------


@pytest.fixture
def full_disk(system: MintSystem) -> Iterator[Path]:
    """A file system of a quarter of a megabyte in the place of the logs."""
    logs = system.data / "logs"
    owner = logs.stat()
    options = (f"size=256k,mode=0700,uid={owner.st_uid},gid={owner.st_gid}")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(logs)],
        capture_output=True, text=True, check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr}")
    yield logs
    subprocess.run(["umount", "--lazy", str(logs)], check=True)


def test_full_disk(
    system: MintSystem, member: httpx.Client, full_disk: Path
) -> None:
    """Said once, counted, and over when there is room again."""

    def remembered() -> list[str]:
        lines = system.ctl_json("logs", NAME, "-n", "200")["lines"]
        return [line["message"] for line in lines]

    supervisor = system.status()["supervisor_pid"]
    # until the file of before is left: its name leads elsewhere now
    wait_for(lambda: member.post(PATH + "/print").status_code == 200
             and (full_disk / f"{NAME}.log").exists(), "the new file")
    reply = member.post(PATH + "/print",
                        params={"lines": 400, "length": 2000})
    assert reply.json() == {"printed": 400}
    wait_for(lambda: "line 399 " in remembered()[-1][:12], "the last line")
    assert [line[:9] for line in remembered()[-3:]] \
        == ["line 397 ", "line 398 ", "line 399 "]
    assert sum("No space left" in line for line in remembered()) <= 1
    said = [line["message"] for line
            in system.ctl_json("logs", "supervisor", "-n", "200")["lines"]]
    assert sum(f'{NAME}.log" cannot be written' in line
               for line in said) == 1
    assert texts(system, "logs", "warning").startswith(
        tuple("0123456789"))
    # half a line is in no file
    with open(full_disk / f"{NAME}.log", encoding="utf-8") as stream:
        assert all(json.loads(line) for line in stream)

    subprocess.run(["mount", "-o", "remount,size=8m", str(full_disk)],
                   check=True)

    def works() -> bool:
        member.post(PATH + "/print")
        return any("is written again; " in line for line in remembered())

    wait_for(works, "lines in the file again")
    assert system.status()["supervisor_pid"] == supervisor
    assert system.plugins()[NAME]["state"] == "ready"
