# SPDX-License-Identifier: MIT
"""What an installation would do, said beforehand; and nothing is done."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from system_harness import (
    BUILD,
    INSTALL_DEADLINE_SEC,
    PLUGINS,
    MintSystem,
    make_bundle,
    make_place,
    renamed_plugin,
    wait_for,
)
from system_kills import supervisor_pid

ECHO = PLUGINS / "echo"

DESCRIPTION = """# planned

## Runtime requirements

R 4.3 or newer, with the package `xcms`:

```sh
# not a heading
Rscript -e 'install.packages("xcms")'
```

## License
MIT
"""


def traces(system: MintSystem) -> dict[str, Any]:
    """Everything that an installation leaves, apart from uv's cache; what is
    on its way out has a name of its own."""
    wait_for(lambda: not list(system.data.glob("*/.tmp-*")),
             "the removal of working directories")
    files = {
        str(path.relative_to(system.data)): path.lstat().st_ino
        for folder in ("environments", "venvs", "bundles", "locks")
        for path in (system.data / folder).glob("*")
    }
    plugins = system.settled_plugins()
    registry = system.data / "registry.json"
    return {
        "files": files,
        "registry": registry.exists() and registry.read_bytes(),
        "uploads": sorted(str(p) for p in system.data.glob("upload*/*")),
        "plugins": {n: (p["version"], p["environment"],
                        [i["pid"] for i in p["instances"]])
                    for n, p in plugins.items()},
    }


def changes(plan: dict[str, Any], kind: str) -> dict[str, Any]:
    return {p["name"]: p.get("version") or (p["from"], p["to"])
            for p in plan["packages"][kind]}


@pytest.fixture
def folder() -> Iterator[Path]:
    """For bundles: where the supervisor's user can read them."""
    place = make_place()
    yield place
    shutil.rmtree(place)


# ---- what it says -----------------------------------------------------------


def test_shared(system: MintSystem, folder: Path) -> None:
    bundle = make_bundle(
        renamed_plugin("echo", "planned", folder), folder,
        requires=["prettytable>=3.10,<4"],
        entry_points={
            "mint.plugins": {
                "test-planned": "mint_test_planned.plugin:EchoPlugin"},
            "mint.requires": {"sh": "dash:sh", "no-such-program": "x:y",
                              "octave": "x:y"},
        },
        description=DESCRIPTION,
    )
    before = traces(system)
    plan = system.ctl_json("plan", str(bundle))
    assert traces(system) == before

    assert (plan["name"], plan["version"]) == ("test-planned", "1.0.0")
    assert plan["installed"] is None and not plan["unchanged"]
    assert plan["mode"] == "shared"
    assert plan["reason"].startswith("shared because everything it needs fits")
    assert any(d.startswith("prettytable") for d in plan["details"])
    assert plan["verdict"]["resolver"] == "fits"
    assert plan["verdict"]["engine"]["verdict"] == "fits"

    shared = system.plugins()["peak-table"]["environment"]
    assert plan["environment"] == shared
    assert changes(plan, "add") == {"mint-test-planned": "1.0.0"}
    assert not plan["packages"]["change"] and not plan["packages"]["remove"]
    marker = json.loads((Path(shared) / "mint-environment.json").read_text())
    assert plan["packages"]["same"] == len(marker["packages"])

    assert plan["download"] == {
        "bytes": 0, "known_bytes": 0, "packages": [], "doubt": None}
    assert 0 < plan["disk"]["bytes"] < plan["disk"]["free_bytes"]
    assert plan["requires_mint"] == ">=1.2.0b1"
    found, debian = shutil.which("octave", path="/usr/bin"), None
    if found is None and Path("/etc/debian_version").exists():
        debian = "octave"
    assert plan["programs"] == [
        {"name": "sh", "path": "/usr/bin/sh", "debian": None},
        {"name": "no-such-program", "path": None, "debian": None},
        {"name": "octave", "path": found, "debian": debian}]
    section = DESCRIPTION.split("requirements\n\n")[1].split("\n\n## L")[0]
    assert plan["runtime_requirements"] == section
    assert plan["routes_prefix"] is None and plan["capabilities"] is None

    text = system.ctl("plan", str(bundle)).stdout
    assert text.startswith("test-planned 1.0.0: a new plugin\nshared because ")
    assert "\n  engine: fits; resolver: fits\n" in text
    assert "\n  add        mint-test-planned 1.0.0\n" in text
    assert "\ndownload     nothing, all of it is here\n" in text
    assert "\nprograms     sh: /usr/bin/sh\n" in text
    assert "\n             no-such-program: not found on this machine\n" in text
    if debian is not None:
        assert ("\n             octave: not found on this machine; Debian has "
                "it in package octave\n") in text
    assert "\n  # not a heading\n" in text


