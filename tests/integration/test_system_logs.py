# SPDX-License-Identifier: MIT
"""What plugins print, and how it is found again: floods, bytes of all kinds,
a full disk, a new supervisor, one request through all logs."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx
from system_harness import MintSystem, wait_for
from system_load import Load, Target

NAME = "test-misbehaving"
PATH = "/api/test-misbehaving"


def lines(system: MintSystem, *arguments: str) -> list[dict[str, Any]]:
    return system.ctl_json("logs", *arguments)["lines"]


def messages(system: MintSystem, count: int = 300) -> list[str]:
    return [x["message"] for x in lines(system, NAME, "-n", str(count))]


def test_json_lines_are_merged_and_levels_are_known(
    system: MintSystem, member: httpx.Client
) -> None:
    member.post(PATH + "/say", params={"text": "one", "level": "warning"},
                headers={"x-request-id": "say-1"})
    wait_for(lambda: "json one" in messages(system), "its lines")
    found = {x["message"]: x for x in lines(system, NAME)}
    merged = found["json one"]
    assert (merged["level"], merged["n"], merged["plugin"]) \
        == ("warn", 7, NAME)
    assert merged["request_id"] == "say-1"
    assert found["WARNING test: logged one"]["level"] == "warn"
    assert found["printed one"]["level"] == "info"
    assert found["printed one"]["instance"].startswith(NAME + ".0")
    warned = lines(system, NAME, "--level", "warn")
    assert "printed one" not in {x["message"] for x in warned}
    assert "json one" in {x["message"] for x in warned}
    assert [x["message"] for x in lines(system, "--request-id", "say-1",
                                        "--plugin", NAME)
            if x["plugin"] == NAME] \
        == ["WARNING test: logged one", "printed one", "json one"]


def test_trace_joins_edge_plugin_and_platform(
    system: MintSystem, member: httpx.Client
) -> None:
    member.post(PATH + "/say", params={"text": "traced"},
                headers={"x-request-id": "trace-1"})
    member.post("/api/auth/login", headers={"x-request-id": "trace-2"},
                json={"username": "nobody", "password": "wrong"})

    def trace(number: str) -> list[tuple[str, str]]:
        done = system.ctl("trace", number, "--json", status=None)
        if done.returncode != 0:
            return []
        found = json.loads(done.stdout)["lines"]
        assert [x["time"] for x in found] == sorted(x["time"] for x in found)
        return [(x["plugin"], x["message"]) for x in found]

    wait_for(lambda: len(trace("trace-1")) == 5, "the edge's lines")
    found = trace("trace-1")
    # nginx has whole milliseconds: its last line may be before the plugin's
    assert found[0][0] == "edge"
    assert sorted(name for name, _ in found) == ["edge"] * 2 + [NAME] * 3
    assert found[0][1].startswith(f"POST {PATH}/say from 127.0.0.1, user ")
    assert "text=" not in found[0][1]       # no arguments: maybe secrets
    assert [text for name, text in found[1:] if name == "edge"
            and text.startswith("200 after ")]

    wait_for(lambda: len(trace("trace-2")) >= 3, "the edge's lines")
    found = trace("trace-2")
    assert {name for name, _ in found} == {"edge", "platform"}
    assert ("platform", "POST /api/auth/login 401") in found


def test_the_log_of_requests_is_rotated(
    system: MintSystem, member: httpx.Client
) -> None:
    """By the supervisor, which nginx hears of; no request gets lost."""
    path = system.data / "edge" / "access.log"
    inode = path.stat().st_ino
    os.truncate(path, 51 * 1024 * 1024)         # sparse
    wait_for(lambda: path.stat().st_ino != inode, "a new file")
    old = path.with_name("access.log.1")
    assert old.stat().st_ino == inode
    sent = 0

    def ids(where: Path) -> set[str]:
        data = where.read_bytes()
        return {f"rotated-{i}" for i in range(sent)
                if f'"rotated-{i}"'.encode() in data}

    def is_in_new() -> bool:
        nonlocal sent
        member.get(PATH + "/alive",
                   headers={"x-request-id": f"rotated-{sent}"})
        sent += 1
        return bool(ids(path))

    wait_for(is_in_new, "a request in the new file")
    wait_for(lambda: len(ids(path) | ids(old)) == sent, "all requests")
    assert system.ctl("trace", f"rotated-{sent - 1}").stdout


def test_any_bytes(system: MintSystem, member: httpx.Client) -> None:
    data = b"\0nul\0\n\xff\xfebad\n\x1b[2Jclear\n{\"msg\": \"\xff\"}\nend"
    assert member.post(PATH + "/write", content=data).json() \
        == {"written": len(data)}
    member.post(PATH + "/write", content=b"\nafter bytes\n")
    wait_for(lambda: "after bytes" in messages(system), "its lines")
    found = messages(system)
    at = found.index("after bytes")
    bad = "\ufffd"
    assert found[at - 5:at] == [
        f"{bad}nul{bad}", f"{bad}{bad}bad", "\x1b[2Jclear",
        f'{{"msg": "{bad}"}}', "end",
    ]
    shown = system.log(NAME)
    assert "\\x1b[2Jclear" in shown and "\x1b" not in shown


def test_flood_without_a_line_end(
    system: MintSystem, member: httpx.Client
) -> None:
    member.post(PATH + "/write", content=b"\n")
    reply = member.post(PATH + "/flood", params={"megabytes": 3})
    assert reply.status_code == 200
    member.post(PATH + "/write", content=b"\nafter the flood\n")
    wait_for(lambda: "after the flood" in messages(system), "its lines")
    found = messages(system, 3)
    assert found[0] == "x" * 65536
    assert f"{3 * 1048576 - 65536} more are cut off" in found[1]


def test_flood_of_lines_slows_nobody_else(
    system: MintSystem, member: httpx.Client, member_token: str
) -> None:
    """It is drained within its budget, whole; the others do not notice."""
    headers = {"authorization": f"Bearer {member_token}"}
    watched = [
        Target("test-echo", "/api/test-echo/whoami", 25, headers=headers),
    ]
    before = len(list(log_lines(system)))
    with Load(system.url, watched) as load:
        reply = member.post(
            PATH + "/flood", params={"megabytes": 40, "line": 1024}
        )
        begin = time.monotonic()
        system.status()
        asked = time.monotonic() - begin
        wait_for(lambda: len(load.outcomes) > 20, "answers")
    assert reply.json()["seconds"] > 40 / 16 * 0.8, reply.text
    assert asked < 5
    assert {str(o) for o in load.outcomes if o.status != 200} == set()
    member.post(PATH + "/write", content=b"the last line\n")
    wait_for(lambda: "the last line" in messages(system, 5), "the last line")
    new = [line for line in list(log_lines(system))[before:]
           if "xxxxxxxx" in line]
    assert len(new) == 40 * 1024
    assert any("is slowed" in text for text in messages(system, 100_000))


def log_lines(system: MintSystem) -> Any:
    """Of the files, the older one first."""
    folder = system.data / "logs"
    for path in (folder / f"{NAME}.log.1", folder / f"{NAME}.log"):
        if path.exists():
            with open(path, encoding="utf-8") as stream:
                yield from stream


def test_earlier_lines_survive_the_supervisor(
    system: MintSystem, member: httpx.Client
) -> None:
    member.post(PATH + "/say", params={"text": "kept"})
    wait_for(lambda: "printed kept" in messages(system), "its lines")
    old = system.status()["supervisor_pid"]
    os.kill(old, signal.SIGKILL)

    def next_one() -> bool:
        done = system.ctl("status", "--json", status=None)
        return done.returncode == 0 \
            and json.loads(done.stdout)["supervisor_pid"] != old

    wait_for(next_one, "the next supervisor")
    assert "printed kept" in messages(system)
    # also in its memory: the file is not needed
    memory = system.ctl_json("logs", NAME, "-n", "200")["lines"]
    assert "printed kept" in {x["message"] for x in memory}
    assert any("attached to keeper" in x["message"]
               for x in lines(system, "supervisor", "-n", "50"))
