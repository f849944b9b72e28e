# SPDX-License-Identifier: MIT
"""The real mint command line against mint-platform."""

import json
import os
import pathlib
import subprocess
import sys
import zipfile

import pytest

from platform_harness import PASSWORD, platform, plugin

MINT = pathlib.Path(sys.executable).parent / "mint"


class Cli:
    """mint with a home of its own."""

    def __init__(self, it, home):
        self.it = it
        self.home = home

    def __call__(self, *arguments, status=0, **more):
        done = subprocess.run(
            [MINT, *arguments], text=True, capture_output=True, timeout=60,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home),
                 "XDG_CONFIG_HOME": str(self.home / "config"),
                 "NO_COLOR": "1", "COLUMNS": "200"}, cwd=self.home, **more)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def login(self, password=PASSWORD, status=0, user="admin"):
        # without a terminal the password is read from stdin
        return self("auth", "login", "--url", self.it.public, "--username",
                    user, status=status, input=password + "\n",
                    start_new_session=True)


@pytest.fixture(scope="module")
def mint(tmp_path_factory):
    with platform(plugins=[plugin("gen-probe", version="0.1.0")]) as it:
        cli = Cli(it, tmp_path_factory.mktemp("home"))
        cli.login()
        yield cli


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "mint-plugin-gen-probe-0.1.0.mint"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps({
            "format_version": 1, "plugin": {
                "name": "mint-plugin-gen-probe", "version": "0.1.0",
                "description": "", "requires_mint": ">=1.2",
                "has_frontend": False},
            "wheels": {"main": "w.whl", "dependencies": []}}))
        archive.writestr("w.whl", b"w")
    return path


def installs(mint, **failure):
    def install(request):
        mint.bundle = pathlib.Path(request["bundle"]).read_bytes()
        if failure:
            return {"ok": False, "error": failure}
        return {"name": "gen-probe", "distribution": "mint-plugin-gen-probe",
                "version": "0.1.0", "mode": "shared", "reason": "fits",
                "replaced": None}
    mint.it.supervisor.handlers["install"] = install


def test_login_status(mint):
    assert "Logged in as admin (admin)" in mint.login()
    text = mint("auth", "status")
    assert mint.it.public in text and "could not verify" not in text
    assert "admin" in text
    text = mint("status")
    assert "healthy" in text.lower() or "ok" in text.lower(), text


def test_wrong_password(mint):
    text = mint.login("wrong-password", status=1)
    assert "Login failed: [401] Incorrect username or password" in text
    assert "request_id=" in text
    mint.login()


def test_debug_health(mint):
    assert "healthy" in mint("debug", "health")


def test_plugin_list(mint):
    text = mint("plugin", "list")
    assert "gen-probe" in text and "0.1.0" in text and "/gen-probe" in text
    body = json.loads(mint("plugin", "list", "--json"))
    assert body["installed"][0]["package_name"] == "mint-plugin-gen-probe"


def test_plugin_upload(mint, bundle):
    installs(mint)
    text = mint("plugin", "upload", str(bundle))
    assert "FAILED" not in text and "gen-probe" in text
    assert mint.bundle == bundle.read_bytes()
    installs(mint, code="CONFLICT", message="prettytables 1 and 2 clash")
    text = mint("plugin", "upload", str(bundle), status=1)
    assert "FAILED: prettytables 1 and 2 clash" in text
    assert "--force" in text and "Traceback" not in text
    installs(mint, code="INVALID", message="not a ZIP file")
    text = mint("plugin", "upload", str(bundle), status=1)
    assert "FAILED: not a ZIP file" in text and "--force" not in text


def test_deploy(mint, bundle):
    installs(mint)
    text = mint("deploy", "--bundle", str(bundle), "--to", mint.it.public,
                "--timeout", "20")
    assert "Deployed" in text and "(prefix: /gen-probe)" in text
    body = json.loads(mint("deploy", "--bundle", str(bundle), "--to",
                           mint.it.public, "--json").strip().splitlines()[-1])
    assert body["success"] is True and body["version"] == "0.1.0"
    installs(mint, code="CONFLICT", message="it clashes")
    text = mint("deploy", "--bundle", str(bundle), "--to", mint.it.public,
                status=1)
    assert "it clashes" in text and "--force" in text


def test_platform_restart(mint):
    mint.it.supervisor.handlers["restart_all"] = lambda _: {"boot_id": "b2"}
    text = mint("platform", "restart", "-y")
    assert "FAILED" not in text


def test_experiments(mint):
    text = mint("experiment", "create", "From the CLI", "--type", "lcms",
                "--notes", "written by mint")
    assert "From the CLI" in text
    rows = json.loads(mint("experiment", "list", "--json"))
    number = rows[0]["id"]
    assert rows[0]["name"] == "From the CLI"
    text = mint("experiment", "get", str(number))
    assert "written by mint" in text and "lcms" in text
    assert "From the CLI" in mint("experiment", "list", "--mine", "--since",
                                  "2020-01-01", "--search", "cli")
    assert json.loads(mint("experiment", "list", "--before", "2020-01-01",
                           "--json")) == []
    text = mint("experiment", "get", "424242", status=1)
    assert "[404]" in text and "NotFoundError" in text
    text = mint("experiment", "update", str(number), "--name", "x", status=1)
    assert "[501]" in text


def test_users(mint):
    text = mint("admin", "user", "create", "carol", "--password", PASSWORD,
                "--email", "carol@example.org", "--role", "viewer",
                "--first-name", "Carol")
    assert "carol" in text
    users = json.loads(mint("admin", "user", "list", "--json"))
    carol = next(u for u in users if u["username"] == "carol")
    assert carol["role"] == "viewer"
    assert "carol" in mint("admin", "user", "list")
    assert "carol" in mint("admin", "user", "get", str(carol["id"]))
    text = mint("admin", "user", "create", "carol", "--password", PASSWORD,
                status=1)
    assert "ConflictError" in text
    text = mint("admin", "user", "create", "x", "--password", "short",
                status=1)
    assert "[422]" in text
    mint("admin", "user", "deactivate", str(carol["id"]))
    mint("admin", "user", "activate", str(carol["id"]))


def test_a_short_lived_session_is_renewed(tmp_path):
    """The command line refreshes what ends within a day."""
    with platform(config={"auth": {"tokenExpireMinutes": 60}}) as it:
        mint = Cli(it, tmp_path)
        mint.login()
        path = tmp_path / "config" / "mint" / "credentials.json"
        before = json.loads(path.read_text())["hosts"][it.public]["token"]
        mint("experiment", "list")
        after = json.loads(path.read_text())["hosts"][it.public]["token"]
        assert before != after


def test_member_is_told_what_is_missing(tmp_path, bundle):
    with platform() as it:
        it.create_user(it.login(), "bob")
        mint = Cli(it, tmp_path)
        assert "Logged in as bob (member)" in mint.login(user="bob")
        text = mint("plugin", "upload", str(bundle), status=1)
        assert "The permission plugins.install is needed" in text
