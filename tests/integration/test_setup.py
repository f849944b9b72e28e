# SPDX-License-Identifier: MIT
"""scripts/: set-up, launcher and checks, as a newcomer meets them.

One system is started for the tests that need a running one; it is stopped and
started again, by signals and by a terminal's Ctrl-C.
"""

import contextlib
import http.client
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time

import pytest

from system_harness import alerts

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MINT_BUILD", ROOT / "build"))
RUN = ROOT / "scripts" / "run"

sys.path.insert(0, str(ROOT / "tests" / "plugins"))
from make_bundle import make_bundle  # noqa: E402

START_DEADLINE_SEC = 150
STOP_DEADLINE_SEC = 60

as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def environment(**more):
    keep = {name: value for name, value in os.environ.items()
            if not name.startswith("ADMIN_")}
    keep["MINT_BUILD"] = str(BUILD)
    keep["MINT_EXAMPLES"] = "0"
    keep.update(more)
    return keep


def launch(*arguments, **more):
    """Runs the launcher to its end."""
    return subprocess.run(
        [RUN, "--no-setup", "--no-build", *arguments],
        env=environment(**more), capture_output=True, text=True,
        timeout=START_DEADLINE_SEC, check=False)


@pytest.fixture
def place():
    """A directory that plugin users can reach."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="mint-setup-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


class Launched:
    """A launcher in the background and what it prints."""

    def __init__(self, var, port, **more):
        self.var = var
        self.port = port
        self.text = ""
        self.process = subprocess.Popen(
            [RUN, "--no-setup", "--no-build"],
            env=environment(MINT_VAR=str(var), MINT_PORT=str(port), **more),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True)

    def read_until(self, words, seconds):
        """What has been printed once it contains the words."""
        deadline = time.monotonic() + seconds
        out = self.process.stdout
        while words not in self.text:
            left = deadline - time.monotonic()
            assert left > 0, f"no '{words}' within {seconds} s: {self.text}"
            if select.select([out], [], [], left)[0]:
                data = os.read(out.fileno(), 65536)
                assert data, f"ended without '{words}': {self.text}"
                self.text += data.decode()
        return self.text

    def ready(self):
        self.read_until("Ctrl-C stops", START_DEADLINE_SEC)
        return self

    def stop(self, number=signal.SIGINT):
        """Exit status after a signal to the launcher only."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=STOP_DEADLINE_SEC)
        self.text += rest.decode()
        return self.process.returncode

    def end(self):
        if self.process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.stop(signal.SIGTERM)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        found = alerts(self.var.resolve() / "data" / "logs")
        assert not found, "\n".join(found)


@contextlib.contextmanager
def launched(var, port, **more):
    launcher = Launched(var, port, **more)
    try:
        yield launcher
    finally:
        launcher.end()


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def processes_naming(text):
    """Command lines of running processes that contain the text."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = entry.read_bytes().replace(b"\0", b" ").decode()
            if text in line and int(entry.parent.name) != os.getpid():
                found.append(line)
    return found


def assert_nothing_left(var, run_directory):
    deadline = time.monotonic() + 5
    while processes_naming(str(var.resolve())):
        assert time.monotonic() < deadline, processes_naming(
            str(var.resolve()))
        time.sleep(0.05)
    assert not run_directory.exists()
    assert not (var / "run").is_symlink()


# ---- what is refused ----------------------------------------------------


def test_help_names_the_variables():
    done = subprocess.run([RUN, "--help"], capture_output=True, text=True,
                          timeout=30, check=True)
    for word in ("MINT_VAR", "MINT_PORT", "MINT_EXAMPLES", "ADMIN_PASSWORD",
                 "--no-setup"):
        assert word in done.stdout


def test_unknown_argument_is_refused():
    done = subprocess.run([RUN, "--frobnicate"], capture_output=True,
                          text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "--frobnicate" in done.stderr


def test_port_in_use_changes_nothing(place):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = launch(MINT_VAR=str(place / "var"), MINT_PORT=str(port))
    assert done.returncode == 1
    assert f"port {port}" in done.stderr and "MINT_PORT" in done.stderr
    assert not (place / "var").exists()


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "80 ", "8O01"])
def test_bad_port_is_refused(place, port):
    done = launch(MINT_VAR=str(place / "var"), MINT_PORT=port)
    assert done.returncode == 1
    assert "MINT_PORT" in done.stderr and "1-65535" in done.stderr
    assert not (place / "var").exists()


@pytest.mark.parametrize("text", ["{", "[]", '"x"', ""])
def test_config_that_is_not_an_object(place, text):
    (place / "config.json").write_text(text)
    before = sorted(place.iterdir())
    done = launch(MINT_VAR=str(place), MINT_PORT=str(free_port()))
    assert done.returncode == 1
    assert str(place / "config.json") in done.stderr
    assert sorted(place.iterdir()) == before


def test_configuration_error_ends_the_start(place):
    """The supervisor's words reach the terminal, and nothing stays."""
    (place / "config.json").write_text('{"server": {"prot": 1}}')
    done = launch(MINT_VAR=str(place), MINT_PORT=str(free_port()))
    assert done.returncode == 1
    assert "server.prot" in done.stdout + done.stderr
    assert not processes_naming(str(place))


