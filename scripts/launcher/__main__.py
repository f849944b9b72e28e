# SPDX-License-Identifier: MIT
"""The launcher behind "make run": starts the system in the foreground.

Started by scripts/run after set-up and build.  Prints what is going on, then
address, administrator and plugins; Ctrl-C stops everything in order.
"""

import argparse
import os
import re
import signal
import sys
import textwrap
import time
from pathlib import Path

import examples
import upgrade
from state import SetupError, State, locked, setting
from system import (Admin, AdminError, Failed, Stopped, System, last_exits,
                    end_leftovers, keeper_of, listen_problem)

ROOT = Path(__file__).resolve().parents[2]


def say(text):
    """One line of progress."""
    print(f"mint: {text}", flush=True)


class Terminal:
    """Keeps Ctrl-C to ourselves: make would die of it before we are done."""

    def __init__(self):
        self.fd = -1
        self.before = None

    def take(self):
        """Own foreground process group, if there is a terminal."""
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        try:
            self.fd = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
            if os.tcgetpgrp(self.fd) != os.getpgrp():
                return
            before = os.getpgrp()
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            os.setpgid(0, 0)
            os.tcsetpgrp(self.fd, os.getpgrp())
            self.before = before
        except OSError:
            return

    def give_back(self):
        """To make, or the shell."""
        if self.before is not None:
            try:
                os.tcsetpgrp(self.fd, self.before)
            except OSError:
                pass


def arguments():
    """Of scripts/run; people use that."""
    parser = argparse.ArgumentParser(prog="scripts/run")
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--uv", required=True)
    parser.add_argument("--cache", required=True)
    parser.add_argument("--no-examples", action="store_true")
    parser.add_argument("--upgrade", action="store_true")
    return parser.parse_args()


def chosen_port(config):
    """MINT_PORT, else what the daemons would read, else 8001."""
    name = "MINT_PORT" if os.environ.get("MINT_PORT") else "server.port"
    value = os.environ.get("MINT_PORT") or setting(config, "server", "port",
                                                   8001)
    text = str(value)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise SetupError(f"{name}: expected a port, 1-65535, got '{text}'")
    return int(text)


def refuse_second(state, directory):
    """Raises if a system runs here; one whose launcher has just been killed
    is about to be stopped by what that left behind."""
    admin = Admin(directory / "run" / "supervisor.sock")
    if not locked(directory) and admin.lost_keeper():
        return                      # launcher and keeper were killed
    deadline = time.monotonic() + (0 if locked(directory) else 5)
    while admin.state() not in (None, "stopping"):
        if time.monotonic() > deadline:
            raise SetupError(
                f"already running on {state.wanted} (stop that one first, or "
                "use another MINT_VAR and MINT_PORT)")
        time.sleep(0.05)


def wait_for_previous(directory):
    """A keeper whose launcher was killed stops by itself."""
    pid = keeper_of(directory)
    if pid is None:
        return
    say(f"Waiting for the previous system to stop (keeper {pid})...")
    deadline = time.monotonic() + 45
    while keeper_of(directory) == pid:
        if time.monotonic() > deadline:
            raise SetupError(f"the keeper {pid} of a previous start still "
                             "runs: send it SIGTERM")
        time.sleep(0.1)


def prepare(options):
    """Checks before anything is changed, then the directories."""
    state = State(os.environ.get("MINT_VAR") or ROOT / "var", say)
    existing = state.existing()
    config = state.read_config(existing) if existing else {}
    address = str(setting(config, "server", "address", "127.0.0.1"))
    port = chosen_port(config)
    if existing:
        refuse_second(state, existing)
        wait_for_previous(existing)
        if not locked(existing):
            end_leftovers(existing, say)
    reason = listen_problem(address, port)
    if reason:
        raise SetupError(f"cannot listen on {address} port {port}: {reason}. "
                         "Nothing was changed. Choose another port by "
                         "MINT_PORT")
    state.open()
    state.install_programs(ROOT, options.build.resolve(), options.uv)
    state.write_config(options.python, options.cache)
    return state, address, port


