# SPDX-License-Identifier: MIT
"""The running system as the launcher sees it: the keeper as a child, the
admin socket, and the gateway's health."""

import contextlib
import ctypes
import hashlib
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import time

from state import setting

POLL_SEC = 0.05
SOCKET_DEADLINE_SEC = 30
QUIET_NOTICE_SEC = 30
PLUGINS_NOTICE_SEC = 1
PLUGINS_POLL_SEC = 0.1
KEEPER_PROVEN_SEC = 0.25
KEEPER_TRIES = 5
PR_SET_CHILD_SUBREAPER = 36

# of the launcher and its scripts; the daemons would refuse them as unknown
LAUNCHER_VARIABLES = (
    "MINT_VAR", "MINT_PORT", "MINT_EXAMPLES", "MINT_CACHE", "MINT_PYTHON",
    "MINT_BUILD", "MINT_CGROUP", "MINT_DEBIAN_MIRROR", "MAKEFLAGS", "MAKELEVEL", "MFLAGS",
    "MAKEOVERRIDES", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


PLUGIN_BUSY_STATES = (
    "registered", "installing", "migrating", "initializing", "upgrading",
    "waiting")


def has_core(status):
    """Without plugins: the supervisor waits for those before it calls itself
    running."""
    nginx = status.get("nginx") or {}
    return (status.get("state") in ("starting", "running")
            and (status.get("environment") or {}).get("state") != "building"
            and (status.get("platform") or {}).get("state") == "ready"
            and (not nginx.get("managed") or nginx.get("state") == "ready"))


def last_exits(plugin):
    """How its processes have ended, if any has."""
    return [i["last_exit"] for i in plugin.get("instances") or []
            if i.get("last_exit")]


def is_on_its_way(plugin):
    """Not for one that has crashed: it may do so for a long time."""
    return plugin["state"] in PLUGIN_BUSY_STATES and not last_exits(plugin)


def cgroup_name(state_directory):
    """The same at each start, another for each system of this machine."""
    path = os.fsencode(state_directory)
    return "mint-" + hashlib.sha256(path).hexdigest()[:12]


class Stopped(Exception):
    """The user asked to stop."""


class Failed(Exception):
    """The system did not come up or went away."""


class AdminError(Exception):
    """The supervisor answered with an error."""


class Admin:
    """One request at a time on the supervisor's socket."""

    def __init__(self, path):
        self.path = str(path)

    def call(self, op, timeout_sec=5, **arguments):
        """The result, or AdminError; OSError while nobody listens."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(timeout_sec)
            peer.connect(self.path)
            request = {"id": 1, "op": op, **arguments}
            peer.sendall(json.dumps(request).encode() + b"\n")
            with peer.makefile("rb") as lines:
                for line in lines:
                    answer = json.loads(line)
                    if "ok" not in answer:
                        continue
                    if answer["ok"]:
                        return answer["result"]
                    raise AdminError(answer["error"]["message"])
        raise ConnectionResetError("the supervisor closed the connection")

    def state(self):
        """"starting", "running" or "stopping"; None if nobody is there."""
        try:
            return self.call("status", timeout_sec=2)["state"]
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, AdminError):
            return "running"

    def lost_keeper(self):
        """True if there is a supervisor, but no keeper."""
        try:
            return bool(self.call("status").get("keeper_absent_since"))
        except (OSError, ValueError, AttributeError, AdminError):
            return False


def keeper_of(state_directory):
    """The pid of a keeper that runs on this state directory, or None."""
    try:
        pid = int((state_directory / "keeper.pid").read_text("ascii"))
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            argv = file.read().split(b"\0")
    except (OSError, ValueError):
        return None
    config = os.fsencode(state_directory / "config.json")
    return pid if config in argv else None


def leftovers(state_directory):
    """Pids of a system whose keeper died without stopping it: whatever runs
    a program or an environment of this state directory, and its nginx."""
    own = (f"{state_directory}/program/bin/",
           f"{state_directory}/data/environments/")
    prefix = f"-p {state_directory}/data/nginx "
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry.name}/cmdline", "rb") as file:
                argv = os.fsdecode(file.read()).replace("\0", " ")
        except OSError:
            continue
        if argv.startswith(own) or (argv.startswith("nginx: master")
                                    and prefix in argv + " "):
            found.append(int(entry.name))
    return found


def end_leftovers(state_directory, say):
    """SIGTERM, and after five seconds SIGKILL."""
    deadline = time.monotonic() + 5
    number = signal.SIGTERM
    pids = leftovers(state_directory)
    if pids:
        say(f"Ending {len(pids)} processes that a dead keeper has left")
    while pids:
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        time.sleep(0.1)
        if time.monotonic() > deadline:
            number = signal.SIGKILL
        pids = leftovers(state_directory)


def listen_problem(address, port):
    """None, or the reason why nginx could not listen there."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            return error.strerror
    return None


def children():
    """Pids of this process's children, zombies too."""
    found = []
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError):
            with open(f"/proc/self/task/{task}/children", "rb") as file:
                found += [int(pid) for pid in file.read().split()]
    return found