@as_root
def test_foreign_run_directory_is_refused(place):
    """In a directory anybody may write to, what is there is not trusted."""
    run = place / "run-directory"
    run.mkdir()
    os.chown(run, 60800, 60800)
    (run / "routes").write_text("not ours")
    (place / "config.json").write_text(json.dumps(
        {"server": {"runDirectory": str(run)}}))
    done = launch(MINT_VAR=str(place), MINT_PORT=str(free_port()))
    assert done.returncode == 1
    assert str(run) in done.stderr and "60800" in done.stderr
    assert (run / "routes").read_text() == "not ours"


# ---- a running system ---------------------------------------------------


def test_start_use_stop_and_start_again(place):
    var, port = place / "var", free_port()

    with launched(var, port) as first:
        first.ready()
        status, body = get(port, "/api/health")
        assert status == 200
        assert json.loads(body)["status"] in ("healthy", "ok")
        assert f"http://127.0.0.1:{port}" in first.text
        run_directory = (var / "run").resolve()
        assert stat.S_IMODE(run_directory.stat().st_mode) == 0o750
        admin = json.loads((var / "admin.json").read_text())
        assert admin["password"] in first.text
        assert stat.S_IMODE((var / "admin.json").stat().st_mode) == 0o600
        assert admin["password"] not in (var / "mint.log").read_text()
        config = json.loads((var / "config.json").read_text())
        assert config["server"]["runDirectory"] == str(run_directory)
        inode = (var / "program/bin/mint-supervisor").stat().st_ino

        second = launch(MINT_VAR=str(var), MINT_PORT=str(free_port()))
        assert second.returncode == 1
        assert "already running" in second.stderr
        assert get(port, "/api/health")[0] == 200

        ctl = subprocess.run(
            [BUILD / "mintctl", "status", "--json"], capture_output=True,
            env=environment(MINT_VAR=str(var)), timeout=20, check=True)
        assert json.loads(ctl.stdout)["supervisor_pid"] > 0

        assert first.stop() == 0
        assert "Stopped" in first.text
    assert_nothing_left(var, run_directory)

    with launched(var, port) as again:
        again.ready()
        assert "Making" not in again.text
        assert get(port, "/api/health")[0] == 200
        assert admin["password"] in again.text
        assert (var / "program/bin/mint-supervisor").stat().st_ino == inode
        assert again.stop(signal.SIGTERM) == 0
    assert_nothing_left(var, run_directory)


def test_preset_administrator_is_not_kept(place):
    var, port = place / "var", free_port()
    with launched(var, port, ADMIN_USERNAME="boss",
                  ADMIN_PASSWORD="a preset pass-word") as system:
        system.ready()
        assert "a preset pass-word" not in system.text
        assert "boss" in system.text
        assert not (var / "admin.json").exists()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(
            "POST", "/api/auth/login",
            json.dumps({"username": "boss", "password":
                        "a preset pass-word"}),
            {"Content-Type": "application/json"})
        reply = connection.getresponse()
        assert reply.status == 200
        assert json.loads(reply.read())["access_token"]
        connection.close()
        assert system.stop() == 0


