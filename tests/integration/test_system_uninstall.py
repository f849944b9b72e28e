# SPDX-License-Identifier: MIT
"""A plugin is uninstalled: what goes, what stays, who is in the way."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from moves_harness import (
    BASE,
    PASSWORD,
    PLUGIN,
    echo_version,
    frozen,
    lab_with,
    orders_of,
    settle,
    submit,
    version_of,
)
from system_harness import (
    ADMIN,
    BUILD,
    PLUGINS,
    MintSystem,
    make_bundle,
    raw_request,
    renamed_plugin,
    running_system,
    wait_for,
)
from system_kills import (
    between_supervisors,
    kill_supervisor,
)


@pytest.fixture(scope="module")
def lab() -> Iterator[MintSystem]:
    with lab_with("owner") as system:
        yield system


@pytest.fixture(scope="module")
def bundle(lab: MintSystem) -> Path:
    return echo_version(lab.place, "1.0.0")


@pytest.fixture
def echo(lab: MintSystem, bundle: Path) -> MintSystem:
    """With the plugin installed and ready."""
    if PLUGIN in lab.plugins():
        lab.ctl("start", PLUGIN)
    else:
        lab.install(bundle)
    return lab


@pytest.fixture
def owner(lab: MintSystem) -> Iterator[httpx.Client]:
    with lab.client(lab.login("owner", PASSWORD)) as client:
        yield client


def registry(system: MintSystem) -> dict[str, Any]:
    return json.loads((system.data / "registry.json").read_text())


def places(system: MintSystem, name: str) -> dict[str, Path]:
    """What a plugin has, besides its environment and its wheel."""
    return {
        "data": system.data / "plugin-data" / name,
        "history": system.data / "history" / f"{name}.jsonl",
        "log": system.data / "logs" / f"{name}.log",
        "crashes": system.data / "crashes" / name,
    }


def kept_wheels(system: MintSystem, name: str) -> list[Path]:
    return list((system.data / "bundles").glob(
        f"mint_{name.replace('-', '_')}-*")) + list(
        (system.data / "bundles").glob(f"mint-{name}-*"))


def sockets(system: MintSystem, number: int) -> list[Path]:
    return list((system.run_directory / "s").glob(f"{number}-*.sock"))


def status_of(system: MintSystem, path: str = f"{BASE}/headers") -> int:
    return raw_request(system.port, "GET", path)[0]


def run_files(system: MintSystem) -> dict[str, Any]:
    return json.loads(system.ctl(
        "table", "dump", str(system.run_directory), "--json").stdout)


def data_of(system: MintSystem, name: str = PLUGIN) -> Path:
    """A file of the plugin's, in a directory that nobody may enter."""
    data = places(system, name)["data"]
    path = data / "locked" / "result.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text("result")
    owner = data.stat()
    for each in (path, path.parent):
        os.chown(each, owner.st_uid, owner.st_gid)
    path.parent.chmod(0)
    return path


def test_data_stay(echo: MintSystem, bundle: Path) -> None:
    """All that runs and all that routes goes, at once; the same plugin comes
    back to its data, under its number and uid."""
    before = echo.plugins()[PLUGIN]
    assert status_of(echo) == 200
    result_file = data_of(echo)
    assert sockets(echo, before["id"]) and kept_wheels(echo, "test-echo")

    text = echo.ctl("uninstall", PLUGIN).stdout
    assert text == f"{PLUGIN} is uninstalled; its data are kept\n"
    assert PLUGIN not in echo.plugins()
    assert status_of(echo) == 404
    assert not Path(f"/proc/{before['instances'][0]['pid']}").exists()
    wait_for(lambda: not sockets(echo, before["id"]), "the sockets' end")
    assert PLUGIN not in {r["name"] for r in run_files(echo)["routes"]}
    wait_for(lambda: not kept_wheels(echo, "test-echo"), "the wheel's end")
    assert result_file.exists()
    assert all(places(echo, PLUGIN)[n].exists() for n in ("history", "log"))
    assert not list((echo.data.parent / "tmp").glob(f"{PLUGIN}.*"))

    # again: nothing to do, and no failure; of one that never was, one
    again = echo.ctl_json("uninstall", PLUGIN)
    assert again["unchanged"] is True and again["waits"] is None
    text = echo.ctl("uninstall", "nobody", status=1).stderr
    assert "no plugin \"nobody\" is installed" in text

    # its token is not believed any more, and stands in no run file
    kill_supervisor(echo)
    assert PLUGIN not in echo.plugins() and status_of(echo) == 404

    echo.install(bundle)
    after = echo.plugins()[PLUGIN]
    assert (after["id"], after["uid"]) == (before["id"], before["uid"])
    assert after["state"] == "ready" and status_of(echo) == 200
    assert result_file.exists()
    assert registry(echo)["departed"] == []