def test_isolated(system: MintSystem, folder: Path) -> None:
    """The same words as after the installation."""
    name = "test-apart"
    bundle = make_bundle(renamed_plugin("echo", "apart", folder), folder,
                         requires=["prettytable>=2.5,<3"])
    before = traces(system)
    plan = system.ctl_json("plan", str(bundle))
    assert traces(system) == before
    assert name not in system.plugins()

    assert plan["mode"] == "isolated" and plan["environment"] is None
    assert "required (prettytable<4,>=3.10) by peak-table" in plan["reason"]
    clash, = plan["verdict"]["engine"]["clashes"]
    assert clash["package"] == "prettytable"
    assert plan["verdict"]["resolver"] == "clashes"
    added = changes(plan, "add")
    assert added["prettytable"].startswith("2.")
    assert added["mint-test-apart"] == "1.0.0" and "mint-sdk" in added
    assert plan["packages"]["same"] == 0

    system.install(bundle)
    explained = system.ctl_json("explain", name)
    assert {k: explained[k] for k in ("mode", "reason", "details", "verdict")
            } == {k: plan[k] for k in ("mode", "reason", "details", "verdict")}
    marker = json.loads((Path(system.plugins()[name]["environment"])
                         / "mint-environment.json").read_text())
    assert {re.sub(r"[-_.]+", "-", p["name"]).lower(): p["version"]
            for p in marker["packages"]} == added

    # the next version would stay in that environment
    newer = make_bundle(renamed_plugin("echo", "apart", folder / "newer"),
                        folder, version="1.1.0",
                        requires=["prettytable>=2.5,<3"])
    plan = system.ctl_json("plan", str(newer))
    assert plan["environment"] == system.plugins()[name]["environment"]
    assert changes(plan, "change") == {"mint-test-apart": ("1.0.0", "1.1.0")}
    assert not plan["packages"]["add"] and not plan["packages"]["remove"]


def test_upgrade(system: MintSystem, folder: Path) -> None:
    bundle = make_bundle(ECHO, folder, version="1.1.0")
    before = traces(system)
    plan = system.ctl_json("plan", str(bundle))
    assert traces(system) == before
    now = system.plugins()["test-echo"]
    assert plan["version"] == "1.1.0" and not plan["unchanged"]
    installed = plan["installed"]
    assert installed["version"] == now["version"] == "1.0.0"
    assert installed["mode"] == "shared"
    assert installed["routes_prefix"] == now["routes_prefix"]
    asked = {k for k, v in now["metadata"]["capabilities"].items()
             if v is True}
    assert set(installed["capabilities"]) == asked
    assert changes(plan, "change") == {"mint-test-echo": ("1.0.0", "1.1.0")}
    text = system.ctl("plan", str(bundle)).stdout
    assert text.startswith("test-echo 1.1.0: an upgrade from 1.0.0 to 1.1.0\n")
    assert f"(version 1.0.0: {now['routes_prefix']}" in text


def test_the_same_again(
    system: MintSystem, bundles: dict[str, Path]
) -> None:
    before = traces(system)
    plan = system.ctl_json("plan", str(bundles["legacy-report"]))
    assert plan["unchanged"] and plan["installed"]["version"] == "0.1.0"
    explained = system.ctl_json("explain", "legacy-report")
    assert plan["reason"] == explained["reason"]
    assert plan["verdict"] == explained["verdict"]
    assert plan["download"]["bytes"] == plan["disk"]["bytes"] == 0
    assert not any(plan["packages"][k] for k in ("add", "change", "remove"))
    text = system.ctl("plan", str(bundles["legacy-report"])).stdout
    assert "is installed already, nothing would change\n" in text

    forced = system.ctl_json("plan", str(bundles["legacy-report"]), "--force")
    assert not forced["unchanged"]
    assert traces(system) == before


def test_installed_by_its_name(
    system: MintSystem, admin: httpx.Client
) -> None:
    """As if it came today; a list that has changed is not read for that."""
    for name, plugin in system.settled_plugins().items():
        before = traces(system)
        plan = system.ctl_json("plan", name)
        assert (plan["mode"], plan["unchanged"]) == (plugin["mode"], False)
        assert plan["installed"]["version"] == plugin["version"]
        assert not any(plan["packages"][k]
                       for k in ("add", "change", "remove"))
        text = system.ctl("plan", name).stdout
        assert f"{name} {plugin['version']}: decided again\n" in text
        answer = admin.post(f"/api/plugins/{name}/plan",
                            timeout=INSTALL_DEADLINE_SEC).json()
        assert answer["message"] == (
            f"{name} {plugin['version']} is installed, and would be now "
            f"({plugin['mode']})")
        del answer["plan"]["disk"], plan["disk"]
        assert answer["plan"] == plan
        assert traces(system) == before
    nobody = system.ctl("plan", "test-nobody", status=1)
    assert "test-nobody" in nobody.stderr and "installed" in nobody.stderr
    assert admin.post("/api/plugins/test-nobody/plan").json()[
        "success"] is False
    missing = system.ctl("plan", "missing.mint", status=1)
    assert "missing.mint" in missing.stderr


