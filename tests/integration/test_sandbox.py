# SPDX-License-Identifier: MIT
"""Landlock as forked plugin processes take it upon themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from keeper_harness import ROOT

HOST = ROOT / "plugin_host"

TRY = """
import os, sys
sys.path.insert(0, sys.argv[1])
from mint_plugin_host import sandbox
pid = os.fork()
if pid:                                 # as from the warm interpreter
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(sandbox.apply(sys.argv[2].split(",")))
acts = {"read": lambda p: open(p, "rb").close(), "list": os.listdir,
        "write": lambda p: open(p, "ab").close(),
        "signal": lambda p: os.kill(int(p), 0),
        "move": lambda p: os.rename(*p.split(":"))}
for text in sys.argv[3:]:
    act, thing = text.split("=", 1)
    try:
        acts[act](thing)
        print("open")
    except OSError as exc:
        print(type(exc).__name__)
sys.stdout.flush()
os._exit(0)
"""


def attempt(allow: list[str], *tries: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", TRY, str(HOST), ",".join(allow), *tries],
        capture_output=True, text=True, timeout=60, check=False,
    )
    assert done.returncode == 0, done.stderr
    version, *words = done.stdout.split()
    return int(version), words


def test_only_what_is_allowed_stays_open(tmp_path: Path) -> None:
    for name in ("mine", "shown", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
    allow = ["r/usr", "d/dev/null", f"w{tmp_path}/mine", f"r{tmp_path}/shown",
             f"r{tmp_path}/missing"]
    version, words = attempt(
        allow,
        f"read={tmp_path}/mine/file", f"write={tmp_path}/mine/new",
        f"move={tmp_path}/mine/new:{tmp_path}/mine/newer",
        f"list={tmp_path}/mine", f"read={tmp_path}/shown/file",
        "read=/dev/null", "write=/dev/null", "list=/usr",
        f"write={tmp_path}/shown/file", f"write={tmp_path}/shown/new",
        f"read={tmp_path}/other/file", f"list={tmp_path}", "list=/",
        "read=/etc/passwd", "read=/dev/zero",
    )
    if version == 0:
        pytest.skip("this kernel has no Landlock")
    assert words == ["open"] * 8 + ["PermissionError"] * 7


def test_signals_end_at_the_sandbox() -> None:
    version, words = attempt(["r/usr"], "signal=1", "signal=0")
    if version < 6:
        pytest.skip("this kernel does not confine signals")
    assert words[0] == "PermissionError"


@pytest.mark.parametrize("entry", ["x/usr", "rusr", "", "/usr"])
def test_a_malformed_entry_ends_the_process(entry: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRY, str(HOST), entry],
        capture_output=True, text=True, timeout=60, check=False,
    )
    assert done.returncode == 1
    assert "no path to be allowed" in done.stderr