def test_purge(echo: MintSystem, bundle: Path) -> None:
    text = echo.ctl("uninstall", PLUGIN, "--mode", "purge", status=1).stderr
    assert "nothing is done" in text and "--yes" in text
    assert echo.plugins()[PLUGIN]["state"] == "ready"

    os.kill(echo.pid(PLUGIN), signal.SIGKILL)
    wait_for(lambda: places(echo, PLUGIN)["crashes"].exists(), "a report")
    echo.ctl("start", PLUGIN)
    data_of(echo)
    number = echo.plugins()[PLUGIN]["id"]
    text = echo.ctl("uninstall", PLUGIN, "--mode", "purge", "--yes").stdout
    assert text == f"{PLUGIN} is uninstalled, and its data are removed\n"
    left = [name for name, path in places(echo, PLUGIN).items()
            if path.exists()]
    assert left == []
    assert registry(echo)["departed"] == []
    text = echo.ctl("uninstall", PLUGIN, status=1).stderr
    assert "no plugin" in text

    # nothing of the old one is the new one's
    echo.install(bundle)
    assert echo.plugins()[PLUGIN]["id"] > number


def test_purge_of_one_that_is_gone(echo: MintSystem) -> None:
    result_file = data_of(echo)
    echo.ctl("uninstall", PLUGIN)
    assert result_file.exists()
    answer = echo.ctl_json("uninstall", PLUGIN, "--mode", "purge", "--yes")
    assert (answer["plugin"], answer["mode"]) == (PLUGIN, "purge")
    assert not places(echo, PLUGIN)["data"].exists()


def test_data_are_for_its_own_package(
    echo: MintSystem, tmp_path: Path
) -> None:
    """Another one with a plugin of that name does not get them, nor the number
    and user they belong to."""
    before = echo.plugins()[PLUGIN]
    result_file = data_of(echo)
    echo.ctl("uninstall", PLUGIN)
    foreign = make_bundle(
        renamed_plugin("echo", "foreign", tmp_path), tmp_path,
        entry_points={"mint.plugins": {
            PLUGIN: "mint_test_foreign.plugin:EchoPlugin"}})
    answer = echo.upload(foreign)
    assert answer["success"] is False and answer["conflict_detected"] is True
    assert "came from package \"mint-test-echo\"" in answer["message"]
    assert result_file.exists() and PLUGIN not in echo.plugins()

    echo.ctl("uninstall", PLUGIN, "--mode", "purge", "--yes")
    echo.install(foreign)
    after = echo.plugins()[PLUGIN]
    assert after["id"] > before["id"] and not result_file.exists()
    assert after["uid"] is None or after["uid"] > before["uid"]
    echo.ctl("uninstall", PLUGIN, "--mode", "purge", "--yes")