def test_killed_launcher_takes_the_system_along(place):
    """A system in the foreground does not outlive its foreground, and the
    next start does not trip over what is left."""
    var, port = place / "var", free_port()
    with launched(var, port) as system:
        system.ready()
        system.process.kill()
        system.process.wait()
    with launched(var, port) as system:
        system.read_until("Starting...", 60)
        system.ready()
        assert system.stop() == 0
        run_directory = pathlib.Path(json.loads(
            (var / "config.json").read_text())["server"]["runDirectory"])
    assert_nothing_left(var, run_directory)


def test_killed_keeper_leaves_nothing(place):
    """Plugins and nginx outlive their keeper, and the next one ends them."""
    var, port = place / "var", free_port()
    with launched(var, port) as system:
        system.ready()
        run_directory = (var / "run").resolve()
        first = (var / "keeper.pid").read_text()
        os.kill(int(first), signal.SIGKILL)
        deadline = time.monotonic() + STOP_DEADLINE_SEC
        while (var / "keeper.pid").read_text() in ("", first):
            assert time.monotonic() < deadline, "no other keeper"
            time.sleep(0.02)
        assert system.stop() == 0
        assert_nothing_left(var, run_directory)
    # both at once: the next start clears up
    with launched(var, port) as system:
        system.ready()
        system.process.send_signal(signal.SIGSTOP)
        os.kill(int((var / "keeper.pid").read_text()), signal.SIGKILL)
        system.process.kill()
        system.process.wait()
    with launched(var, port) as system:
        system.ready()
        assert system.stop() == 0
    assert_nothing_left(var, run_directory)


def test_start_does_not_wait_for_a_plugin_that_crashes(place):
    """It is tried for a long time; the others are there meanwhile."""
    var, port = place / "var", free_port()
    bundle = make_bundle(ROOT / "tests/plugins/misbehaving", place, replace={
        "IMPORT_FAILURE = ": "if os.path.exists(os.environ.get("
        "\"MINT_PLUGIN_DATA_DIR\", \"\") + \"/broken\"):\n"
        "    raise OSError(\"broken\")\n\nIMPORT_FAILURE = "})
    with launched(var, port) as system:
        system.ready()
        subprocess.run([BUILD / "mintctl", "install", bundle], check=True,
                       env=environment(MINT_VAR=str(var)), timeout=120)
        assert system.stop() == 0
    (var / "data/plugin-data/test-misbehaving/broken").touch()
    with launched(var, port) as system:
        system.ready()
        plugin = re.search(r"test-misbehaving 1.0.0, shared, (\w+)\n(.*)",
                           system.text)
        assert plugin.group(1) == "initializing", system.text
        # what it had reported, or its end, if that has been seen as well
        assert plugin.group(2).strip() in (
            "OSError: broken", "exited with status 1; it is tried again, see "
            "mintctl logs test-misbehaving"), system.text
        assert system.stop() == 0


def test_ctrl_c_on_a_terminal_below_make(place):
    """make must not die of the Ctrl-C that the launcher answers."""
    makefile = place / "makefile"
    makefile.write_text(f"run:\n\t@{RUN} --no-setup --no-build\n")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe("bash", ["bash", "-c",
                            f"make -f {makefile} run; echo make-status=$?"],
                   environment(MINT_VAR=str(place / "var"),
                               MINT_PORT=str(free_port())))
    text, sent = "", False
    deadline = time.monotonic() + START_DEADLINE_SEC
    try:
        while "make-status=" not in text or not text.endswith("\n"):
            assert time.monotonic() < deadline, text
            if not select.select([terminal], [], [], 1)[0]:
                continue
            text += os.read(terminal, 65536).decode()
            if "Ctrl-C stops" in text and not sent:
                sent = True
                os.write(terminal, b"\x03")
    finally:
        os.close(terminal)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGHUP)
        os.waitpid(pid, 0)
    assert "make-status=0" in text
    assert "Stopped" in text


@as_root
def test_unreachable_state_goes_outside(place):
    """Below a private home the state is where plugin users can reach it."""
    home = place / "home"
    home.mkdir(mode=0o700)
    var = home / "var"
    outside = None
    try:
        with launched(var, free_port()) as system:
            system.ready()
            assert var.is_symlink()
            outside = pathlib.Path(os.readlink(var))
            assert outside.parent == pathlib.Path("/var/lib/ngx-mint")
            assert str(outside) in system.text
            assert system.stop() == 0
        # and stays there
        with launched(var, free_port()) as system:
            system.ready()
            assert os.readlink(var) == str(outside)
            assert system.stop() == 0
    finally:
        if outside:
            shutil.rmtree(outside)


