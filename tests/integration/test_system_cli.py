# SPDX-License-Identifier: MIT
"""The unmodified mint command line against the running system."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from system_harness import (
    ADMIN,
    MEMBER,
    PLUGINS,
    MintSystem,
    make_bundle,
    raw_request,
    renamed_plugin,
    wait_for,
)

MINT = Path(sys.executable).parent / "mint"


class CommandLine:
    """One user's, with a configuration directory of its own."""

    def __init__(self, system: MintSystem, home: Path) -> None:
        self.system = system
        self.home = home
        self.credentials = home / "mint" / "credentials.json"

    def __call__(
        self, *arguments: str, status: int = 0, stdin: str = ""
    ) -> str:
        """What it prints; without a terminal, as from a script."""
        done = subprocess.run(
            [str(MINT), *arguments],
            input=stdin,
            env={
                "PATH": os.environ["PATH"], "HOME": str(self.home),
                "XDG_CONFIG_HOME": str(self.home), "LANG": "C.UTF-8",
                "COLUMNS": "200", "NO_COLOR": "1",
            },
            cwd=self.home, capture_output=True, text=True, timeout=150,
            start_new_session=True, check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def login(self, name: str, password: str, status: int = 0) -> str:
        return self(
            "auth", "login", "--url", self.system.url, "--username", name,
            stdin=f"{password}\n", status=status,
        )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def signed_in(shared_system: MintSystem, home: Path) -> Iterator[CommandLine]:
    """As the administrator."""
    mint = CommandLine(shared_system, home)
    text = mint.login(*ADMIN)
    assert f"Logged in as {ADMIN[0]} (admin)" in text
    assert shared_system.url in text
    yield mint
    assert "Logged out" in mint("auth", "logout")


@pytest.fixture
def mint(system: MintSystem, signed_in: CommandLine) -> CommandLine:
    return signed_in


def test_wrong_password(system: MintSystem, tmp_path: Path) -> None:
    mint = CommandLine(system, tmp_path)
    text = mint.login(MEMBER[0], "not the password", status=1)
    assert "Login failed: [401]" in text and "request_id=" in text
    assert not mint.credentials.exists()


def test_status(mint: CommandLine) -> None:
    stored = json.loads(mint.credentials.read_text())["hosts"]
    assert list(stored) == [mint.system.url]
    text = mint("auth", "status")
    assert mint.system.url in text and ADMIN[0] in text and "admin" in text
    assert "could not verify" not in text
    text = mint("status")
    assert mint.system.url in text
    assert "unreachable" not in text.lower()


def test_plugin_list(mint: CommandLine) -> None:
    text = mint("plugin", "list")
    for name in ("peak-table", "legacy-report"):
        assert name in text and f"mint-plugin-{name}" in text
    listed = json.loads(mint("plugin", "list", "--json"))
    assert {p["name"] for p in listed["loaded"]} \
        == set(mint.system.plugins())


def test_upload_deploy_and_call(
    mint: CommandLine, tmp_path: Path
) -> None:
    """A plugin comes, and its next version takes its place."""
    system = mint.system
    project = renamed_plugin("echo", "deployed", tmp_path)
    # what an endpoint of each version answers differs
    old = '"pid": os.getpid()}\n'
    bundles = {
        version: make_bundle(
            project, tmp_path / version, version=version,
            replace={"return {\"headers\": _headers(request), " + old:
                     "return {\"headers\": _headers(request), "
                     f"\"version\": \"{version}\", " + old},
        ) for version in ("1.0.0", "1.1.0")
    }

    def seen() -> str:
        status, _, body = raw_request(
            system.port, "GET", "/api/test-deployed/headers"
        )
        assert status == 200, body
        return json.loads(body)["version"]

    text = mint("plugin", "upload", str(bundles["1.0.0"]))
    assert "FAILED" not in text
    assert "Installed test-deployed 1.0.0" in text
    assert seen() == "1.0.0"
    first = system.instance("test-deployed")

    # the same one again: no work, and no failure
    mint("plugin", "upload", str(bundles["1.0.0"]))
    assert system.instance("test-deployed") == first

    text = mint("deploy", "--bundle", str(bundles["1.1.0"]))
    assert "Deployed" in text and "/test-deployed" in text
    assert seen() == "1.1.0"
    plugin = system.plugins()["test-deployed"]
    assert plugin["version"] == "1.1.0"
    assert plugin["instances"][0]["pid"] != first["pid"]
    wait_for(lambda: not os.path.exists(f"/proc/{first['pid']}"),
             "the end of the old process")
    assert len(system.plugins()["test-deployed"]["instances"]) == 1
    assert "1.1.0" in mint("plugin", "list")

    # by the name of its package; a word, not a traceback, when it is not there
    text = mint("plugin", "uninstall", "mint-test-deployed", "-y")
    assert "test-deployed is uninstalled; its data are kept" in text
    assert "test-deployed" not in mint("plugin", "list")
    assert raw_request(system.port, "GET",
                       "/api/test-deployed/headers")[0] == 404
    text = mint("plugin", "uninstall", "nobody", "-y", status=1)
    assert "FAILED: no plugin \"nobody\" is installed" in text
    assert "Traceback" not in text


def test_upload_of_what_is_there(mint: CommandLine, tmp_path: Path) -> None:
    """It fails, is built anew under its old version, and is mended."""
    system = mint.system
    name = "test-mended"
    project = renamed_plugin("misbehaving", "mended", tmp_path)
    old = "IMPORT_FAILURE = "
    broken = make_bundle(project, tmp_path / "broken", replace={
        old: "if os.path.exists(os.environ.get(\"MINT_PLUGIN_DATA_DIR\", \"\")"
             " + \"/broken\"):\n    raise OSError(\"broken\")\n\n" + old})
    mended = make_bundle(project, tmp_path / "mended")
    text = mint("plugin", "upload", str(broken))
    assert f"Installed {name} 1.0.0 (shared)" in text
    assert "does not run" not in text

    (system.data / "plugin-data" / name / "broken").touch()
    os.kill(system.pid(name), signal.SIGKILL)
    wait_for(lambda: system.plugins()[name]["state"] == "failed",
             "the plugin to fail for good")
    # at once, not when it is tried again
    begin = time.monotonic()
    text = mint("plugin", "upload", str(broken))
    assert time.monotonic() - begin < 60
    assert f"{name} 1.0.0 is installed already (shared), but it does not " \
        "run: OSError: broken" in " ".join(text.split())

    text = mint("plugin", "upload", str(mended), status=1)
    assert "installed already, with other contents" in text
    assert "--force" in text
    assert system.plugins()[name]["state"] == "failed"
    text = mint("plugin", "upload", "--force", str(mended))
    assert f"Installed {name} 1.0.0 (shared)" in text
    assert "does not run" not in text
    assert system.plugins()[name]["state"] == "ready"


def test_bad_bundle_says_why(mint: CommandLine, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mint"
    bad.write_bytes(b"not a zip")
    before = mint.system.settled_plugins()
    text = mint("plugin", "upload", str(bad), status=1)
    assert "FAILED: Invalid .mint bundle" in text
    text = mint("deploy", "--to", mint.system.url, "--bundle",
                str(make_bundle(
                    PLUGINS / "echo", tmp_path, version="9.9.9",
                    requires_mint=">=99",
                )), status=1)
    assert "Error:" in text and "99" in text
    assert mint.system.settled_plugins() == before


def test_experiments(mint: CommandLine) -> None:
    name = "from the command line"
    text = mint("experiment", "create", name, "--type", "mass_spectrometry",
                "--notes", "a note")
    made = [word.strip("#():,.") for word in text.split()]
    number = next(word for word in made if word.isdigit())
    text = mint("experiment", "get", number)
    assert name in text and "mass_spectrometry" in text and "a note" in text
    assert name in mint("experiment", "list")
    listed = json.loads(mint("experiment", "list", "--search", name,
                             "--json"))
    rows = listed["experiments"] if isinstance(listed, dict) else listed
    assert [str(row["id"]) for row in rows] == [number]
    text = mint("experiment", "get", "999999", status=1)
    assert "[404]" in text


def test_member_may_not_upload(
    system: MintSystem, tmp_path: Path, bundles: dict[str, Path]
) -> None:
    mint = CommandLine(system, tmp_path)
    assert f"Logged in as {MEMBER[0]} (member)" in mint.login(*MEMBER)
    before = system.settled_plugins()
    text = mint("plugin", "upload", str(bundles["test-echo"]), status=1)
    assert "[403]" in text
    assert system.settled_plugins() == before
