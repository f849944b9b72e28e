# SPDX-License-Identifier: MIT
""""run --upgrade": new programs into a system that runs, then another
supervisor; plugins and requests go on."""

import os
import subprocess
import time

from state import SetupError, State
from system import Admin, AdminError, LAUNCHER_VARIABLES

DEADLINE_SEC = 60


def check(program, config):
    """What "mint-supervisor --check" says: version and keeper protocol."""
    environment = {name: value for name, value in os.environ.items()
                   if name not in LAUNCHER_VARIABLES}
    try:
        done = subprocess.run(
            [str(program), "--check", "--config", str(config)],
            env=environment, capture_output=True, text=True, timeout=20,
            check=False, cwd=config.parent)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"{program} cannot be used: {error}. Nothing was "
                         "changed") from None
    if done.returncode != 0:
        reason = (done.stderr.strip() or "it failed").splitlines()[-1]
        raise SetupError(f"{program} cannot be used: {reason}. Nothing was "
                         "changed")
    return done.stdout.strip()


def protocol(text):
    """The last word: "... speaks keeper protocol 1"."""
    return text.rsplit(" ", 1)[-1]


def wait_for_next(admin, old):
    """The status of the supervisor after that one."""
    deadline = time.monotonic() + DEADLINE_SEC
    while time.monotonic() < deadline:
        try:
            status = admin.call("status")
            if status["supervisor_pid"] != old:
                return status
        except (OSError, ValueError, KeyError, AdminError):
            pass
        time.sleep(0.1)
    raise SetupError(f"no new supervisor within {DEADLINE_SEC} s; plugins and "
                     "nginx go on, see the log")


def upgrade(options, root, say):
    """Checks the new programs, puts them in place, changes over."""
    state = State(os.environ.get("MINT_VAR") or root / "var", say)
    directory = state.existing()
    admin = Admin(directory / "run" / "supervisor.sock") if directory else None
    if admin is None or admin.state() != "running":
        raise SetupError(f"no system runs on {state.wanted}")
    build = options.build.resolve()
    config = directory / "config.json"
    new = check(build / "mint-supervisor", config)
    old = check(directory / "program" / "bin" / "mint-supervisor", config)
    if protocol(new) != protocol(old):
        raise SetupError("the new programs need another keeper: stop the "
                         "system and start it again. Nothing was changed")
    state.path = directory
    state.install_programs(root, build, options.uv)
    try:
        answer = admin.call("upgrade", timeout_sec=DEADLINE_SEC)
    except (OSError, ValueError, AdminError) as error:
        raise SetupError(f"the supervisor goes on as it was: {error}") \
            from None
    status = wait_for_next(admin, answer["supervisor_pid"])
    say(f"Supervisor {status['version']} runs, pid "
        f"{status['supervisor_pid']}; plugins have the new plugin host from "
        "their next start on, keeper and nginx module from the next start of "
        "the system")
    return 0