@as_root
def test_owners_as_root(place):
    import grp
    import pwd
    mint, edge = pwd.getpwnam("mint"), pwd.getpwnam("mint-edge")
    assert mint.pw_uid != 0 and edge.pw_uid != 0
    assert "mint" in grp.getgrnam("mint-edge").gr_mem
    var = place / "var"
    with launched(var, free_port()) as system:
        system.ready()
        expected = {
            "config.json": (mint.pw_uid, 0o640),
            "data": (mint.pw_uid, 0o711),
            "tmp": (mint.pw_uid, 0o711),
            "program": (0, 0o755),
            "program/bin/mint-supervisor": (0, 0o755),
            "program/module/ngx_http_mint_module.so": (0, 0o644),
        }
        for name, (uid, mode) in expected.items():
            info = (var / name).stat()
            assert (name, info.st_uid, stat.S_IMODE(info.st_mode)) \
                == (name, uid, mode)
        run = (var / "run").resolve().stat()
        assert (run.st_uid, run.st_gid) == (mint.pw_uid, edge.pw_gid)
        assert system.stop() == 0


# ---- set-up -------------------------------------------------------------


def test_setup_does_nothing_twice():
    """Without a word, when everything is there."""
    done = subprocess.run([ROOT / "scripts/setup", "run"],
                          env=environment(), capture_output=True, text=True,
                          timeout=120, check=True)
    assert done.stdout == "" and done.stderr == ""


@as_root
def test_missing_packages_without_root(place):
    """The exact line to run is named, and nothing else happens."""
    query = place / "dpkg-query"
    query.write_text("#!/bin/sh\necho 'installed gcc'\n")
    query.chmod(0o755)
    nobody = ["setpriv", "--reuid=60900", "--regid=60900", "--clear-groups"]
    if subprocess.run([*nobody, "test", "-x", ROOT / "scripts/setup"],
                      check=False).returncode != 0:
        pytest.skip("the clone is in a private directory")
    done = subprocess.run(
        [*nobody, ROOT / "scripts/setup", "run"], capture_output=True,
        env=environment(PATH=f"{place}:/usr/bin:/bin", HOME=str(place)),
        text=True, timeout=60, check=False)
    assert done.returncode == 1
    line = next(line for line in done.stderr.splitlines()
                if "apt-get install" in line)
    assert "sudo apt-get update && sudo apt-get install -y" in line
    assert " nginx-dev" in line and " libmicrohttpd-dev" in line
    assert not re.search(r"\bgcc\b", line)


