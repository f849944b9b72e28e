# SPDX-License-Identifier: MIT
"""mint-table: what it writes is what it shows; secrets only when asked."""

import base64
import copy
import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("MINT_BUILD", "build"))
MINT_TABLE = str((BUILD / "mint-table").resolve())

KEY = b"a key that nobody should see....."
SECRETS = ["tok-of-one", "mint_pat_sesame", "edge-secret-42"]

SPEC = {
    "plugins": 32,
    "routes": [
        {
            "plugin_id": 2,
            "seat_first": 4,
            "slot_count": 2,
            "prefix": "/iso/deep",
            "name": "iso",
            "version": "2.1",
            "flags": [],
            "affinity": "user",
        },
        {
            "plugin_id": 1,
            "seat_first": 2,
            "slot_count": 1,
            "prefix": "/peak",
            "name": "peak",
            "version": "1.0",
            "flags": ["maintenance", "shared"],
            "affinity": "none",
        },
    ],
    "seats": [
        {
            "index": 0,
            "plugin_id": 0,
            "slot": 0,
            "seat": 0,
            "address": "/run/platform.sock",
            "state": "ready",
            "cause": "none",
            "generation": 1,
            "retry_after": 0,
        },
        {
            "index": 3,
            "plugin_id": 1,
            "slot": 0,
            "seat": 1,
            "address": "127.0.0.1:9000",
            "state": "closed",
            "cause": "crashed",
            "generation": 4294967295,
            "retry_after": 65535,
        },
    ],
    "pins": [
        {"plugin_id": 0, "user_id": 7, "seat": 0},
        {"plugin_id": 1, "user_id": 2, "seat": 3},
        {"plugin_id": 1, "user_id": 9007199254740993, "seat": 3},
    ],
    "users": [
        {
            "id": 2,
            "username": "jürgen",
            "role": "member",
            "active": False,
            "session_version": 3,
        },
        {
            "id": 9007199254740993,
            "username": "root",
            "role": "admin",
            "active": True,
            "session_version": 0,
        },
    ],
    "roles": [
        {
            "slug": "member",
            "admin": False,
            "permissions": ["plugins.use", 'say "hi"'],
            "plugin_access": [1, 31],
        },
        {
            "slug": "admin",
            "admin": True,
            "permissions": [],
            "plugin_access": "all",
        },
    ],
    "keys": [{"id": "k1", "secret": base64.b64encode(KEY).decode()}],
    "denied": [{"jti": "some-jti", "expires": 4102444800}],
    "pats": [
        {
            "token": "mint_pat_sesame",
            "user_id": 2,
            "read_only": True,
            "expires": 4102444800,
        }
    ],
    "plugin_tokens": {"1": "tok-of-one"},
    "edge_secret": "edge-secret-42",
    "sequence": 12,
}


