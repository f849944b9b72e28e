# SPDX-License-Identifier: MIT
"""conf/mint.service: systemd understands it, and so does the keeper."""

import configparser
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MINT_BUILD", ROOT / "build")).resolve()
UNIT = ROOT / "conf" / "mint.service"


def text():
    return UNIT.read_text("utf-8")


def option(name):
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str
    unit.read_string(text().replace("\\\n", ""))
    return unit["Service"][name]


@pytest.mark.skipif(not shutil.which("systemd-analyze"),
                    reason="no systemd-analyze")
def test_systemd_understands_it(tmp_path):
    """With the programs where they are here."""
    copy = tmp_path / "mint.service"
    copy.write_text(text().replace("/usr/lib/ngx-mint/bin", str(BUILD)))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(copy)],
                          capture_output=True, text=True, timeout=60,
                          check=False)
    # before 254 there is no DelegateSubgroup=
    complaints = [line for line in done.stderr.splitlines()
                  if "mint.service" in line
                  and "Unknown key 'DelegateSubgroup'" not in line]
    assert complaints == []


def test_the_keeper_understands_it():
    """Each option, with the numbers of this process in the places of users."""
    command = option("ExecStart").split()
    shown = subprocess.run([BUILD / "mint-keeper", "--help"], text=True,
                           capture_output=True, check=True).stdout
    options = [word for word in command[:command.index("--")]
               if word.startswith("--")]
    assert len(options) > 8
    assert not [o for o in options if o not in shown]
    names = set(re.findall(r"\$\{(\w+)\}", option("ExecStart")))
    assert names == set(re.findall(r"#   (\w+)=", text()))


def test_a_killed_keeper_takes_nothing_along():
    assert option("KillMode") == "process"
    assert option("Restart") == "on-failure"
    assert option("OOMPolicy") == "continue"
    assert "RuntimeDirectory=" not in text()
    name = re.search(r"--cgroup (\S+)", text())[1]
    assert option("DelegateSubgroup") == f"{name}-keeper"
    stop = int(re.search(r"--stop-timeout (\d+)", text())[1])
    assert int(option("TimeoutStopSec")) > stop