def test_no_python_says_what_was_tried(place):
    """Only an old interpreter, and no way to fetch another one."""
    tools = place / "tools"
    tools.mkdir()
    for folder in ("/usr/bin", "/bin"):
        for tool in pathlib.Path(folder).iterdir():
            link = tools / tool.name
            if not tool.name.startswith("python") and not link.exists():
                link.symlink_to(tool)
    old = tools / "python3"
    old.write_text('#!/bin/sh\nfor last; do :; done\ncase $last in\n'
                   '*ensurepip*) exit 0 ;;\nesac\n'
                   'echo "is Python 3.9" >&2\nexit 1\n')
    old.chmod(0o755)
    cache = place / "cache"
    uv = pathlib.Path(os.environ["MINT_TEST_UV"])
    (cache / uv.parent.name).mkdir(parents=True)
    shutil.copy(uv, cache / uv.parent.name / "uv")
    copy = place / "clone"
    shutil.copytree(ROOT / "scripts", copy / "scripts",
                    ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [copy / "scripts/setup", "run"], capture_output=True, text=True,
        env=environment(PATH=str(tools), HOME=str(place), PYENV_ROOT="/none",
                        MINT_CACHE=str(cache),
                        MINT_DEBIAN_MIRROR="http://127.0.0.1:9/debian"),
        timeout=120, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "no Python >= 3.12" in done.stderr
    assert f"{old}: is Python 3.9" in done.stderr
    assert "Debian 13" in done.stderr
    assert not list((copy / "build").glob("setup-*.env"))
    assert sorted(p.name for p in cache.iterdir()
                  if p.name.startswith("python")) == []


def test_a_python_that_is_named_is_used_or_refused():
    """Never quietly another one."""
    old = shutil.which("false")
    done = subprocess.run(
        [ROOT / "scripts/setup", "run"], env=environment(MINT_PYTHON=old),
        capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "MINT_PYTHON names no Python >= 3.12" in done.stderr
    assert f"{old}: " in done.stderr


# ---- nginx configuration ------------------------------------------------


def test_drop_in_for_an_existing_nginx(place):
    """nginx accepts conf/mint.conf while no supervisor runs, and says so."""
    for name in ("mint.conf", "mint-upstream.conf", "mint-proxy.conf"):
        text = (ROOT / "conf" / name).read_text()
        text = text.replace("/etc/nginx/mint/", f"{place}/") \
            .replace("/run/ngx-mint", f"{place}/run") \
            .replace("listen 80;", f"listen 127.0.0.1:{free_port()};")
        (place / name).write_text(text)
    other = free_port()
    (place / "nginx.conf").write_text(f"""
load_module {BUILD}/ngx_http_mint_module.so;
pid {place}/pid;
error_log stderr notice;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi;
    scgi_temp_path {place}/scgi;
    include {place}/mint.conf;
    server {{ listen 127.0.0.1:{other}; location / {{ return 204; }} }}
}}
""")
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    done = subprocess.run(
        [nginx, "-t", "-e", "stderr", "-c", place / "nginx.conf"],
        capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert "test is successful" in done.stderr
    assert not (place / "run").exists()


# ---- checks -------------------------------------------------------------


@pytest.fixture
def tree(place):
    """A small tree for scripts/check-layers."""
    shutil.copytree(ROOT / "scripts", place / "scripts",
                    ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("contract", "lib", "keeper", "supervisor/plugin",
                   "supervisor/process", "ngx_mint_module"):
        (place / folder).mkdir(parents=True)
        (place / folder / "x.h").write_text("int x;\n")
    return place


@pytest.mark.parametrize("path, include, allowed", [
    ("supervisor/process/a.c", "supervisor/plugin/x.h", True),
    ("supervisor/plugin/a.c", "lib/x.h", True),
    ("supervisor/plugin/a.c", "supervisor/process/x.h", False),
    ("supervisor/plugin/a.c", "../process/x.h", False),
    ("keeper/a.c", "contract/x.h", True),
    ("keeper/a.c", "lib/x.h", False),
    ("ngx_mint_module/a.c", "lib/x.h", False),
    ("contract/a.c", "lib/x.h", False),
    ("lib/a.c", "nowhere/x.h", False),
])
def test_layers(tree, path, include, allowed):
    (tree / path).write_text(f'#include "{include}"\n')
    done = subprocess.run([sys.executable, tree / "scripts/check-layers"],
                          capture_output=True, text=True, timeout=30,
                          check=False)
    assert (done.returncode == 0) == allowed, done.stdout
    assert allowed or path in done.stdout


@pytest.mark.skipif(not shutil.which("uncrustify"), reason="no uncrustify")
def test_format_keeps_tables_and_continuations(tree):
    shutil.copy(ROOT / ".uncrustify.cfg", tree)
    source = tree / "lib" / "a.c"
    good = ("static const struct row  rows[] = {\n"
            "    { \"a\",       1 },\n"
            "        { \"deeper\",  2 }\n"
            "};\n\n\n"
            "static int\n"
            "call(int a)\n"
            "{\n"
            "    return other(a,\n"
            "               a);\n"
            "}\n")
    bad = good.replace("    return", "  return").replace("int a)", "int a )")
    source.write_text(good)
    check = [sys.executable, tree / "scripts/format", "--check", "lib/a.c"]
    assert subprocess.run(check, timeout=30, check=False).returncode == 0
    source.write_text(bad)
    assert subprocess.run(check, capture_output=True, timeout=30,
                          check=False).returncode == 1
    assert source.read_text() == bad
    subprocess.run([sys.executable, tree / "scripts/format", "lib/a.c"],
                   capture_output=True, timeout=30, check=True)
    # the statement moved by two, and its continuation along with it
    assert source.read_text() == good.replace("               a);",
                                              "                 a);")