def test_names(echo: MintSystem, tmp_path: Path) -> None:
    """A package is found as well as a plugin, but not in the place of one that
    is gone."""
    again = ("uninstall", "mint-test-echo", "--now", "--yes")
    assert echo.ctl_json(*again)["unchanged"] is False
    assert echo.ctl_json(*again)["unchanged"] is True
    text = echo.ctl("uninstall", "nobody", "--now", status=1).stderr
    assert "no plugin \"nobody\" is installed" in text

    project = renamed_plugin("echo", "other", tmp_path)
    about = project / "pyproject.toml"
    about.write_text(about.read_text().replace(
        'name = "mint-test-other"', f'name = "{PLUGIN}"'))
    echo.install(make_bundle(project, tmp_path))
    assert echo.plugins()["test-other"]["distribution"] == PLUGIN
    answer = echo.ctl_json("uninstall", PLUGIN, "--mode", "purge", "--yes")
    assert answer["plugin"] == PLUGIN
    assert not places(echo, PLUGIN)["data"].exists()
    assert echo.plugins()["test-other"]["state"] == "ready"

    # nothing is called so any more but the package
    answer = echo.ctl_json("uninstall", PLUGIN, "--mode", "purge", "--yes")
    assert answer["plugin"] == "test-other"


def test_modes(echo: MintSystem) -> None:
    for mode, word in (("archive", "not built yet"), ("all", "neither")):
        text = echo.ctl("uninstall", PLUGIN, "--mode", mode, status=1).stderr
        assert word in text
    done = echo.ctl("uninstall", PLUGIN, "--mode", "archive", "--json",
                    status=1)
    assert json.loads(done.stdout)["error"]["code"] == "NOT_BUILT"
    assert echo.plugins()[PLUGIN]["state"] == "ready"