def become_subreaper():
    """What a killed keeper has started becomes ours, not of process 1, which
    need not reap in a container."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class System:
    """Starts the keeper, starts another one if it is killed, waits for the
    system, stops it."""

    def __init__(self, state, say):
        self.state = state
        self.say = say
        self.keeper = None
        self._keeper_end = -1       # readable then
        self._keeper_since = 0.0
        self._keepers_lost = 0
        self._start_keeper = None
        self._watcher = None
        self.stop_asked = False
        self.helpers = []           # pids that somebody else waits for
        self._asked = 0             # pid of the keeper that shall stop
        self.run_directory = None
        self.admin = None
        self.address = self.port = None
        self.log_path = state.path / "mint.log"
        self._log_start = 0

    # ---- start ------------------------------------------------------

    def _command(self):
        state = self.state
        program = state.path / "program" / "bin"
        command = [str(program / "mint-keeper")]
        if state.is_root:
            mint, edge = state.owner, state.edge
            command += [
                "--supervisor-identity", f"{mint[0]}:{mint[1]}:{edge[1]}",
                "--identity", f"{mint[0]}:{mint[1]}",
                "--identity", f"{edge[0]}:{edge[1]}",
                "--uid-range", "%d-%d" % (
                    int(setting(state.config, "plugins", "uidFirst", 60706)),
                    int(setting(state.config, "plugins", "uidLast", 61183)))]
        command += ["--tmp-root", str(state.path / "tmp"),
                    "--state-root", str(state.path / "data"),
                    "--pid-file", str(state.path / "keeper.pid"),
                    "--socket", str(self.run_directory / "keeper.sock")]
        cgroup = os.environ.get("MINT_CGROUP") or cgroup_name(state.path)
        if cgroup != "off":
            command += ["--cgroup", cgroup]
        command += ["--", str(program / "mint-supervisor"),
                    "--config", str(state.path / "config.json")]
        return command

    def _environment(self, overrides):
        environment = {name: value for name, value in os.environ.items()
                       if name not in LAUNCHER_VARIABLES}
        path = environment.get("PATH", "/usr/local/bin:/usr/bin:/bin")
        environment["PATH"] = path + ":/usr/local/sbin:/usr/sbin:/sbin"
        environment.setdefault("MINT_LOG_FORMAT", "text")
        if self.state.is_root:
            environment["HOME"] = str(self.state.path)
            for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME",
                         "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "LOGNAME",
                         "USER"):
                environment.pop(name, None)
        environment.update(overrides)
        return environment

    def start(self, address, port, overrides):
        """Starts the keeper; it starts everything else."""
        self.address, self.port = address, port
        self.run_directory = self.state.make_run_directory()
        self.admin = Admin(self.run_directory / "supervisor.sock")
        overrides = dict(overrides)
        overrides["MINT_SERVER__PORT"] = str(port)
        if self.state.is_root:
            overrides["MINT_EDGE_IDENTITY"] = "%d:%d" % self.state.edge
        if str(self.run_directory) != setting(
                self.state.config, "server", "runDirectory", ""):
            # gone since the first start, or never written down
            overrides["MINT_SERVER__RUN_DIRECTORY"] = str(self.run_directory)
        command, environment = self._command(), self._environment(overrides)
        become_subreaper()
        self._log_start = self._spawn_keeper(command, environment)
        self._start_keeper = lambda: self._spawn_keeper(command, environment)

    def _spawn_keeper(self, command, environment):
        """The end of the log before it."""
        log = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND |
                      os.O_CLOEXEC, 0o640)
        try:
            end = os.lseek(log, 0, os.SEEK_END)
            self.keeper = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=environment, cwd=self.state.path, start_new_session=True)
        finally:
            os.close(log)
        if self._keeper_end != -1:
            os.close(self._keeper_end)
        self._keeper_end = os.pidfd_open(self.keeper.pid)
        self._keeper_since = time.monotonic()
        self._watch()
        return end

    def _next_keeper(self, status):
        """Starts another one that takes over all, if this one was killed: not
        if it has ended by itself, nor if they are killed at once again and
        again."""
        lived = time.monotonic() - self._keeper_since
        self._keepers_lost = self._keepers_lost + 1 \
            if lived < KEEPER_PROVEN_SEC else 1
        if status >= 0 or self._keepers_lost > KEEPER_TRIES:
            return False
        self.say(f"The keeper was killed (signal {-status}): another one takes "
                 "over, nothing else is restarted")
        self._start_keeper()
        return True

    def _reap(self):
        """Whom a killed keeper has left to us; others wait for their own."""
        if self._keepers_lost == 0:
            return
        own = {process.pid for process in (self.keeper, self._watcher)
               if process is not None} | set(self.helpers)
        for pid in children():
            if pid not in own:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)

    def _watch(self):
        """A system in the foreground does not outlive its foreground: a
        shell that waits for our end of a pipe stops the keeper if we are
        killed.  (PR_SET_PDEATHSIG is lost when the keeper changes ids.)"""
        self._end_watch()
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", 'read -r _; kill -TERM "$0"',
             str(self.keeper.pid)], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
            start_new_session=True)

    def _end_watch(self):
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.wait()
            self._watcher.stdin.close()

    # ---- wait -------------------------------------------------------

    def check(self):
        """Raises if the user asked to stop or the keeper is gone."""
        if self.stop_asked:
            raise Stopped
        self._reap()
        status = self.keeper.poll()
        if status is not None and not self._next_keeper(status):
            raise Failed(f"the keeper ended with exit status {status}")

    def pause(self, seconds=POLL_SEC):
        """Waits a little; the keeper's end ends it early."""
        self.check()
        select.select([self._keeper_end], [], [], seconds)
        self.check()

    def healthy(self):
        """True if the gateway answers GET /api/health with 200."""
        host = self.connect_host()
        try:
            connection = http.client.HTTPConnection(host, self.port,
                                                    timeout=3)
            connection.request("GET", "/api/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def connect_host(self):
        """Where to reach a gateway that listens on self.address."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}.get(
            self.address, self.address)

    def status(self):
        """The supervisor's status, or None while it does not answer."""
        try:
            return self.admin.call("status")
        except (OSError, ValueError, KeyError, AdminError):
            return None

    def wait_until_running(self):
        """Until the gateway answers and plugins are being started; shows
        each step."""
        started = said = time.monotonic()
        last_step = None
        attached = False
        while True:
            status = self.status()
            now = time.monotonic()
            if status is not None:
                attached = True
                step = status.get("step") or ""
                if has_core(status) and self.healthy():
                    return status
                if step and step != last_step:
                    self.say(step[0].upper() + step[1:])
                    last_step, said = step, now
            elif not attached and now - started > SOCKET_DEADLINE_SEC:
                raise Failed("the supervisor did not answer within "
                             f"{SOCKET_DEADLINE_SEC} s")
            if now - said > QUIET_NOTICE_SEC:
                self.say(f"  ...still working ({now - started:.0f} s, log: "
                         f"{self.log_path})")
                said = now
            self.pause()

    def wait_for_plugins(self, quiet_sec):
        """Until no plugin is on its way up for the first time, or nothing has
        changed for so long; says how far they have come."""
        said = changed = time.monotonic()
        last = step = None
        while True:
            try:
                plugins = self.admin.call("plugins")["plugins"]
            except (OSError, ValueError, KeyError, AdminError):
                plugins = None
            now = time.monotonic()
            if plugins is not None:
                awaited = [p["name"] for p in plugins if is_on_its_way(p)]
                if not awaited or now - changed > quiet_sec:
                    return plugins
                step = (self.status() or {}).get("step") or step
                if len(awaited) != last:
                    last, changed = len(awaited), now
                if step and now - said > PLUGINS_NOTICE_SEC:
                    self.say(step[0].upper() + step[1:])
                    said = now
                elif now - said > QUIET_NOTICE_SEC:
                    self.say(f"  ...waiting for {', '.join(awaited)}")
                    said = now
            self.pause(PLUGINS_POLL_SEC)

    def log_lines(self):
        """What has been written since this start."""
        with open(self.log_path, "rb") as log:
            log.seek(self._log_start)
            return log.read().decode("utf-8", "replace").splitlines()

    # ---- stop -------------------------------------------------------

    def ask_stop(self, *_signal):
        """Signal handler: one SIGTERM to the keeper each time."""
        self.stop_asked = True
        if self.keeper is not None and self.keeper.poll() is None:
            self._asked = self.keeper.pid
            self.keeper.send_signal(signal.SIGTERM)

    def wait_stopped(self):
        """Waits for the keeper's end; its exit status.  One that is killed
        meanwhile has a successor, who stops what is left in order."""
        while True:
            try:
                status = self.keeper.wait(timeout=1)
            except subprocess.TimeoutExpired:
                self._reap()
                continue
            if not self._next_keeper(status):
                return status
            self._ask_next_keeper()

    def _ask_next_keeper(self):
        """To stop, once it has its lock: it would die of the signal before."""
        pid_file = self.state.path / "keeper.pid"
        while self.keeper.poll() is None:
            if pid_file.exists() and pid_file.read_text("ascii").strip() == \
                    str(self.keeper.pid):
                self.ask_stop()
                return
            time.sleep(POLL_SEC)

    def stop(self):
        """Ordered stop; exit status of the keeper."""
        if self.keeper is None:
            return 0
        if self.keeper.poll() is None and self._asked != self.keeper.pid:
            self._ask_next_keeper()
        status = self.wait_stopped()
        self._end_watch()
        if status != 0:
            end_leftovers(self.state.path, self.say)
        if self.admin.state() is None:
            self.state.remove_run_directory(self.run_directory)
        return status