# ---- what cannot be installed -----------------------------------------------


def broken(folder: Path) -> Path:
    path = folder / "broken.mint"
    path.write_bytes(b"this is no archive\n")
    return path


def bad_program(folder: Path) -> Path:
    return make_bundle(ECHO, folder, version="9.0", entry_points={
        "mint.plugins": {"test-echo": "mint_test_echo.plugin:EchoPlugin"},
        "mint.requires": {"/bin/sh": "x:y"}})


def newer_platform(folder: Path) -> Path:
    return make_bundle(ECHO, folder, version="9.0", requires_mint=">=99.1")


def impossible(folder: Path) -> Path:
    return make_bundle(ECHO, folder, version="9.0",
                       requires=["prettytable==999"])


@pytest.mark.parametrize(
    "make", [broken, bad_program, newer_platform, impossible]
)
def test_refused_as_installing_it(
    system: MintSystem, folder: Path, make: Any
) -> None:
    bundle = make(folder)
    before = traces(system)
    planned = system.ctl("plan", str(bundle), "--json", status=1)
    assert traces(system) == before
    installed = system.ctl("install", str(bundle), "--json", status=1)
    error = json.loads(planned.stdout)["error"]
    assert error["code"] in ("INVALID", "CONFLICT")
    assert error == json.loads(installed.stdout)["error"]
    assert traces(system) == before


# ---- over the API -----------------------------------------------------------


def post_plan(client: httpx.Client, bundle: Path) -> httpx.Response:
    return client.post(
        "/api/plugins/plan",
        files={"file": (bundle.name, bundle.read_bytes(),
                        "application/octet-stream")},
        timeout=INSTALL_DEADLINE_SEC,
    )


def test_api(system: MintSystem, admin: httpx.Client, folder: Path) -> None:
    bundle = make_bundle(ECHO, folder, version="1.2.0")
    before = traces(system)
    answer = post_plan(admin, bundle).json()
    assert answer["success"] is True, answer
    assert answer["message"] == "test-echo 1.2.0 would be installed (shared)"
    assert answer["restart_required"] is False
    expected = system.ctl_json("plan", str(bundle))
    del answer["plan"]["disk"], expected["disk"]
    assert answer["plan"] == expected

    answer = post_plan(admin, newer_platform(folder)).json()
    assert answer["success"] is False and answer["conflict_detected"] is True
    assert "needs MINT >=99.1" in answer["message"]
    assert traces(system) == before


def test_api_is_for_those_who_may_install(
    system: MintSystem, member: httpx.Client, folder: Path
) -> None:
    bundle = make_bundle(ECHO, folder, version="1.2.0")
    assert post_plan(member, bundle).status_code == 403
    with system.client() as nobody:
        assert post_plan(nobody, bundle).status_code == 401


# ---- sizes, and an end at any moment: a system of its own -------------------


class Index(http.server.ThreadingHTTPServer):
    """A package index: one package states its size, the other does not."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), IndexHandler)
        self.wheels = {name: wheel(name) for name in ("heavy", "light")}
        self.fetched: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/simple"


class IndexHandler(http.server.BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        path = self.path.strip("/").split("/")
        name = path[1].removeprefix("mint-test-") if len(path) > 1 else ""
        if name not in self.server.wheels:
            self.send_error(404)
            return
        file, data, metadata = self.server.wheels[name]
        if len(path) == 2:
            row = {"filename": file, "url": f"{file}",
                   "hashes": {"sha256": hashlib.sha256(data).hexdigest()},
                   "core-metadata":
                       {"sha256": hashlib.sha256(metadata).hexdigest()}}
            if name == "heavy":
                row["size"] = len(data)
            body = json.dumps({"meta": {"api-version": "1.1"},
                               "name": f"mint-test-{name}", "files": [row],
                               "versions": ["1.0"]}).encode()
            kind = "application/vnd.pypi.simple.v1+json"
        elif path[2].endswith(".metadata"):
            body, kind = metadata, "application/octet-stream"
        else:
            self.server.fetched.append(file)
            body, kind = data, "application/octet-stream"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def wheel(name: str) -> tuple[str, bytes, bytes]:
    stem = f"mint_test_{name}-1.0"
    metadata = (f"Metadata-Version: 2.1\nName: mint-test-{name}\n"
                "Version: 1.0\n").encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(f"mint_test_{name}.py", "#" * 70_000)
        archive.writestr(f"{stem}.dist-info/METADATA", metadata)
        archive.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\n"
                         "Generator: test\nRoot-Is-Purelib: true\n"
                         "Tag: py3-none-any\n")
        archive.writestr(f"{stem}.dist-info/RECORD", "")
    return f"{stem}-py3-none-any.whl", stream.getvalue(), metadata


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    server = Index()
    yield server
    server.shutdown()
    server.server_close()


class Lab(MintSystem):
    """Its uv stops in a plan's dry run while there is a file "hold"."""

    def __init__(self, index: Index) -> None:
        place = make_place()
        self.hold = place / "hold"
        self.held = place / "held"
        self.held.touch()
        self.held.chmod(0o666)
        script = place / "uv"
        super().__init__(
            place, MINT_ENVIRONMENTS__UV=str(script),
            MINT_PLUGINS__EXTRA_INDEX_URLS=index.url,
        )
        script.write_text(
            "#!/bin/sh\n"
            f'if [ -e {self.hold} ]; then case "$*" in *"--dry-run --verbose"*'
            f')\necho $$ >> {self.held}\nexec sleep 600;; esac; fi\n'
            f'exec {self.var}/program/bin/uv "$@"\n'
        )
        script.chmod(0o755)

    def pids(self) -> list[int]:
        return [int(line) for line in self.held.read_text().split()]

    def begin(self, bundle: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(BUILD / "mintctl"), "plan", str(bundle)],
            env={**os.environ, "MINT_VAR": str(self.var)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )


