# SPDX-License-Identifier: MIT
"""Plugins with real dependencies come, change and go in random order: whatever
has worked works after each step, in what it has asked for."""

from __future__ import annotations

import concurrent.futures
import random
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from long_packages import draw, modules, ranges
from long_record import Record
from packaging.specifiers import SpecifierSet
from system_harness import (
    ADMIN,
    MintSystem,
    make_bundle,
    renamed_plugin,
    running_system,
    wait_for,
)

NAMES = tuple(f"tenant{n}" for n in range(10))
AT_ONCE = 4


@dataclass
class Tenant:
    """One plugin name: what is installed under it."""
    name: str
    version: str = ""
    wanted: dict[str, str] = field(default_factory=dict)
    environment: str = ""       # in which it was seen to work

    @property
    def plugin(self) -> str:
        return f"test-{self.name}"


class Street:
    """A system, and what is known of its plugins."""

    def __init__(self, system: MintSystem, record: Record, seed: int) -> None:
        self.system = system
        self.record = record
        self.rng = random.Random(seed)
        self.wheels = ranges()
        self.tenants: dict[str, Tenant] = {}
        self.serial = 0

    # ---- steps ----------------------------------------------------------

    def step(self) -> None:
        """One change, and what has become of everybody."""
        free = [n for n in NAMES if n not in self.tenants]
        kinds = ["install"] * 4 * bool(free)
        if len(self.tenants) > 2:
            kinds += ["upgrade"] * 3 + ["remove"] * 3
        kind = self.rng.choice(kinds or ["upgrade"])
        if kind == "install":
            self.put(kind, Tenant(self.rng.choice(free)))
        elif kind == "upgrade":
            self.put(kind, self.tenants[self.any()])
        else:
            self.remove(self.tenants[self.any()])
        self.check()

    def any(self) -> str:
        return self.rng.choice(sorted(self.tenants))

    def put(self, kind: str, tenant: Tenant) -> None:
        self.serial += 1
        version, wanted = f"{self.serial}.0", draw(self.rng, self.wheels)
        answer = self.system.upload(self.bundle(tenant, version, wanted))
        plugin = self.system.plugins().get(tenant.plugin)
        step: dict[str, Any] = {
            "kind": kind, "plugin": tenant.plugin, "version": version,
            "wanted": wanted, "message": answer["message"],
        }
        if answer["success"]:
            assert plugin is not None, answer
            step |= {
                "mode": plugin["mode"], "reason": plugin["reason"],
                "verdict": self.system.ctl_json(
                    "explain", tenant.plugin)["verdict"],
            }
            self.tenants[tenant.name] = Tenant(tenant.name, version, wanted)
            if plugin["state"] != "ready":
                self.record.breaks(f"{tenant.plugin} {version} does not run: "
                                   f"{answer['message']}")
        else:
            # nothing has changed; that it did not is looked at as ever
            step["kind"] = "refused"
        self.record.add(**step)

    def remove(self, tenant: Tenant) -> None:
        """By the command or by the API, with its data or without.  One of
        which an older process is still ending would be refused."""
        wait_for(lambda: self.system.plugins()[tenant.plugin]["move"] is None,
                 f"the end of the move of {tenant.plugin}")
        purge = self.rng.random() < 0.3
        if self.rng.random() < 0.5:
            mode = ["--mode", "purge", "--yes"] if purge else []
            self.system.ctl("uninstall", tenant.plugin, *mode)
        else:
            with self.system.client(self.system.login(*ADMIN)) as admin:
                answer = admin.delete(
                    f"/api/plugins/mint-test-{tenant.name}",
                    params={"mode": "purge" if purge else "keep"}).json()
            assert answer["success"] is True, answer
        del self.tenants[tenant.name]
        self.record.add(kind="remove", plugin=tenant.plugin, purge=purge)
        assert tenant.plugin not in self.system.plugins()
        with self.system.client() as client:
            status = client.get(f"/api/{tenant.plugin}/packages").status_code
        assert status == 404

    def bundle(
        self, tenant: Tenant, version: str, wanted: dict[str, str]
    ) -> Path:
        folder = self.system.place / "bundles" / str(self.serial)
        project = renamed_plugin("tenant", tenant.name, folder)
        return make_bundle(
            project, folder, version=version,
            requires=[f"{name}{spec}" for name, spec in wanted.items()],
            replace={
                'VERSION = "1.0.0"': f'VERSION = "{version}"',
                "MODULES: dict[str, str] = {}":
                    f"MODULES: dict[str, str] = {modules(wanted)!r}",
            })

    # ---- what must hold ---------------------------------------------------

    def check(self) -> None:
        """As they run; then, where the environment is another one than that
        in which a plugin was seen, in that one."""
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self.look, self.tenants.values()))
            plugins = self.system.plugins()
            moved = [t for t in self.tenants.values() if t.environment
                     and plugins[t.plugin]["environment"] != t.environment]
            list(pool.map(self.restart, moved))
        for tenant in self.tenants.values():
            tenant.environment = plugins[tenant.plugin]["environment"]

    def restart(self, tenant: Tenant) -> None:
        done = self.system.ctl("restart", tenant.plugin, status=None)
        if done.returncode != 0:
            self.record.breaks(f"{tenant.plugin} {tenant.version} does not "
                               f"start any more: {done.stderr}")
        self.look(tenant)

    def look(self, tenant: Tenant) -> None:
        who = f"{tenant.plugin} {tenant.version}"
        with self.system.client() as client:
            reply = client.get(f"/api/{tenant.plugin}/packages")
        if reply.status_code != 200:
            self.record.breaks(f"{who} answers {reply.status_code}: "
                               f"{reply.text[:200]}")
            return
        answer = reply.json()
        if answer["version"] != tenant.version:
            self.record.breaks(f"{who} is {answer['version']}")
        for name, spec in tenant.wanted.items():
            version = answer["packages"][name]
            if not SpecifierSet(spec).contains(version, prereleases=True):
                self.record.breaks(f"{who} asked for {name}{spec} and has "
                                   f"{version}")
            # not that of the interpreter outside, nor of another environment
            if not answer["files"][name].startswith(answer["prefix"]):
                self.record.breaks(f"{who} has {name} from "
                                   f"{answer['files'][name]}")


@pytest.mark.timeout(0)
def test_street(seed: int, steps: int, record: Record) -> None:
    with running_system() as system:
        street = Street(system, record, seed)
        for _ in range(steps):
            street.step()
            shutil.rmtree(system.place / "bundles", ignore_errors=True)
        assert system.stop() == 0
        system.start()
        street.check()
        text = system.log("supervisor")
        assert not re.search("error .*cannot be published", text), text
    assert record.broken == []
