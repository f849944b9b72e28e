# SPDX-License-Identifier: MIT
"""mintctl against a supervisor played by this test: output, exit status,
deadlines, a supervisor that goes away, Ctrl-C."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("MINT_BUILD", "build"))
MINTCTL = str((BUILD / "mintctl").resolve())
MINT_TABLE = str((BUILD / "mint-table").resolve())

STATUS = {
    "supervisor_pid": 101,
    "keeper_pid": 100,
    "started_at": "2026-01-02T03:04:05.000Z",
    "version": "0.1.0",
    "state": "running",
    "run_directory": "/run/x",
    "state_directory": "/var/x",
    "address": "http://127.0.0.1:8001",
    "step": None,
    "platform": {"state": "ready", "pid": 103},
    "nginx": {"state": "ready", "pid": 104, "managed": True},
    "environment": {"state": "ready"},
    "identity": {"sequence": 5, "users": 2},
    "protection": [],
    "boot_id": "b",
    "plugins": {"total": 1, "ready": 1},
}

PLUGIN = {
    "id": 1,
    "name": "peak",
    "version": "1.2.0",
    "mode": "shared",
    "state": "ready",
    "routes_prefix": "/peak",
    "error": None,
    "instances": [{"pid": 4711, "state": "ready"}],
}


class Supervisor:
    """Answers requests by ``answers[op]``: a function of the request that
    yields answers without id; None closes the connection."""

    def __init__(self, path):
        self.path = str(path)
        self.answers = {}
        self.requests = []
        self.listener = socket.socket(socket.AF_UNIX)
        directory = os.open(os.path.dirname(self.path), os.O_PATH)
        self.listener.bind(f"/proc/self/fd/{directory}/supervisor.sock")
        os.close(directory)
        self.listener.listen(64)
        self.is_closed = False
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(
                target=self.serve, args=(connection,), daemon=True
            ).start()

    def serve(self, connection):
        with connection, connection.makefile("rb") as lines:
            for line in lines:
                request = json.loads(line)
                self.requests.append(request)
                for answer in self.answers[request["op"]](request):
                    if answer is None:
                        return
                    text = json.dumps({"id": request["id"], **answer})
                    try:
                        connection.sendall(text.encode() + b"\n")
                    except OSError:
                        return

    def close(self):
        if not self.is_closed:
            self.is_closed = True
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.thread.join(5)
            os.unlink(self.path)


def always(result):
    return lambda request: [{"ok": True, "result": result}]


def refuse(code, message):
    error = {"code": code, "message": message}
    return lambda request: [{"ok": False, "error": error}]


@pytest.fixture
def supervisor(tmp_path):
    (tmp_path / "run").mkdir()
    fake = Supervisor(tmp_path / "run" / "supervisor.sock")
    fake.answers["status"] = always(STATUS)
    fake.answers["plugins"] = always({"plugins": [PLUGIN]})
    yield fake
    fake.close()


@pytest.fixture
def mintctl(tmp_path):
    def run(*arguments, **options):
        environment = {"MINT_VAR": str(tmp_path), "PATH": os.environ["PATH"]}
        environment.update(options.pop("env", {}))
        return subprocess.run(
            [MINTCTL, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            **options,
        )

    return run


def start(tmp_path, *arguments):
    return subprocess.Popen(
        [MINTCTL, *arguments],
        env={"MINT_VAR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


# ---- usage -----------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, said",
    [
        ([], "usage: mintctl COMMAND"),
        (["nothing"], "no command nothing"),
        (["table"], "missing: dump|diff"),
        (["table", "drop"], '"dump" and "diff"'),
        (["table", "dump", "a", "b"], "one directory"),
        (["table", "diff"], "needs a directory"),
        (["table", "diff", "a", "b", "c"], "one argument too many: c"),
        (["explain"], "missing: PLUGIN"),
        (["explain", "a", "b"], "too many: b"),
        (["status", "x"], "too many: x"),
        (["restart", "--all", "x"], "too many: x"),
        (["status", "--force"], "does not belong to the command status"),
        (["status", "-n", "3"], "does not belong"),
        (["logs", "x", "-n", "0"], "from 1 to 100000, not 0"),
        (["logs", "x", "-n", "9x"], "not 9x"),
        (["logs", "x", "-n", "100001"], "not 100001"),
        (["trace"], "missing: REQUEST"),
        (["status", "--level", "warn"], "does not belong"),
        (["status", "--timeout", "-1"], "not -1"),
        (["status", "--unheard"], "unheard"),
    ],
)
def test_wrong_usage(mintctl, arguments, said):
    result = mintctl(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert said in result.stderr


def test_help(mintctl):
    result = mintctl("--help")
    assert result.returncode == 0 and result.stderr == ""
    commands = (
        "status plugins explain logs trace crashes restart install plan doctor "
        "support stop wait"
    )
    for command in commands.split():
        assert f"\n  {command} " in result.stdout
        about = mintctl(command, "--help")
        assert about.returncode == 0
        assert about.stdout.startswith(f"usage: mintctl {command}")
    assert "--force" in mintctl("install", "-h").stdout
    assert "--force" not in mintctl("status", "-h").stdout
    assert mintctl("--version").stdout.startswith("mintctl ")


def test_not_running(mintctl, tmp_path):
    for command in (["status"], ["stop"], ["explain", "x"]):
        result = mintctl(*command)
        assert result.returncode == 3
        assert "is not running" in result.stderr
        assert f"{tmp_path}/run/supervisor.sock" in result.stderr

    # a socket that nobody listens to any more
    (tmp_path / "run").mkdir()
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "run" / "supervisor.sock"))
    dead.close()
    assert mintctl("status").returncode == 3
    result = mintctl("status", "--json")
    assert result.returncode == 3
    assert json.loads(result.stdout)["error"]["code"] == "UNAVAILABLE"


# ---- where the socket is ---------------------------------------------


def test_socket_option_and_place(mintctl, supervisor, tmp_path):
    elsewhere = {"MINT_VAR": "/nonexistent"}
    assert mintctl("status").returncode == 0
    assert mintctl("status", env=elsewhere).returncode == 3
    path = supervisor.path
    assert mintctl("status", "--socket", path, env=elsewhere).returncode == 0
    assert mintctl("--socket", path, "status", env=elsewhere).returncode == 0

    # ./var of a clone
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "var").symlink_to(tmp_path)
    unset = {"MINT_VAR": ""}
    assert mintctl("status", env=unset, cwd=clone).returncode == 0


def test_long_path(mintctl, tmp_path):
    deep = tmp_path / ("d" * 120)
    (deep / "run").mkdir(parents=True)
    fake = Supervisor(deep / "run" / "supervisor.sock")
    fake.answers["status"] = always(STATUS)
    try:
        result = mintctl("status", env={"MINT_VAR": str(deep)})
        assert result.returncode == 0, result.stderr
    finally:
        fake.close()


# ---- status and plugins ----------------------------------------------


def test_status(mintctl, supervisor):
    result = mintctl("status")
    assert result.returncode == 0 and result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0] == "mint 0.1.0 is running at http://127.0.0.1:8001"
    assert "supervisor pid 101, keeper pid 100" in result.stdout
    assert "  nginx     ready, pid 104" in lines
    assert "  platform  ready, pid 103" in lines
    assert "  plugins   1 of 1 ready" in lines
    assert "  users     2" in lines
    assert "missing" not in result.stdout
    assert len(lines) <= 10

    supervisor.answers["status"] = always(
        STATUS
        | {
            "state": "starting",
            "step": "building the environment",
            "protection": ["no root", "no Landlock"],
            "nginx": {"state": "not managed", "pid": 0, "managed": False},
            "platform": {"state": "failed", "pid": 0, "error": "died"},
        }
    )
    text = mintctl("status").stdout
    assert "mint 0.1.0 is starting at" in text
    assert "  now       building the environment\n" in text
    assert "  missing   no root\n            no Landlock\n" in text
    assert "  nginx     not managed" in text
    assert "  platform  failed, pid 0: died\n" in text


def test_status_json(mintctl, supervisor):
    result = mintctl("status", "--json")
    assert json.loads(result.stdout) == STATUS
    assert supervisor.requests == [{"id": 1, "op": "status"}]


def test_plugins(mintctl, supervisor):
    broken = PLUGIN | {
        "name": "a-much-longer-name",
        "mode": "isolated",
        "state": "failed",
        "error": "it died 5 times",
        "instances": [],
    }
    supervisor.answers["plugins"] = always({"plugins": [PLUGIN, broken]})
    lines = mintctl("plugins").stdout.splitlines()
    assert lines[0].split() == "NAME VERSION MODE STATE PID PREFIX".split()
    assert lines[1].split() == "peak 1.2.0 shared ready 4711 /peak".split()
    assert lines[2].split()[3:] == ["failed", "-", "/peak"]
    assert len({line.index("/peak") for line in lines[1:3]}) == 1
    assert lines[4] == "a-much-longer-name: it died 5 times"

    supervisor.answers["plugins"] = always({"plugins": []})
    assert mintctl("plugins").stdout == "no plugins are installed\n"

    many = [PLUGIN | {"name": f"p{i}"} for i in range(150)]
    supervisor.answers["plugins"] = always({"plugins": many})
    text = mintctl("plugins").stdout
    assert all(f"\np{i} " in text for i in range(150))


def test_explain(mintctl, supervisor):
    supervisor.answers["explain"] = always(
        {
            "plugin": "iso",
            "mode": "isolated",
            "reason": "needs tabulate >= 1",
            "details": ["tabulate 0.9 is installed"],
        }
    )
    assert mintctl("explain", "iso").stdout == (
        "iso is isolated: needs tabulate >= 1\n  tabulate 0.9 is installed\n"
    )
    assert supervisor.requests[0]["plugin"] == "iso"


TRACEBACK = (
    "Traceback (most recent call last):\n"
    "  File \"plugin.py\", line 7, in initialize\n"
    "ValueError: no\n"
)
RESISTING = {
    "state": "resisting", "cause": "upgrade", "since": "2026-01-01T00:00:00Z",
    "error": "ValueError: no\nand more", "traceback": TRACEBACK,
    "again": False, "serves": "1.1.0", "refused": "1.2.0",
}


@pytest.mark.parametrize("changes,expected", [
    ({}, "version 1.1.0 serves, version 1.2.0 was refused"),
    ({"serves": "1.2.0"}, "the process from before serves, the next one was "
                          "refused"),
    ({"serves": None}, "the process from before serves, the next one was "
                       "refused"),
])
def test_a_version_that_is_refused(mintctl, supervisor, changes, expected):
    """In a line; the traceback is elsewhere."""
    plugin = PLUGIN | {"state": "resisting", "error": RESISTING["error"],
                       "move": RESISTING | changes}
    supervisor.answers["plugins"] = always({"plugins": [plugin]})
    lines = mintctl("plugins").stdout.splitlines()
    assert lines[3:] == [
        f"peak: {expected} 2026-01-01T00:00:00Z: ValueError: no; "
        "\"mintctl explain peak\" shows the traceback"
    ]

    supervisor.answers["explain"] = always({
        "plugin": "peak", "mode": "shared", "reason": "it fits",
        "details": [], "move": RESISTING | changes,
    })
    assert mintctl("explain", "peak").stdout.endswith(TRACEBACK)


def test_a_version_that_is_lost(mintctl, supervisor):
    """Neither one serves."""
    plugin = PLUGIN | {"state": "failed", "error": "1.1.0 is gone",
                       "move": RESISTING}
    supervisor.answers["plugins"] = always({"plugins": [plugin]})
    lines = mintctl("plugins").stdout.splitlines()
    assert lines[3:] == ["peak: 1.1.0 is gone"]


# ---- failures --------------------------------------------------------


def test_a_refusal(mintctl, supervisor):
    supervisor.answers["explain"] = refuse("NOT_FOUND", "no plugin \"x\"")
    result = mintctl("explain", "x")
    assert result.returncode == 1
    assert result.stderr == "mintctl: no plugin \"x\"\n"
    assert result.stdout == ""

    result = mintctl("explain", "x", "--json")
    assert result.returncode == 1
    assert json.loads(result.stdout) == {
        "error": {"code": "NOT_FOUND", "message": "no plugin \"x\""}
    }

    supervisor.answers["explain"] = refuse("UNAVAILABLE", "no process yet")
    assert mintctl("explain", "x").returncode == 1


def test_a_supervisor_that_says_nothing(mintctl, supervisor):
    wait = threading.Event()
    supervisor.answers["status"] = lambda request: [wait.wait(20) and None]
    began = time.monotonic()
    result = mintctl("status", "--timeout", "1")
    assert result.returncode == 1
    assert "did not answer in time" in result.stderr
    assert 0.9 < time.monotonic() - began < 10
    wait.set()


def test_a_supervisor_that_comes_back(mintctl, supervisor):
    """Questions are asked again, orders are not."""
    calls = []

    def twice_gone(request):
        calls.append(request)
        if len(calls) < 3:
            return [None]
        return [{"ok": True, "result": STATUS}]

    supervisor.answers["status"] = twice_gone
    assert mintctl("status").returncode == 0
    assert len(calls) == 3

    calls.clear()
    supervisor.answers["restart"] = twice_gone
    result = mintctl("restart", "peak")
    assert result.returncode == 1
    assert "went away before it answered" in result.stderr
    assert len(calls) == 1


def test_what_listens_is_no_supervisor(mintctl, supervisor, tmp_path):
    supervisor.serve = lambda connection: (
        connection.sendall(b"SSH-2.0\r\n"),
        connection.close(),
    )
    result = mintctl("status")
    assert result.returncode == 1
    assert "not the supervisor" in result.stderr


# ---- orders ----------------------------------------------------------


def test_restart(mintctl, supervisor):
    supervisor.answers["restart"] = lambda request: [
        {"progress": "restarting"},
        {"ok": True, "result": {"plugin": "peak"}},
    ]
    result = mintctl("restart", "peak")
    assert result.returncode == 0
    assert result.stderr == "restarting\n"
    assert result.stdout == "peak is ready again\n"

    supervisor.answers["restart_all"] = always({"boot_id": "c"})
    assert mintctl("restart", "--all").returncode == 0
    assert supervisor.requests[-1]["op"] == "restart_all"


@pytest.mark.parametrize("command,operation", [
    ("restart", "restart"), ("stop", "halt"), ("drain", "halt"),
])
def test_what_ends_at_once(mintctl, supervisor, command, operation):
    """Is said first, and done with a word."""
    process = {"role": "current", "seat": "0a", "pid": 4711, "text": "1 job"}
    supervisor.answers["activity"] = always(
        {"plugin": "peak", "processes": [process]})
    supervisor.answers[operation] = always({"plugin": "peak", "waits": None})
    result = mintctl(command, "peak", "--now", stdin=subprocess.DEVNULL)
    assert result.returncode == 1
    assert "(pid 4711) would end with 1 job" in result.stderr
    assert "--yes" in result.stderr
    assert [r["op"] for r in supervisor.requests] == ["activity"]

    result = mintctl(command, "peak", "--now", "--yes")
    assert result.returncode == 0
    assert supervisor.requests[-1]["op"] == operation
    assert supervisor.requests[-1]["now"] is True

    # nothing to lose: nobody is asked, and without --now nobody ever is
    process["text"] = "nothing"
    assert mintctl(command, "peak", "--now",
                   stdin=subprocess.DEVNULL).returncode == 0
    count = len(supervisor.requests)
    assert mintctl(command, "peak").returncode == 0
    assert len(supervisor.requests) == count + 1


def test_install(mintctl, supervisor, tmp_path):
    result = mintctl("install", str(tmp_path / "absent.mint"))
    assert result.returncode == 1
    assert "absent.mint" in result.stderr
    assert supervisor.requests == []

    (tmp_path / "p.mint").write_text("x")
    supervisor.answers["install"] = always(
        {
            "name": "peak",
            "distribution": "peak-plugin",
            "version": "2.0",
            "mode": "shared",
            "reason": "everything fits",
            "replaced": "1.0",
        }
    )
    result = mintctl("install", "p.mint", "--force", cwd=tmp_path)
    assert result.returncode == 0
    assert result.stdout == (
        "peak 2.0 is installed (was 1.0)\nshared: everything fits\n"
    )
    request = supervisor.requests[0]
    assert request["bundle"] == os.path.realpath(tmp_path / "p.mint")
    assert request["force"] is True
    mintctl("install", "p.mint", cwd=tmp_path)
    assert supervisor.requests[1]["force"] is False

    supervisor.answers["install"] = always(
        {
            "name": "peak",
            "version": "2.0",
            "mode": "shared",
            "reason": "everything fits",
            "replaced": None,
            "unchanged": True,
            "state": "failed",
            "error": "RuntimeError: boom",
        }
    )
    assert mintctl("install", "p.mint", cwd=tmp_path).stdout == (
        "peak 2.0 is installed already\n"
        "shared: everything fits\n"
        "it does not run: RuntimeError: boom\n"
    )


def test_stop_waits_until_nobody_listens(tmp_path, supervisor):
    supervisor.answers["stop"] = always({})
    process = start(tmp_path, "stop")
    wait_for(lambda: supervisor.requests)
    time.sleep(0.3)
    assert process.poll() is None
    supervisor.close()
    out, said = process.communicate(timeout=20)
    assert process.returncode == 0
    assert out == "stopped\n" and said == "stopping\n"


def test_stop_that_does_not_end(mintctl, supervisor):
    supervisor.answers["stop"] = always({})
    result = mintctl("stop", "--timeout", "1")
    assert result.returncode == 1
    assert "has not stopped in time" in result.stderr


# ---- logs ------------------------------------------------------------


def entry(i, name="peak", **more):
    """The line of a log file with that number."""
    return {
        "time": f"2026-01-02T03:04:05.{i:06}Z",
        "level": "info",
        "plugin": name,
        "stream": "output",
        "message": f"line {i}",
        **more,
    }


def shown(line, with_name=False):
    name = f"{line['plugin']}: " if with_name else ""
    more = f" request_id={line['request_id']}" if "request_id" in line else ""
    return (f"{line['time'][:23]}Z {line['level']:5} {name}"
            f"{line['message']}{more}")


def micro(i):
    return 1767323045000000 + i


class Logs:
    """Log files, and the part of them that the supervisor remembers."""

    def __init__(self, supervisor, directory):
        self.directory = directory
        self.ring = []
        self.last = 0
        directory.mkdir(parents=True)
        supervisor.answers["logs"] = self.answer

    def write(self, *lines, kept=True, name=None):
        for line in lines:
            self.last = max(self.last, int(line["time"][20:26]))
            self.ring = [*self.ring, line][-200:]
            if kept:
                path = self.directory / f"{name or line['plugin']}.log"
                with open(path, "a") as stream:
                    stream.write(json.dumps(line) + "\n")

    def answer(self, request):
        until = micro(self.last)
        after = request.get("after", 0)
        lines = [
            line for line in self.ring
            if micro(int(line["time"][20:26])) > after
            and request.get("plugin") in (None, line["plugin"])
        ]
        return [{"ok": True, "result": {
            "lines": lines[-200:] if after else lines[-request["lines"]:],
            "until": until, "directory": str(self.directory),
            "access_log": str(self.directory / "access.log"),
        }}]


@pytest.fixture
def logs(supervisor, tmp_path):
    return Logs(supervisor, tmp_path / "data" / "logs")


def test_logs(mintctl, logs):
    lines = [entry(i) for i in range(500)]
    logs.write(*lines)
    text = mintctl("logs", "peak", "-n", "3").stdout
    assert text.splitlines() == [shown(line) for line in lines[-3:]]
    assert len(mintctl("logs", "peak").stdout.splitlines()) == 20
    result = mintctl("logs", "--plugin", "peak", "--json", "-n", "2")
    assert json.loads(result.stdout) == {"lines": lines[-2:]}
    # further back than the supervisor remembers
    text = mintctl("logs", "peak", "-n", "400").stdout
    assert text.splitlines() == [shown(line) for line in lines[-400:]]


def test_logs_of_all_in_one_stream(mintctl, logs):
    lines = [entry(i, name=("a", "b", "c")[i % 3]) for i in range(30)]
    for line in lines[::3] + lines[1::3] + lines[2::3]:
        logs.write(line)
    text = mintctl("logs", "-n", "12").stdout
    assert text.splitlines() == [shown(x, True) for x in lines[-12:]]


def test_logs_filtered(mintctl, logs):
    logs.write(*[
        entry(i, level=("info", "warn", "error")[i % 3],
              **({"request_id": "r-1"} if i % 5 == 0 else {}))
        for i in range(60)
    ])
    assert len(mintctl("logs", "-n", "99").stdout.splitlines()) == 60
    for level, count in (("debug", 60), ("warn", 40), ("ERROR", 20)):
        text = mintctl("logs", "-n", "99", "--level", level).stdout
        assert len(text.splitlines()) == count
    text = mintctl("logs", "--request-id", "r-1", "-n", "99").stdout
    assert len(text.splitlines()) == 12
    text = mintctl("logs", "--request-id", "r-1", "--level", "error").stdout
    assert [int(x.split("line ")[1].split()[0]) for x in text.splitlines()] \
        == [5, 20, 35, 50]
    for arguments in (["peak", "--plugin", "peak"], ["--level", "loud"]):
        result = mintctl("logs", *arguments)
        assert result.returncode == 2 and result.stdout == ""


def test_logs_go_back_through_rotated_files(mintctl, logs):
    for number, name in enumerate(["peak.log.2", "peak.log.1", "peak.log"]):
        with open(logs.directory / name, "w") as stream:
            for i in range(100):
                line = entry(number * 100 + i, text="x" * 3000)
                stream.write(json.dumps(line) + "\n")
    logs.last = 299
    out = mintctl("logs", "peak", "-n", "250", "--json").stdout
    assert [x["message"] for x in json.loads(out)["lines"]] \
        == [f"line {i}" for i in range(50, 300)]


def test_logs_that_are_not_on_the_disk(mintctl, logs):
    """A full disk: what the supervisor remembers is shown all the same."""
    logs.write(*[entry(i) for i in range(0, 10)])
    logs.write(*[entry(i) for i in range(10, 15)], kept=False)
    logs.write(*[entry(i) for i in range(15, 20)])
    text = mintctl("logs", "peak").stdout
    assert text.splitlines() == [shown(entry(i)) for i in range(20)]


def test_logs_with_broken_lines(mintctl, logs):
    logs.write(entry(1))
    with open(logs.directory / "peak.log", "ab") as stream:
        stream.write(b"{\"time\": \n\0\xff\n" + b"y" * 700_000 + b"\n\n{}\n")
    logs.write(entry(2))
    with open(logs.directory / "peak.log", "ab") as stream:
        stream.write(b"{\"time\":\"20")
    assert mintctl("logs", "peak").stdout.splitlines() \
        == [shown(entry(1)), shown(entry(2))]


def test_logs_of_a_system_that_does_not_run(mintctl, logs, supervisor):
    logs.write(*[entry(i) for i in range(5)])
    supervisor.close()
    result = mintctl("logs", "-n", "2")
    assert result.returncode == 0
    assert "not running" in result.stderr
    assert str(logs.directory) in result.stderr
    assert result.stdout.splitlines() \
        == [shown(entry(i), True) for i in (3, 4)]


@pytest.mark.parametrize("as_json", [False, True])
def test_logs_follow(tmp_path, supervisor, logs, as_json):
    """Every line once: a file that grows, is rotated and comes new, lines
    that reached no file."""
    logs.write(*[entry(i) for i in range(190)])
    arguments = ["logs", "peak", "-f", "-n", "2"] + ["--json"] * as_json
    process = start(tmp_path, *arguments)
    wait_for(lambda: len(supervisor.requests) >= 2)
    logs.write(*[entry(i) for i in range(190, 600)])
    (logs.directory / "peak.log").rename(logs.directory / "peak.log.1")
    logs.write(*[entry(i) for i in range(600, 610)])
    seen = len(supervisor.requests)
    wait_for(lambda: len(supervisor.requests) >= seen + 2)
    logs.write(*[entry(i) for i in range(610, 620)], kept=False)
    seen = len(supervisor.requests)
    wait_for(lambda: len(supervisor.requests) >= seen + 2)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=20)
    assert process.returncode == 0 and said == ""
    expected = [entry(i) for i in range(188, 620)]
    if as_json:
        assert [json.loads(line) for line in out.splitlines()] == expected
    else:
        assert out.splitlines() == [shown(e) for e in expected]


# ---- trace -----------------------------------------------------------


def test_trace(mintctl, logs):
    """Edge, plugin and platform in order of time, as they say themselves."""
    logs.write(
        entry(5, "peak", request_id="r-1"),
        entry(6, "peak", request_id="r-2"),
        entry(7, "platform", request_id="r-1",
              logged_at="2026-01-02T03:04:05.000004Z"),
    )
    with open(logs.directory / "access.log", "wb") as stream:
        for number in (b"r-1", b"r-2"):
            stream.write(
                b'{"msec":1767323046.003,"seconds":1.001,"status":"200",'
                b'"method":"GET","path":"/api/peak/\xff","plugin":"peak",'
                b'"seat":"3-0a","user":"7","address":"127.0.0.1","waited":"",'
                b'"answered":"0.9","completed":"OK","bytes":10,"reject":"",'
                b'"request_id":"' + number + b'","trace_id":""}\n'
            )
    lines = mintctl("trace", "r-1").stdout.splitlines()
    assert [line[:24] for line in lines] == [
        "2026-01-02T03:04:05.000Z", "2026-01-02T03:04:05.000Z",
        "2026-01-02T03:04:05.002Z", "2026-01-02T03:04:06.003Z",
    ]
    assert [line.split()[2] for line in lines] \
        == ["platform:", "peak:", "edge:", "edge:"]
    assert "GET /api/peak/? from 127.0.0.1, user 7" in lines[2]
    assert "200 after 1.001 s, by peak (3-0a)" in lines[3]
    result = mintctl("trace", "r-3")
    assert result.returncode == 1 and "no line of request" in result.stderr


# ---- wait ------------------------------------------------------------


def test_wait(mintctl, supervisor):
    steps = iter(["one", "one", "two", None])

    def status(request):
        step = next(steps)
        state = "starting" if step else "running"
        result = STATUS | {"state": state, "step": step}
        return [{"ok": True, "result": result}]

    supervisor.answers["status"] = status
    result = mintctl("wait")
    assert result.returncode == 0
    assert result.stderr == "one\ntwo\n"
    assert result.stdout.startswith("mint 0.1.0 is running")


def test_wait_names_what_failed(mintctl, supervisor):
    supervisor.answers["status"] = always(
        STATUS | {"plugins": {"total": 2, "ready": 1}}
    )
    broken = PLUGIN | {"name": "bad", "state": "failed", "error": "no module"}
    supervisor.answers["plugins"] = always({"plugins": [PLUGIN, broken]})
    result = mintctl("wait")
    assert result.returncode == 1
    assert "bad is failed: no module" in result.stderr


def test_wait_gives_up(mintctl, supervisor, tmp_path):
    supervisor.answers["status"] = always(
        STATUS | {"state": "starting", "step": "building"}
    )
    result = mintctl("wait", "--timeout", "1")
    assert result.returncode == 1
    assert "not ready after 1 seconds, at: building" in result.stderr

    supervisor.close()
    result = mintctl("wait", "--timeout", "1")
    assert result.returncode == 3


def test_wait_for_one_that_starts_later(tmp_path):
    (tmp_path / "run").mkdir()
    process = start(tmp_path, "wait")
    time.sleep(0.3)
    assert process.poll() is None
    fake = Supervisor(tmp_path / "run" / "supervisor.sock")
    fake.answers["status"] = always(STATUS)
    try:
        process.communicate(timeout=20)
        assert process.returncode == 0
    finally:
        fake.close()


# ---- run files, without a supervisor ----------------------------------

TABLES = {
    "plugins": 8,
    "seats": [
        {"index": 6, "plugin_id": 3, "address": "/s/3-0a", "generation": 4},
        {"index": 7, "plugin_id": 3, "address": "/s/3-0b"},
    ],
    "pins": [{"plugin_id": 3, "user_id": 7, "seat": 6}],
    "routes": [{"plugin_id": 3, "prefix": "/tiny", "name": "tiny"}],
    "roles": [{"slug": "member"}],
    "users": [{"id": 7, "username": "al", "role": "member"}],
    "keys": [{"id": "k1", "secret": "c2VjcmV0LW9mLXRoZS1rZXk"}],
    "plugin_tokens": {"3": "token-of-tiny"},
    "edge_secret": "secret-of-the-edge",
}
HIDDEN = ("c2VjcmV0LW9mLXRoZS1rZXk", "token-of-tiny", "secret-of-the-edge")


@pytest.fixture
def tables(tmp_path):
    def write(name, **changes):
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        subprocess.run(
            [MINT_TABLE, "write", directory, "-"],
            input=json.dumps(TABLES | changes),
            text=True,
            check=True,
            timeout=60,
        )
        return directory

    return write


def test_table_dump(mintctl, tables):
    tables("run")
    shown = mintctl("table", "dump")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "/tiny" in shown.stdout and '"user_id": 7' in shown.stdout

    result = mintctl("table", "dump", "--json")
    dump = json.loads(result.stdout)
    assert dump["pins"] == TABLES["pins"]
    assert dump["seats"][0]["generation"] == 4
    for hidden in HIDDEN:
        assert hidden not in shown.stdout + result.stdout

    other = tables("other", pins=[])
    named = mintctl("table", "dump", str(other), "--json")
    assert json.loads(named.stdout)["pins"] == []


def test_table_diff(mintctl, tables):
    running = tables("run")
    other = tables("other", edge_secret="changed", keys=[
        {"id": "k1", "secret": "YW5vdGhlcg"}, {"id": "k2", "secret": "bmV3"}])
    result = mintctl("table", "diff", str(other))
    assert result.returncode == 1
    assert result.stderr == ""
    assert result.stdout.splitlines() == [
        "/keys/0/secret: differs (secret)",
        "/keys/1: only in the second",
        "/edge_secret: differs (secret)",
    ]

    same = mintctl("table", "diff", str(running), "--json")
    assert (same.returncode, json.loads(same.stdout)) == (0, [])

    subprocess.run([MINT_TABLE, "seat", other, "6", "draining"], check=True,
                   timeout=60)
    subprocess.run([MINT_TABLE, "pin", other, "3", "7", "none"], check=True,
                   timeout=60)
    changes = json.loads(
        mintctl("table", "diff", str(running), str(other), "--json").stdout)
    assert changes[:2] == [
        {"path": "/seats/0/state", "from": "ready", "to": "draining"},
        {"path": "/pins/0", "from": TABLES["pins"][0], "to": None},
    ]


def test_table_of_a_broken_directory(mintctl, tables, tmp_path):
    absent = mintctl("table", "dump")
    assert absent.returncode == 1
    assert absent.stderr.count("No such file") == 4

    running = tables("run")
    (running / "seats").write_bytes(b"x" * 500)
    broken = mintctl("table", "dump")
    assert broken.returncode == 1
    assert "seats: " in broken.stderr and "/tiny" in broken.stdout
    assert mintctl("table", "diff", str(running)).returncode == 1


# ---- Ctrl-C ----------------------------------------------------------


@pytest.fixture
def environments(supervisor):
    """Two of a system, and a function that makes an interpreter of what it is
    to print; every user reaches them."""
    root = Path(tempfile.mkdtemp(prefix="mint-e-"))
    root.chmod(0o755)
    python = root / "python"
    place = root / "environments"

    def prints(*lines, status=0):
        python.write_text("#!/bin/sh\n" + "".join(
            f"echo '{line}'\n" for line in lines) + f"exit {status}\n")
        python.chmod(0o755)

    for name in ("platform-1", "peak-2"):
        (place / name / "bin").mkdir(parents=True)
        (place / name / "bin" / "python").symlink_to("/bin/true")
        (place / name / "mint-environment.json").write_text(json.dumps({
            "python": str(python), "packages": [], "plugins": [],
            "disk": {"bytes": 3_000_000, "linked_bytes": 1_000_000,
                     "files": 7}}))
    supervisor.answers["facts"] = always({"program_directory": str(root)})
    supervisor.answers["status"] = always(STATUS | {
        "environment": {"state": "ready", "path": str(place / "platform-1")}})
    supervisor.answers["plugins"] = always({"plugins": [
        PLUGIN | {"mode": "isolated", "environment": str(place / "peak-2")},
        PLUGIN | {"name": "other", "environment": str(place / "platform-1")},
    ]})
    yield place, prints
    shutil.rmtree(root)


RIGHT = json.dumps({"packages": 2, "files": 10, "bytes": 5, "problems": [],
                    "left_off": 0})


def test_verify_env(mintctl, environments):
    _, prints = environments
    prints('{"verified": 5, "of": 10}', RIGHT)
    done = mintctl("verify-env", "peak")
    assert done.returncode == 0
    assert done.stdout == "peak: 2 packages, 10 files: as its lock has it\n"
    assert done.stderr == "peak: 5 of 10 files\n"
    done = mintctl("verify-env", "other", "--json")
    assert [e["name"] for e in json.loads(done.stdout)["environments"]] == [
        "platform"]
    done = mintctl("verify-env")
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        "platform", "peak"]


def test_verify_env_that_differs(mintctl, environments):
    _, prints = environments
    prints(json.dumps({
        "packages": 2, "files": 10, "bytes": 5, "left_off": 3, "problems": [
            {"kind": "missing", "package": "click", "path": "lib/a",
             "text": "is not there"},
            {"kind": "extra", "package": "", "path": "",
             "text": "nothing"}]}))
    done = mintctl("verify-env", "peak")
    assert done.returncode == 1
    assert done.stdout == (
        "peak: 2 packages, 10 files: not as its lock has it\n"
        "  missing  click                lib/a: is not there\n"
        "  extra    -                    nothing\n"
        "  and 3 more\n\n"
        '"mintctl install BUNDLE --force" builds the environment of a plugin '
        "anew\n")
    assert json.loads(mintctl("verify-env", "peak",
                              "--json").stdout)["count"] == 5


@pytest.mark.parametrize(("lines", "says"), [
    (['{"error": "its lock cannot be read"}'],
     "it cannot be compared with its lock: its lock cannot be read"),
    (["Traceback", "OSError: broken"],
     "it cannot be compared with its lock: OSError: broken"),
    ([], "it cannot be compared with its lock: "),
])
def test_verify_env_that_cannot(mintctl, environments, lines, says):
    """One that cannot be looked at is not as it should be; the others are
    looked at all the same."""
    place, prints = environments
    prints(*lines, status=1)
    done = mintctl("verify-env", "peak")
    assert done.returncode == 1
    assert done.stdout.startswith(f"peak: {says}")
    (place / "peak-2" / "mint-environment.json").unlink()
    prints(RIGHT)
    done = mintctl("verify-env")
    assert done.returncode == 1
    assert "platform: 2 packages" in done.stdout
    assert "peak: open(" in done.stdout


def test_verify_env_is_interrupted(tmp_path, environments):
    place, prints = environments
    waits = place.parent / "waits"
    os.mkfifo(waits, 0o666)
    waits.chmod(0o666)
    prints("begun")
    python = place.parent / "python"
    python.write_text(python.read_text().replace(
        "exit", f": > {waits}; exec sleep 60 #"))
    process = subprocess.Popen(
        [MINTCTL, "verify-env"], env={"MINT_VAR": str(tmp_path)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True)
    with waits.open("rb"):
        os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert out == "" and err.endswith("mintctl: interrupted\n")


def test_disk(mintctl, environments):
    place, _ = environments
    (place / "peak-1").mkdir()
    (place / "peak-1" / "mint-unused").touch()
    (place / "peak-0").mkdir()
    done = mintctl("disk")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["own", "MB", "linked", "MB", "environment"]
    assert sorted(lines[1:-2]) == [
        "         -         -  peak-0",
        "         -         -  peak-1: not used any more",
        "       2.0       1.0  peak-2: peak",
        "       2.0       1.0  platform-1: other",
    ]
    assert json.loads(mintctl("disk", "--json").stdout)[
        "own_bytes"] == 4_000_000


def test_interrupted(tmp_path, supervisor):
    wait = threading.Event()
    supervisor.answers["restart"] = lambda request: [wait.wait(20) and None]
    process = start(tmp_path, "restart", "peak")
    wait_for(lambda: supervisor.requests)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=20)
    wait.set()
    assert process.returncode == 130
    assert out == ""
    assert said == "what was asked for goes on\nmintctl: interrupted\n"
