# SPDX-License-Identifier: MIT
"""Why a plugin is isolated: both requirements, who asks for them, the version
that is installed, and the way that leads there."""

from __future__ import annotations

import re
from pathlib import Path

from system_harness import MintSystem, make_bundle, renamed_plugin


def test_clash_with_the_core(system: MintSystem, tmp_path: Path) -> None:
    """uvicorn, which the SDK asks for, asks for click."""
    name = "test-clashing"
    bundle = make_bundle(renamed_plugin("echo", "clashing", tmp_path),
                         tmp_path, requires=["click<8"])
    system.install(bundle)
    answer = system.ctl_json("explain", name)
    assert answer["mode"] == "isolated"
    reason = answer["reason"]
    found = re.fullmatch(
        r"isolated because test-clashing 1\.0\.0 needs click<8; the "
        r"platform's core has click (\S+), required \((click\S+)\) by the "
        r"platform through its dependency (mint-sdk\[server\]==\S+), then "
        r"(uvicorn\S+)", reason)
    assert found, reason
    installed, required, sdk, server = found.groups()

    verdict = answer["verdict"]
    assert verdict["resolver"] == "clashes"
    assert verdict["engine"]["verdict"] == "clashes"
    clash, = verdict["engine"]["clashes"]
    assert clash["sentence"] == reason.removeprefix("isolated because ")
    assert (clash["package"], clash["installed"]) == ("click", installed)
    assert clash["certain"] and clash["core"]
    assert clash["needs"] == [
        {"by": name, "version": "1.0.0", "requirement": "click<8"}]
    chain = [(step["by"], step["requirement"]) for step in clash["has"]]
    assert chain == [("the platform", sdk), ("mint-sdk", server),
                     ("uvicorn", required)]

    text = system.ctl("explain", name).stdout
    assert "\n  engine: clashes; resolver: clashes\n" in text
    assert text.count(clash["sentence"]) == 1
    assert system.plugins()[name]["state"] == "ready"


def test_clash_with_a_plugin(system: MintSystem) -> None:
    answer = system.ctl_json("explain", "legacy-report")
    reason = answer["reason"]
    assert re.fullmatch(
        r"isolated because legacy-report 0\.1\.0 needs prettytable\S+; the "
        r"shared environment has prettytable 3\S+, required "
        r"\(prettytable\S+\) by peak-table 0\.1\.0", reason), reason
    assert answer["verdict"]["resolver"] == "clashes"
    assert answer["verdict"]["engine"]["verdict"] == "clashes"


def test_what_fits_is_known(system: MintSystem) -> None:
    """test-echo needs nothing but the SDK; peak-table brought a package that
    was known from uv's cache, or once the resolver had read it."""
    fits = {name: system.ctl_json("explain", name)["verdict"]
            for name in ("test-echo", "peak-table")}
    assert {v["resolver"] for v in fits.values()} == {"fits"}
    engine = fits["test-echo"]["engine"]
    assert (engine["verdict"], engine["basis"]) == ("fits", "installed")
    engine = fits["peak-table"]["engine"]
    assert (engine["verdict"], engine["doubt"]) == ("fits", None)
    assert engine["basis"] in ("cached", "resolved")
    assert re.search(r"\n  engine: fits \(with releases that \S.*\); resolver: "
                     r"fits\n", system.ctl("explain", "peak-table").stdout)