def test_work_of_users(echo: MintSystem, owner: httpx.Client) -> None:
    """It is finished first; until then "start" keeps the plugin, and a new
    version is not taken."""
    job = submit(owner, 3600)
    answer = echo.ctl_json("uninstall", PLUGIN)
    assert "1 job" in answer["waits"]
    assert f"mintctl uninstall {PLUGIN} --now" in answer["waits"]
    plugin = echo.plugins()[PLUGIN]
    assert plugin["state"] == "uninstalling"
    assert "keeps it" in plugin["error"]
    echo.ctl("wait")
    answer = echo.upload(echo_version(echo.place, "1.5.0"))
    assert answer["success"] is False and answer["conflict_detected"] is True
    assert "is being uninstalled" in answer["message"]

    echo.ctl("start", PLUGIN)
    assert echo.plugins()[PLUGIN]["state"] == "ready"
    assert version_of(owner) == "1.0.0"
    text = echo.ctl("uninstall", PLUGIN, status=1).stderr
    assert "still ending" in text       # as for "stop"
    echo.ctl("restart", PLUGIN, "--now", "--yes")
    settle(echo)

    job = submit(owner, 3600)
    echo.ctl("uninstall", PLUGIN)
    begin = subprocess.Popen(
        [str(BUILD / "mintctl"), "uninstall", PLUGIN, "--now", "--yes"],
        env={**os.environ, "MINT_VAR": str(echo.var)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = begin.communicate(timeout=60)
    assert begin.returncode == 0, out + err
    assert "would end with 1 job" in err
    assert PLUGIN not in echo.plugins()
    assert owner.get(f"{BASE}/jobs/{job}/result").status_code == 404


def test_the_same_order_again_keeps_its_mode(
    echo: MintSystem, owner: httpx.Client
) -> None:
    submit(owner, 3600)
    answer = echo.ctl_json("uninstall", PLUGIN, "--mode", "purge", "--yes")
    assert answer["waits"] and answer["mode"] == "purge"
    answer = echo.ctl_json("uninstall", PLUGIN)
    assert answer["waits"] and answer["mode"] == "purge"
    with echo.client(echo.login(*ADMIN)) as admin:
        answer = admin.delete(f"/api/plugins/{PLUGIN}").json()
        assert answer["waits"] and answer["mode"] == "purge", answer
    text = echo.ctl("uninstall", PLUGIN, "--now", "--yes").stdout
    assert text == f"{PLUGIN} is uninstalled, and its data are removed\n"
    assert not places(echo, PLUGIN)["data"].exists()


def test_end_of_the_work_is_the_end(
    echo: MintSystem, owner: httpx.Client
) -> None:
    """Without anybody who waits for it, and though the supervisor is killed."""
    submit(owner, 3600)
    assert echo.ctl_json("uninstall", PLUGIN)["waits"]
    kill_supervisor(echo)
    assert echo.plugins()[PLUGIN]["state"] == "uninstalling"
    assert version_of(owner) == "1.0.0"
    os.kill(echo.pid(PLUGIN), signal.SIGKILL)
    wait_for(lambda: PLUGIN not in echo.plugins(), "its end")
    assert status_of(echo) == 404


def test_next_supervisor_goes_on(echo: MintSystem, bundle: Path) -> None:
    """Of an uninstallation that was saved and not begun; of a purge that had
    not ended."""
    with between_supervisors(echo):
        saved = registry(echo)
        record, = (p for p in saved["plugins"] if p["name"] == PLUGIN)
        record.update(removal="keep", stopped=True)
        (echo.data / "registry.json").write_text(json.dumps(saved))
    wait_for(lambda: PLUGIN not in echo.plugins(), "its end")
    assert not sockets(echo, record["id"])

    # killed between the save and what follows it
    echo.install(bundle)
    token = record["token"]
    with between_supervisors(echo):
        saved = registry(echo)
        saved["plugins"] = [p for p in saved["plugins"]
                            if p["name"] != PLUGIN]
        saved["departed"] = [{
            "name": PLUGIN, "distribution": record["distribution"],
            "id": record["id"], "purged": True}]
        (echo.data / "registry.json").write_text(json.dumps(saved))
    wait_for(lambda: registry(echo)["departed"] == [], "the purge")
    assert not places(echo, PLUGIN)["data"].exists()
    wait_for(lambda: not sockets(echo, record["id"]), "the sockets' end")
    assert status_of(echo) == 404
    assert token.encode() not in (echo.run_directory / "identity").read_bytes()


def test_dependants(echo: MintSystem, tmp_path: Path) -> None:
    needs = make_bundle(
        renamed_plugin("echo", "needing", tmp_path), tmp_path,
        replace={'@mint_plugin(analysis_type="custom", ':
                 '@mint_plugin(analysis_type="custom", '
                 'dependencies=["test-echo"], '})
    echo.install(needs)
    text = echo.ctl("uninstall", PLUGIN, status=1).stderr
    assert f"plugin \"{PLUGIN}\" is needed by \"test-needing\"" in text
    assert echo.plugins()[PLUGIN]["state"] == "ready"
    echo.ctl("uninstall", PLUGIN, "--force")
    assert set(echo.plugins()) == {"test-needing"}
    assert status_of(echo, "/api/test-needing/headers") == 200
    echo.ctl("uninstall", "test-needing")


def test_environment_stays_until_the_next_change(
    echo: MintSystem, tmp_path: Path
) -> None:
    """The shared one: nobody else moves, not even at the next start.  A
    package that only the plugin had brought goes with the next plugin."""
    other = make_bundle(renamed_plugin("echo", "other", tmp_path), tmp_path)
    bringer = make_bundle(renamed_plugin("echo", "bringer", tmp_path),
                          tmp_path, requires=["prettytable==3.9.0"])
    own = make_bundle(renamed_plugin("echo", "own", tmp_path), tmp_path,
                      requires=["click<8"])
    for bundle in (other, bringer, own):
        echo.install(bundle)
    environment = Path(echo.plugins()["test-other"]["environment"])
    isolated = Path(echo.plugins()["test-own"]["environment"])
    assert isolated != environment
    echo.ctl("uninstall", "test-bringer")
    echo.ctl("uninstall", "test-own")
    links = {p.name for p in (echo.data / "venvs").iterdir()}
    assert {"test-own", "test-bringer"}.isdisjoint(links)
    assert "test-other" in links
    assert Path(echo.plugins()["test-other"]["environment"]) == environment
    assert list(environment.glob("lib/*/site-packages/prettytable"))

    echo.stop()
    assert "building" not in echo.text
    echo.start()
    assert Path(echo.plugins()["test-other"]["environment"]) == environment

    # another pin of it is no clash any more
    echo.install(make_bundle(
        renamed_plugin("echo", "later", tmp_path), tmp_path,
        requires=["prettytable==3.10.0"]))
    plugins = echo.plugins()
    assert plugins["test-later"]["mode"] == "shared"
    found, = Path(plugins["test-later"]["environment"]).glob(
        "lib/*/site-packages/prettytable-*.dist-info")
    assert "3.10.0" in found.name
    for name in ("test-other", "test-later"):
        assert status_of(echo, f"/api/{name}/headers") == 200
        echo.ctl("uninstall", name)


def test_lost_environment_is_built_without_it(
    echo: MintSystem, tmp_path: Path
) -> None:
    echo.install(make_bundle(renamed_plugin("echo", "lost", tmp_path),
                             tmp_path))
    environment = Path(echo.plugins()[PLUGIN]["environment"])
    echo.ctl("uninstall", "test-lost")
    wait_for(lambda: not kept_wheels(echo, "test-lost"), "the wheel's end")
    echo.stop()
    environment.rename(environment.with_name(".tmp-lost"))
    echo.start()
    assert status_of(echo) == 200


def test_during_an_installation(echo: MintSystem, tmp_path: Path) -> None:
    """Each in its turn: the new version is installed, and then gone."""
    answers: list[Any] = []
    upload = threading.Thread(target=lambda: answers.append(
        echo.upload(echo_version(echo.place, "3.0.0"))))
    upload.start()
    wait_for(lambda: echo.status()["step"], "the installation")
    echo.ctl("uninstall", PLUGIN)
    upload.join()
    assert PLUGIN not in echo.plugins()
    assert status_of(echo) == 404


def test_api(echo: MintSystem, bundle: Path, owner: httpx.Client) -> None:
    path = "/api/plugins/mint-test-echo"
    assert owner.delete(path).status_code == 403
    with echo.client(echo.login(*ADMIN)) as admin:
        assert admin.delete(path, params={"mode": "x"}).status_code == 422
        reply = admin.delete(path, params={"mode": "archive"})
        answer = reply.json()
        assert reply.status_code == 200 and answer["success"] is False
        assert answer["error"] == "NOT_BUILT"
        answer = admin.delete("/api/plugins/nobody").json()
        assert (answer["success"], answer["error"]) == (False, "NOT_FOUND")

        answer = admin.delete(path).json()
        assert answer["success"] is True, answer
        assert answer["name"] == "mint-test-echo"
        assert answer["plugin"] == PLUGIN
        assert answer["message"] == f"{PLUGIN} is uninstalled; its data are " \
            "kept"
        assert answer["restart_required"] is False
        listed = admin.get("/api/plugins").json()
        assert PLUGIN not in {p["entry_point"] for p in listed["installed"]}


def test_stopped_member_of_a_shared_process(tmp_path: Path) -> None:
    """The process that the others are in without it goes on, with the work of
    their users, whatever is ordered of the one that has ended."""
    with running_system({"MINT_PLUGINS__SHARED_PROCESS": "true"}) as system:
        first, second = (f"test-{n}" for n in ("first", "second"))
        for name in ("first", "second"):
            system.install(make_bundle(
                renamed_plugin("echo", name, tmp_path), tmp_path))
        system.ctl("stop", first)
        pid = system.pid(second)
        history = system.ctl_json("history", second)
        system.ctl("stop", first, "--now", "--yes")
        assert system.ctl_json("uninstall", first, "--now",
                               "--yes")["waits"] is None
        assert set(system.plugins()) == {second}
        system.ctl("wait")
        assert system.pid(second) == pid
        assert system.ctl_json("history", second) == history
        assert status_of(system, f"/api/{second}/headers") == 200


def held_plugin(name: str, folder: Path) -> Path:
    """It is not ready while there is a file "hold" among its data."""
    hook = "    def get_routers(self) -> list[Any]:\n"
    return make_bundle(renamed_plugin("echo", name, folder), folder, replace={
        hook: "    async def initialize(self, context=None) -> None:\n"
              "        await super().initialize(context)\n"
              "        hold = os.environ['MINT_PLUGIN_DATA_DIR'] + '/hold'\n"
              "        while os.path.exists(hold):\n"
              "            await asyncio.sleep(0.02)\n\n" + hook})


def test_while_all_are_restarted(echo: MintSystem, tmp_path: Path) -> None:
    """None is left out because one before it has gone."""
    names = [f"test-{n}" for n in ("leaving", "held", "last")]
    for name in ("leaving", "held", "last"):
        echo.install(held_plugin(name, tmp_path))
    last = echo.pid(names[2])
    hold = echo.data / "plugin-data" / names[1] / "hold"
    hold.touch()
    with orders_of(echo) as orders:
        restart = orders("restart", "--all")
        wait_for(lambda: len(echo.plugins()[names[1]]["instances"]) == 2,
                 "the one that is held")
        wait_for(lambda: echo.plugins()[names[0]]["move"] is None,
                 "the end of the one before")
        echo.ctl("uninstall", names[0])
        hold.unlink()
        assert restart.wait(60) == 0
    wait_for(lambda: all(p["move"] is None for p in echo.plugins().values()),
             "the end of all moves", 60)
    assert echo.pid(names[2]) != last
    for name in names[1:]:
        echo.ctl("uninstall", name)


def test_question_to_one_that_goes(echo: MintSystem) -> None:
    """Who asked what it would lose is told, though it cannot answer."""
    pid = echo.pid(PLUGIN)
    with frozen(pid), socket.socket(socket.AF_UNIX) as client:
        echo.ctl("uninstall", PLUGIN)
        client.settimeout(20)
        client.connect(str(echo.run_directory / "supervisor.sock"))
        client.sendall(json.dumps({"id": 1, "op": "activity",
                                   "plugin": PLUGIN}).encode() + b"\n")
        echo.status()               # it has been read before this was
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: PLUGIN not in echo.plugins(), "its end")
        answer = json.loads(client.makefile().readline())
    process, = answer["result"]["processes"]
    assert process["answered"] is False


def test_shared_process(tmp_path: Path) -> None:
    """The others go on, in a process without it."""
    with running_system({"MINT_PLUGINS__SHARED_PROCESS": "true"}) as system:
        names = [f"test-{n}" for n in ("first", "second")]
        for name in ("first", "second"):
            system.install(make_bundle(
                renamed_plugin("echo", name, tmp_path), tmp_path))
        pid = system.pid(names[0])
        assert system.pid(names[1]) == pid
        number = system.plugins()[names[0]]["id"]
        system.ctl("uninstall", names[0])
        assert set(system.plugins()) == {names[1]}
        assert status_of(system, f"/api/{names[0]}/headers") == 404
        assert status_of(system, f"/api/{names[1]}/headers") == 200
        wait_for(lambda: not sockets(system, number), "the sockets' end")

        # the last one, and back
        system.ctl("uninstall", names[1])
        assert system.plugins() == {}
        system.install(make_bundle(
            renamed_plugin("echo", "third", tmp_path), tmp_path))
        assert status_of(system, "/api/test-third/headers") == 200
        system.stop()
        system.start()
        assert status_of(system, "/api/test-third/headers") == 200
