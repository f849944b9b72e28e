# SPDX-License-Identifier: MIT
"""plugin_host/verify.py, run as mintctl runs it, on environments that are not
what their locks say."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from host_harness import HOST, PYTHON

SITE = "lib/python3.13/site-packages"
LOCK = ("ghost-rider==1.0 \\\n    --hash=sha256:00\n    # via -r shared.in\n"
        "other @ file:///kept/other-2.0%2Blocal-py3-none-any.whl \\\n"
        "    --hash=sha256:01\n")


def recorded(path: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"{path},sha256={digest.rstrip(b'=').decode()},{len(content)}\n"


class Environment:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.site = directory / SITE
        self.site.mkdir(parents=True)
        (directory / "bin").mkdir()
        self.lock(LOCK)
        self.package("Ghost.Rider", "1.0", {
            "ghost_rider/__init__.py": b"one\n", "ghost_rider/two.py": b"2\n",
            "../../../bin/ghost": b"#!/bin/sh\n"})
        self.package("other", "2.0+local", {"other.py": b"", "a,b.py": b"x"})

    def lock(self, text: str) -> None:
        (self.directory / "mint-lock.txt").write_text(text)
        (self.directory / "mint-environment.json").write_text(json.dumps(
            {"lock_sha256": hashlib.sha256(text.encode()).hexdigest()}))

    def package(self, name: str, version: str,
                files: dict[str, bytes]) -> None:
        folder = f"{name.lower().replace('.', '_')}-{version}.dist-info"
        files = {**files, f"{folder}/METADATA":
                 f"Name: {name}\nVersion: {version}\n\nText\n".encode()}
        text = f"{folder}/RECORD,,\n"
        for path, content in files.items():
            whole = self.site / path
            whole.parent.mkdir(parents=True, exist_ok=True)
            whole.write_bytes(content)
            text += recorded(f'"{path}"' if "," in path else path, content)
        (self.site / folder / "RECORD").write_text(text)

    @property
    def record(self) -> Path:
        return self.site / "ghost_rider-1.0.dist-info" / "RECORD"

    def verify(self) -> dict[str, Any]:
        done = subprocess.run(
            [PYTHON, "-I", "-S", "-B", str(HOST.parent / "verify.py"),
             str(self.directory)],
            check=True, timeout=60, capture_output=True, text=True)
        assert done.stderr == ""
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def problems(self) -> list[tuple[str, str, str]]:
        return [(p["kind"], p["package"],
                 p["path"].removeprefix(SITE + "/") + ": " + p["text"])
                for p in self.verify()["problems"]]


@pytest.fixture
def made(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "e")


def test_as_it_was_built(made: Environment) -> None:
    cache = made.site / "ghost_rider" / "__pycache__"
    cache.mkdir()
    (cache / "two.cpython-313.pyc").write_bytes(b"byte code")
    (cache / "two.cpython-313.opt-1.pyc").write_bytes(b"byte code")
    (made.site / "_virtualenv.py").write_text("uv's own")
    (made.directory / "bin" / "python").symlink_to("/usr/bin/python3")
    (made.directory / "lib64").symlink_to("lib")
    assert made.verify() == {"packages": 2, "files": 9, "bytes": 91,
                             "problems": [], "left_off": 0}


def change(made: Environment) -> None:
    (made.site / "ghost_rider/two.py").write_bytes(b"3\n")


def lengthen(made: Environment) -> None:
    (made.site / "ghost_rider/two.py").write_bytes(b"2\n\n")


def remove(made: Environment) -> None:
    (made.site / "ghost_rider/two.py").unlink()


def change_program(made: Environment) -> None:
    (made.directory / "bin/ghost").write_bytes(b"#!/bin/no\n")


def link(made: Environment) -> None:
    """To a file with the right contents."""
    whole = made.site / "ghost_rider/two.py"
    whole.rename(made.directory / "elsewhere")
    whole.symlink_to(made.directory / "elsewhere")


def link_directory(made: Environment) -> None:
    (made.site / "ghost_rider").rename(made.directory / "elsewhere")
    (made.site / "ghost_rider").symlink_to(made.directory / "elsewhere")


def pipe(made: Environment) -> None:
    (made.site / "ghost_rider/two.py").unlink()
    os.mkfifo(made.site / "ghost_rider/two.py")


def add(made: Environment) -> None:
    (made.site / "ghost_rider/three.py").touch()
    (made.site / "evil.pth").touch()
    (made.site / "sitecustomize").mkdir()
    (made.site / "sitecustomize/__init__.py").touch()


def add_byte_code(made: Environment) -> None:
    """Of nothing, and where Python takes it without a source."""
    (made.site / "ghost_rider/__pycache__").mkdir()
    (made.site / "ghost_rider/__pycache__/no.cpython-313.pyc").touch()
    (made.site / "ghost_rider/two.pyc").touch()


def add_odd_name(made: Environment) -> None:
    os.mkfifo(os.fsencode(made.site) + b"/\x1b[2J\xff\n")


def add_package(made: Environment) -> None:
    made.package("third", "3", {})


def other_version(made: Environment) -> None:
    made.lock(LOCK.replace("==1.0", "==1.1"))


def same_version(made: Environment) -> None:
    made.lock(LOCK.replace("==1.0", "==1.0.0"))


def lock_wants_more(made: Environment) -> None:
    made.lock(LOCK + "fourth[extra]==4 \\\n    --hash=sha256:02\n")


def lock_changed(made: Environment) -> None:
    with (made.directory / "mint-lock.txt").open("a") as file:
        file.write("# more\n")


def no_record(made: Environment) -> None:
    made.record.unlink()


def twice(made: Environment) -> None:
    """The one that was installed last is there."""
    made.package("other", "2.0+local", {
        "other.py": b"", "a,b.py": b"x", "ghost_rider/two.py": b"3\n"})


def twice_and_changed(made: Environment) -> None:
    twice(made)
    (made.site / "ghost_rider/two.py").write_bytes(b"4\n")


TWO = "ghost_rider/two.py"


@pytest.mark.parametrize(("damage", "expected"), [
    (change, [("changed", "ghost-rider", f"{TWO}: has other contents")]),
    (lengthen, [("changed", "ghost-rider",
                 f"{TWO}: has 3 bytes instead of 2")]),
    (remove, [("missing", "ghost-rider", f"{TWO}: is not there")]),
    (change_program, [("changed", "ghost-rider",
                       "bin/ghost: has other contents")]),
    (link, [("changed", "ghost-rider", f"{TWO}: is a link")]),
    (link_directory, [
        ("missing", "ghost-rider", "ghost_rider/__init__.py: is not there"),
        ("missing", "ghost-rider", f"{TWO}: is not there"),
        ("extra", "ghost-rider", "ghost_rider: belongs to no package")]),
    (pipe, [("changed", "ghost-rider", f"{TWO}: is no file")]),
    (add, [
        ("extra", "", "evil.pth: belongs to no package"),
        ("extra", "ghost-rider", "ghost_rider/three.py: belongs to no "
         "package"),
        ("extra", "", "sitecustomize/__init__.py: belongs to no package")]),
    (add_byte_code, [
        ("extra", "ghost-rider", "ghost_rider/__pycache__/no.cpython-313.pyc: "
         "belongs to no package"),
        ("extra", "ghost-rider", "ghost_rider/two.pyc: belongs to no "
         "package")]),
    (add_odd_name, [("extra", "", r"\x1b[2J\udcff\n: belongs to no package")]),
    (add_package, [("extra", "third",
                    "third-3.dist-info: 3 is not in the lock")]),
    (other_version, [("changed", "ghost-rider", "ghost_rider-1.0.dist-info: "
                      "is 1.0, the lock has 1.1")]),
    (same_version, []),
    (lock_wants_more, [("missing", "fourth",
                        ": 4 of the lock is not installed")]),
    (lock_changed, [("changed", "", "mint-lock.txt: is not the lock it was "
                     "built from")]),
    (twice, []),
    (twice_and_changed, [("changed", "other", f"{TWO}: has other contents")]),
], ids=lambda value: getattr(value, "__name__", ""))
def test_damage(made: Environment, damage: Callable[[Environment], None],
                expected: list[tuple[str, str, str]]) -> None:
    damage(made)
    assert made.problems() == expected


@pytest.mark.parametrize(("line", "says"), [
    ("/etc/passwd,sha256=AA,1", "/etc/passwd: is absolute"),
    ("../../../../outside,sha256=AA,1",
     "../../../../outside: leads out of the environment"),
    ("a/../../../../../outside,sha256=AA,1",
     "a/../../../../../outside: leads out of the environment"),
    ("../../..,sha256=AA,1", "../../..: leads out of the environment"),
    (",sha256=AA,1", ": is no path"),
    ("a\0b,sha256=AA,1", r"a\x00b: is no path"),
    ("a.py,,", "a.py: has no hash"),
    ("a.py,md5=AA,1", "a.py: has a hash that is not known"),
    ("a.py,sha256,1", "a.py: has a hash that is not known"),
    ("a.py,sha256=AA,-1", "a.py: has a size that is no number"),
    ("a.py,sha256=AA," + "9" * 19, "a.py: has a size that is no number"),
    ("a.py,sha256=AA", "ghost_rider-1.0.dist-info/RECORD: has a line of 2 "
     "fields: a.py,sha256=AA"),
    ("a.py,b,c,d", "ghost_rider-1.0.dist-info/RECORD: has a line of 4 "
     "fields: a.py,b,c,d"),
    ('"a.py,sha256=AA,1', "ghost_rider-1.0.dist-info/RECORD: is no CSV: "
     "unexpected end of data"),
    ("x" * 5000 + ",sha256=AA,1", "ghost_rider-1.0.dist-info/RECORD: is no "
     "CSV: field larger than field limit (4096)"),
])
def test_record(made: Environment, tmp_path: Path, line: str, says: str
                ) -> None:
    """What it names outside of the environment is not opened."""
    (tmp_path / "outside").write_bytes(b"x")
    with made.record.open("a") as file:
        file.write(line + "\n")
    assert made.problems() == [("record", "ghost-rider", says)]


def test_record_is_missing(made: Environment) -> None:
    no_record(made)
    kinds = [(kind, package) for kind, package, _ in made.problems()]
    assert kinds[0] == ("missing", "ghost-rider")
    assert ("extra", "") in kinds


def test_record_is_a_link(made: Environment, tmp_path: Path) -> None:
    made.record.rename(tmp_path / "RECORD")
    made.record.symlink_to(tmp_path / "RECORD")
    kind, package, text = made.problems()[0]
    assert (kind, package) == ("missing", "ghost-rider")
    assert "cannot be read" in text


def test_too_many_to_name(made: Environment) -> None:
    """The answer has a bound; all are counted."""
    for number in range(1000):
        (made.site / f"extra-{number}.py").touch()
    found = made.verify()
    assert 0 < len(found["problems"]) < 1000
    assert len(found["problems"]) + found["left_off"] == 1000
    assert len(json.dumps(found)) < 40_000


@pytest.mark.parametrize("text", [None, "no lock\n", "name>=1\n"])
def test_lock_cannot_be_read(made: Environment, text: str | None) -> None:
    if text is None:
        (made.directory / "mint-lock.txt").unlink()
    else:
        made.lock(text)
    assert "its lock cannot be read" in made.verify()["error"]


def test_progress(made: Environment) -> None:
    """At each block of a file, were it as slow as that."""
    code = ("import importlib.util, sys\n"
            "spec = importlib.util.spec_from_file_location('v', sys.argv[1])\n"
            "verify = importlib.util.module_from_spec(spec)\n"
            "spec.loader.exec_module(verify)\n"
            "verify.PROGRESS_SEC = 0\n"
            "verify.main(sys.argv[2])\n")
    done = subprocess.run(
        [PYTHON, "-I", "-S", "-B", "-c", code,
         str(HOST.parent / "verify.py"), str(made.directory)],
        check=True, timeout=60, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1] == made.verify()
    assert len(lines) > 2
    assert all(line["of"] == 9 and 0 <= line["verified"] < 9
               for line in lines[:-1])