def table(*arguments, expect=0, **options):
    result = subprocess.run(
        [MINT_TABLE, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )
    assert result.returncode == expect, result.stderr
    return result


@pytest.fixture
def write(tmp_path):
    def run(spec, name="run", expect=0):
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        table("write", directory, "-", input=json.dumps(spec), expect=expect)
        return directory

    return run


def dump(directory, *options):
    return json.loads(table("dump", directory, "--json", *options).stdout)


def test_what_is_written_is_shown(write):
    shown = dump(write(SPEC), "--secrets")
    for name in ("routes", "seats", "pins", "users", "roles", "plugin_tokens",
                 "edge_secret", "sequence"):
        assert shown[name] == SPEC[name], name
    key = shown["keys"][0]["secret"]
    assert base64.urlsafe_b64decode(key + "==") == KEY
    pat = shown["pats"][0]
    assert pat["hash"] == hashlib.sha256(b"mint_pat_sesame").hexdigest()
    assert pat["user_id"] == 2 and pat["read_only"] is True
    assert pat["expires"] == 4102444800
    assert shown["denied"][0]["expires"] == 4102444800
    assert shown["workers"] == []
    assert all(f["life"] == 1 for f in shown["files"].values())


def test_what_is_shown_can_be_written(write):
    first = write(SPEC)
    second = write(dump(first, "--secrets"), "second")
    assert table("diff", first, second).stdout == ""


def test_secrets_are_not_shown(write):
    directory = write(SPEC)
    url = base64.urlsafe_b64encode(KEY).decode().rstrip("=")
    for text in (
        table("dump", directory).stdout,
        table("dump", directory, "--json").stdout,
    ):
        assert "/iso/deep" in text
        for secret in [*SECRETS, url, SPEC["keys"][0]["secret"]]:
            assert secret not in text

    other = copy.deepcopy(SPEC)
    other["plugin_tokens"]["1"] = "another"
    other["edge_secret"] = "edge-secret-43"
    result = table("diff", directory, write(other, "other"), expect=1)
    assert result.stdout.splitlines() == [
        "/plugin_tokens/1: differs (secret)",
        "/edge_secret: differs (secret)",
    ]


def test_a_seat_changes_alone(write):
    first, second = write(SPEC), write(SPEC, "second")
    table("seat", second, 3, "ready", "--generation", "7")
    changes = table("diff", first, second, expect=1).stdout.splitlines()
    assert changes == [
        '/seats/1/state: "closed" -> "ready"',
        '/seats/1/cause: "crashed" -> "none"',
        "/seats/1/generation: 4294967295 -> 7",
        "/seats/1/retry_after: 65535 -> 0",
    ]
    table("seat", second, 3, "starting", "--cause", "restart",
          "--retry-after", "2")
    seat = dump(second)["seats"][1]
    assert seat["generation"] == 7 and seat["retry_after"] == 2
    assert (seat["state"], seat["cause"]) == ("starting", "restart")

    assert "has no address" in table("seat", first, 9, "ready",
                                     expect=2).stderr
    table("seat", first, 3, "sleeping", expect=2)
    empty = first / "empty"
    empty.mkdir()
    table("seat", empty, 3, "ready", expect=2)
    assert list(empty.iterdir()) == []


def test_a_pin_changes_alone(write):
    first, second = write(SPEC), write(SPEC, "second")
    table("pin", second, 1, 2, "none")
    table("pin", second, 1, 4, 3)
    table("pin", second, 1, 4, 3)
    assert dump(second)["pins"] == [
        SPEC["pins"][0],
        {"plugin_id": 1, "user_id": 4, "seat": 3},
        SPEC["pins"][2],
    ]
    changes = table("diff", first, second, expect=1).stdout.splitlines()
    assert changes == ["/pins/1/user_id: 2 -> 4"]

    # a description without pins leaves them, an empty list removes them
    write({"plugins": 32}, "second")
    assert len(dump(second)["pins"]) == 3
    write({"plugins": 32, "pins": []}, "second")
    assert dump(second)["pins"] == []

    for refused in ([1, 2, "none"], [1, 0, 3], [2, 5, 3], [1, 5, 9],
                    [1, 5, 70000], [1, 5]):
        table("pin", second, *refused, expect=2)
    assert dump(second)["pins"] == []


def test_writing_again_goes_on_in_the_same_files(write):
    directory = write(SPEC)
    before = dump(directory)["files"]
    changed = copy.deepcopy(SPEC)
    changed["routes"].pop()
    del changed["users"], changed["roles"], changed["keys"]
    del changed["denied"], changed["pats"], changed["sequence"]
    write(changed)
    after = dump(directory)
    assert after["files"]["routes"]["epoch"] == 1
    assert (after["files"]["routes"]["generation"]
            == before["routes"]["generation"] + 1)
    assert after["files"]["identity"]["epoch"] == before["identity"]["epoch"]
    assert len(after["routes"]) == 1 and len(after["users"]) == 2

    # more plugins: larger files
    changed["plugins"] = 64
    write(changed)
    files = dump(directory)["files"]
    assert all(files[name]["epoch"] > before[name]["epoch"] for name in files)
    assert dump(directory)["pins"] == SPEC["pins"]


@pytest.mark.parametrize(
    "path, value, said",
    [
        (["routes", 0, "prefix"], "iso/", "route prefix"),
        (["routes", 0, "flags"], ["other"], "flags"),
        (["routes", 0, "affinity"], "star", "affinity"),
        (["seats", 1, "address"], "nowhere", "an address is"),
        (["routes", 0, "slot_count"], 65, "65 slots"),
        (["seats", 1, "state"], "idle", "idle"),
        (["pins", 0, "seat"], 1, "not in use"),
        (["pins", 0, "user_id"], 0, "cannot be pinned"),
        (["pins", 1, "plugin_id"], 2, "pins[1]"),
        (["users", 0, "role"], "owner", "owner"),
        (["users", 0, "id"], "2", "users[0]"),
        (["keys", 0, "secret"], "!", "keys[0]"),
        (["pats", 0, "token"], None, "pats[0]"),
    ],
)
def test_a_bad_description_is_refused(tmp_path, path, value, said):
    spec = copy.deepcopy(SPEC)
    at = spec
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    result = table("write", tmp_path, "-", input=json.dumps(spec), expect=2)
    assert said in result.stderr


def test_broken_and_missing_files_are_told(write, tmp_path):
    directory = write(SPEC)
    (directory / "seats").write_bytes(b"x" * 500)
    (directory / "workers").unlink()
    result = table("dump", directory, "--json", expect=1)
    shown = json.loads(result.stdout)
    assert "not of this kind" in shown["files"]["seats"]["error"]
    assert "No such file" in shown["files"]["workers"]["error"]
    assert "seats" not in shown and len(shown["routes"]) == 2
    table("dump", tmp_path / "absent", expect=1)
    table("dump", expect=2)
    table("sing", expect=2)