@pytest.fixture(scope="module")
def lab(index: Index) -> Iterator[Lab]:
    system = Lab(index)
    try:
        system.start()
        yield system
    finally:
        system.end()


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_download(lab: Lab, index: Index, folder: Path) -> None:
    size = len(index.wheels["heavy"][1])
    before = traces(lab)
    bundle = make_bundle(ECHO, folder, requires=["mint-test-heavy"])
    plan = lab.ctl_json("plan", str(bundle))
    assert plan["download"] == {
        "bytes": size, "known_bytes": size, "doubt": None,
        "packages": [{"name": "mint-test-heavy", "version": "1.0",
                      "bytes": size}]}
    assert plan["disk"]["bytes"] > 4 * size
    assert changes(plan, "add")["mint-test-heavy"] == "1.0"
    text = lab.ctl("plan", str(bundle)).stdout
    assert f"\ndownload     1 package, {size / 1024:.1f} KiB\n" in text

    both = make_bundle(ECHO, folder, version="1.1",
                       requires=["mint-test-heavy", "mint-test-light"])
    plan = lab.ctl_json("plan", str(both))
    assert plan["download"]["bytes"] is None and plan["disk"]["bytes"] is None
    assert plan["download"]["known_bytes"] == size
    assert {p["name"]: p["bytes"] for p in plan["download"]["packages"]} == {
        "mint-test-heavy": size, "mint-test-light": None}
    text = lab.ctl("plan", str(both)).stdout
    assert ("\ndownload     2 packages, unknown: the package index does not "
            "state all sizes\n") in text
    assert traces(lab) == before
    assert index.fetched == []


def test_ended_at_any_moment(lab: Lab, folder: Path) -> None:
    """Ctrl-C, and a supervisor that is killed: nothing is left, and whoever
    waits has its turn."""
    bundle = make_bundle(ECHO, folder, version="2.0")
    before = traces(lab)
    count = len(lab.pids())
    lab.hold.touch()
    waiting = []
    try:
        first = lab.begin(bundle)
        waiting.append(first)
        wait_for(lambda: len(lab.pids()) == count + 1, "uv to be held")

        # one that waits, and gives up
        second = lab.begin(bundle)
        waiting.append(second)
        assert second.stderr is not None
        assert second.stderr.readline() == (
            "waiting until the installation under way has ended\n")
        second.send_signal(signal.SIGINT)
        assert second.wait(10) == 130

        first.send_signal(signal.SIGINT)
        assert first.wait(10) == 130
        wait_for(lambda: is_gone(lab.pids()[-1]), "the end of uv")
        assert traces(lab) == before

        # asked again of the next supervisor
        third = lab.begin(bundle)
        waiting.append(third)
        wait_for(lambda: len(lab.pids()) == count + 2, "uv to be held")
        assert list(lab.data.glob("bundles/.tmp-*"))
        os.kill(supervisor_pid(lab), signal.SIGKILL)
        wait_for(lambda: len(lab.pids()) == count + 3, "uv to be held")
        lab.hold.unlink()
        third.send_signal(signal.SIGINT)
        assert third.wait(10) == 130
        wait_for(lambda: all(map(is_gone, lab.pids())), "the end of uv")
        assert traces(lab) == before
    finally:
        lab.hold.unlink(missing_ok=True)
        for process in waiting:
            process.kill()
            process.wait()

    assert lab.ctl_json("plan", str(bundle))["version"] == "2.0"
    assert traces(lab) == before
