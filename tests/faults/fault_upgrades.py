# SPDX-License-Identifier: MIT
"""Versions of a ledger plugin, one after the other, and what must be true of
environments whatever has been killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from fault_system import Field, is_settled
from system_harness import (
    BUILD, ROOT, make_bundle, renamed_plugin, wait_for)
from system_kills import kill_supervisor

INSTALL_SEC = 120
HOUR_SEC = 3601


class Upgrades:
    """Each version is installed once: an environment that is there with what
    is wanted would not be built again."""

    def __init__(self, field: Field, name: str, folder: Path) -> None:
        self.field = field
        self.system = field.system
        self.name = name
        self.folder = folder
        self.source = renamed_plugin("ledger", name.removeprefix("test-"),
                                     folder)
        self.number = 1
        self.verified: set[Path] = set()     # after this kill
        self.before = self.old = self.new = self.version()
        self.answer = subprocess.CompletedProcess[str]([], 0, "", "")

    def next(self) -> None:
        self.number += 1
        self.before, self.old = self.old, self.version()
        self.new = f"1.0.{self.number}"

    def install(self) -> bool:
        """The newest version; whatever happens to it."""
        bundle = make_bundle(self.source, self.folder, version=self.new)
        path = self.system.place / bundle.name
        shutil.copy(bundle, path)
        self.answer = subprocess.run(
            [str(BUILD / "mintctl"), "install", str(path), "--socket",
             str(self.system.run_directory / "supervisor.sock")],
            capture_output=True, text=True, timeout=INSTALL_SEC, check=False)
        path.unlink()
        return self.answer.returncode == 0

    def version(self) -> str:
        """That of the process which serves."""
        with self.system.client() as client:
            reply = client.get(f"/api/{self.name}/look", params={"id": "x"})
        assert reply.status_code == 200, reply.text
        return str(reply.json()["version"])

    # ---- what must be true ----------------------------------------------

    def check_serves(self, after: str) -> None:
        wait_for(lambda: is_settled(self.field, self.name),
                 f"one process after {after}", 60)
        assert self.version() in (self.old, self.new), after
        self.check_whole(after)

    def check_converges(self, after: str) -> None:
        """Asked again, it is done, and nothing of the first try is left."""
        assert self.install(), f"{after}: {self.answer}"
        wait_for(lambda: is_settled(self.field, self.name),
                 f"one process of {self.new} after {after}", 60)
        assert self.version() == self.new, after
        self.check_whole(after)
        self.check_clean(after)
        self.age()
        self.verified.clear()

    def check_whole(self, after: str) -> None:
        for path in self.used():
            assert not path.name.startswith("."), f"{after}: {path}"
            assert (path / "mint-environment.json").exists(), (
                f"{after}: {path}")
            if path not in self.verified:
                found = verify(path)
                assert not found["problems"], f"{after}: {path}: {found}"
                self.verified.add(path)

    def used(self) -> set[Path]:
        """What processes run in, and what is registered."""
        used = {Path(r["environment"]) for r in self.registered().values()}
        used.add(Path(self.system.status()["environment"]["path"]))
        for name, plugin in self.system.plugins().items():
            for instance in plugin["instances"]:
                found = mapped(self.system.data, instance["pid"])
                assert len(found) == 1, f"{name} runs in {found}"
                used |= found
        return used

    def check_clean(self, after: str) -> None:
        """Of what is worked in nothing, of what is kept the newest and, until
        the next installation, the one before."""
        data = self.system.data
        wait_for(lambda: not list(data.glob("*/.tmp-*")),
                 f"nothing left after {after}")
        kept = {Path(r["wheel"]).parent.name
                for r in self.registered().values()}
        there = {p.name for p in (data / "bundles").iterdir()}
        assert kept <= there, f"{after}: {kept} of {there}"
        others = {name.rpartition("-")[0] for name in there - kept}
        assert others <= {f"mint-{self.name}-{version}" for version in
                          (self.before, self.old)}, f"{after}: {others}"
        locks = {p.name for p in (data / "locks").iterdir()}
        environments = self.environments()
        assert locks == {"core.lock"} | {f"{n}.txt" for n in environments}, (
            f"{after}: {locks} {environments}")
        cut = [*data.glob("*.tmp-*"), *data.glob("history/*.tmp-*"),
               *self.system.run_directory.glob("*.tmp-*"),
               *data.glob("upload*/*")]
        assert not cut, f"{after}: {cut}"

    def environments(self) -> set[str]:
        return {p.name for p in (self.system.data / "environments").iterdir()
                if not p.name.startswith(".")}

    def check_end(self) -> None:
        """A supervisor that starts looks for what nobody uses; its time is
        over when the next one looks."""
        for _ in range(2):
            self.age()
            kill_supervisor(self.system)
            self.field.wait_ready()
        self.check_serves("all")
        used = {p.name for p in self.used()}
        wait_for(lambda: self.environments() == used, f"nothing but {used}")
        self.check_clean("all")
        self.system.ctl("verify-env")

    def registered(self) -> dict[str, dict[str, Any]]:
        text = (self.system.data / "registry.json").read_text()
        found: dict[str, dict[str, Any]] = {}
        for record in json.loads(text)["plugins"]:
            found[record["name"]] = record
        return found

    def age(self) -> None:
        """What is not used goes with the next installation, not in an
        hour."""
        then = time.time() - HOUR_SEC
        for note in self.system.data.glob("environments/*/mint-unused"):
            os.utime(note, (then, then))


def mapped(data: Path, pid: int) -> set[Path]:
    """The environments that a process has loaded libraries from."""
    text = Path(f"/proc/{pid}/maps").read_text("utf-8", "replace")
    top = re.escape(str(data / "environments"))
    return {Path(found) for found in
            re.findall(rf" ({top}/[^/\n]+)/[^\n]*", text)}


def verify(environment: Path) -> dict[str, Any]:
    """As mintctl verify-env does for what is registered."""
    done = subprocess.run(
        [os.environ["MINT_TEST_PYTHON"], "-I", "-S", "-B",
         str(ROOT / "plugin_host" / "verify.py"), str(environment)],
        capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