def overrides(state, options, admin):
    """Environment of the daemons: what a config.json written by hand leaves
    out, and what has gone since the first start."""
    values = {"ADMIN_USERNAME": admin[0]}
    if admin[1] is not None:
        values["ADMIN_PASSWORD"] = admin[1]
    for section, key, value in state.defaults(options.python, options.cache):
        if setting(state.config, section, key, None) is None:
            name = re.sub(r"([A-Z])", r"_\1", key).upper()
            values[f"MINT_{section.upper()}__{name}"] = value
    python = str(setting(state.config, "environments", "python", ""))
    if python and not os.access(python, os.X_OK):
        values["MINT_ENVIRONMENTS__PYTHON"] = options.python
    return values


def print_summary(system, status, plugins, admin, seconds):
    """What a newcomer needs to know."""
    base = f"http://{system.connect_host()}:{system.port}"
    state = system.state
    say(f"Ready after {seconds:.1f} s")
    print(f"\n  address   {base}")
    print(f"  admin     {admin[0]}")
    if admin[1] is None:
        print("  password  as set at the first start")
    elif os.environ.get("ADMIN_PASSWORD"):
        print("  password  as given by ADMIN_PASSWORD")
    else:
        print(f"  password  {admin[1]}    (kept in "
              f"{state.wanted / 'admin.json'})")
    for plugin in plugins:
        print(f"  plugin    {base}{plugin['routes_prefix']}/  "
              f"{plugin['name']} {plugin['version']}, {plugin['mode']}, "
              f"{plugin['state']}")
        if plugin.get("error"):
            print(f"            {plugin['error']}")
        elif plugin["state"] != "ready" and last_exits(plugin):
            print(f"            {last_exits(plugin)[-1]}; it is tried again, "
                  f"see mintctl logs {plugin['name']}")
    environment = status.get("environment") or {}
    if environment.get("error"):
        print(f"  plugins   cannot be run or installed: "
              f"{environment['error']}")
    print(f"  log       {system.log_path}")
    missing = status.get("protection") or []
    if missing:
        print("\n  Missing protection:")
        for line in missing:
            print(textwrap.fill(line, 76, initial_indent="    ",
                                subsequent_indent="      "))
    print("\n  Ctrl-C stops\n", flush=True)


def serve(system, options, address, port, started):
    """Start, examples, summary, then until the end."""
    state = system.state
    admin = state.admin()
    say("Starting...")
    system.start(address, port, overrides(state, options, admin))
    system.wait_until_running()
    if not options.no_examples and os.environ.get("MINT_EXAMPLES") != "0":
        try:
            examples.install_missing(system, ROOT, options.uv,
                                     options.python, admin, say)
        except (Failed, AdminError, OSError) as error:
            say(f"The examples are not installed: {error}")
    plugins = system.wait_for_plugins(quiet_sec=90)
    print_summary(system, system.status() or {}, plugins, admin,
                  time.monotonic() - started)
    while True:
        system.pause(1)


def report(system, error):
    """Why it does not run: the supervisor's own words if there are any."""
    lines = system.log_lines()
    words = [line.split(" error supervisor: ", 1)[1] for line in lines
             if " error supervisor: " in line]
    for text in words[-3:] or [str(error)]:
        print(f"mint: error: {text}", file=sys.stderr)
    if not words:
        for line in lines[-25:]:
            print(f"    {line}", file=sys.stderr)


def run(options, terminal):
    """Exit status."""
    started = time.monotonic()
    state, address, port = prepare(options)
    system = System(state, say)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, system.ask_stop)
    terminal.take()
    result = 1
    try:
        serve(system, options, address, port, started)
    except Stopped:
        say("Stopping...")
        result = 0
    except Failed as error:
        report(system, error)
    status = system.stop()
    if status != 0:
        say(f"Stopped, exit status {status}; the log is {system.log_path}")
        return 1
    say("Stopped")
    return result


def main():
    """Entry point."""
    terminal = Terminal()
    try:
        options = arguments()
        if options.upgrade:
            return upgrade.upgrade(options, ROOT, say)
        return run(options, terminal)
    except SetupError as error:
        print(f"mint: error: {error}", file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"mint: error: {error} (was this directory made by another "
              "user?)", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"mint: error: {error}", file=sys.stderr)
        return 1
    finally:
        terminal.give_back()


sys.exit(main())
