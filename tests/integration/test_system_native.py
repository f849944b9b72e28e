# SPDX-License-Identifier: MIT
"""Shared libraries that a plugin's packages need and this host lacks."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from host_harness import HOST
from system_harness import MintSystem, make_place
from wheel_harness import vendoring

sys.path.insert(0, str(HOST.parent))
import elf as elf_reader  # noqa: E402
import native  # noqa: E402


def library(folder: Path, name: str, *, needs: str | None = None,
            options: tuple[str, ...] = ()) -> bytes:
    """Made by the compiler; what it needs is not there afterwards."""
    folder.mkdir(exist_ok=True)
    source, path = folder / "x.c", folder / name
    source.write_text("int x(void) { return 1; }\n")
    command = ["gcc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o",
               str(path), str(source), *options]
    if needs is not None:
        library(folder, needs)
        command += ["-Wl,--no-as-needed", str(folder / needs)]
    subprocess.run(command, check=True, timeout=60)
    return path.read_bytes()


def parsed(data: bytes) -> Any:
    return elf_reader.read(
        lambda offset, length: data[offset:offset + length])


def test_reading(tmp_path: Path) -> None:
    found = parsed(library(tmp_path, "libmine.so.1", needs="libhis.so.7",
                           options=("-Wl,-rpath,$ORIGIN/../mine.libs",)))
    assert found.soname == "libmine.so.1"
    assert "libhis.so.7" in found.needed
    assert found.places == ["$ORIGIN/../mine.libs"]
    assert parsed(b"#!/bin/sh\n") is None


def test_broken_files(tmp_path: Path) -> None:
    """It is read, or broken; nothing else."""
    data = library(tmp_path, "libmine.so.1")
    dice = random.Random(7)
    broken = 0
    for _ in range(3000):
        worse = bytearray(data)
        for _ in range(dice.randrange(1, 6)):
            worse[dice.randrange(4, 1024)] = dice.randrange(256)
        try:
            parsed(bytes(worse[:dice.choice((len(worse), 60, 200, 900))]))
        except elf_reader.Broken:
            broken += 1
    assert broken > 100


@pytest.mark.parametrize("inside, lacks", [(True, False), (False, True)])
def test_what_is_missing(tmp_path: Path, inside: bool, lacks: bool) -> None:
    site = tmp_path / "lib" / "python3.12" / "site-packages"
    site.mkdir(parents=True)
    data = library(tmp_path / "made", "_x.so", needs="libgone.so.9")
    owners = {"lib/python3.12/site-packages/_x.so": {0: ""},
              "lib/python3.12/site-packages/bad.so": {0: ""}}
    (site / "_x.so").write_bytes(data)
    (site / "bad.so").write_bytes(data[:80])
    if inside:
        (site / "libgone.so.9").write_bytes(
            (tmp_path / "made" / "libgone.so.9").read_bytes())
        owners["lib/python3.12/site-packages/libgone.so.9"] = {0: ""}
    told, more = native.libraries(
        os.fspath(tmp_path), [("", "peaks", "1.0")], owners)
    assert more == 0
    assert [one["sentence"] for one in told] == (
        ["libgone.so.9, which peaks's _x.so needs, is not on this host"]
        if lacks else []
    ) + ["peaks's bad.so is a broken ELF file: it ends too early"]


def test_debian() -> None:
    told = native.row("libgomp.so.1", [("a/_x.so", ("sklearn", "1.0"))],
                      "libgomp1")
    assert told["sentence"] == (
        "libgomp.so.1, which sklearn's a/_x.so needs, is not on this host; "
        "Debian has it in package libgomp1")
    rows = [line.split() for line in Path(native.TABLE).read_text()
            .splitlines() if not line.startswith("#")]
    assert all(len(row) == 3 and row[0] in ("library", "program")
               for row in rows)
    assert len({tuple(row[:2]) for row in rows}) == len(rows) > 40


# ---- through the front door -------------------------------------------------


@pytest.fixture
def folder() -> Iterator[Path]:
    """For bundles: where the supervisor's user can read them."""
    place = make_place()
    yield place
    shutil.rmtree(place)


def test_refused(system: MintSystem, folder: Path) -> None:
    """The one that it cannot be imported without is named."""
    data = library(folder / "made", "lacking.so", needs="libgone.so.9")
    bundle = vendoring(
        "lacking", folder, {"mint_test_native": {"lacking/x.so": data}},
        imports="import ctypes, pathlib, sysconfig; ctypes.CDLL(str(pathlib."
                "Path(sysconfig.get_path('purelib')) / 'lacking/x.so'))\n")
    answer = system.ctl("install", str(bundle), "--json", status=1)
    error = json.loads(answer.stdout)["error"]["message"]
    assert ("libgone.so.9, which mint_test_native's lacking/x.so needs, is "
            "not on this host: ") in error
    assert "cannot open shared object file" in error
    assert "test-lacking" not in system.plugins()


def test_warned(system: MintSystem, folder: Path) -> None:
    """One that is not imported is told, and that is all."""
    data = library(folder / "made", "spare.so", needs="libspare.so.9")
    system.install(vendoring(
        "spare", folder, {"mint_test_idle": {"spare/x.so": data}}))
    sentence = ("libspare.so.9, which mint_test_idle's spare/x.so needs, is "
                "not on this host")
    answer = system.ctl_json("explain", "test-spare")
    need, = answer["verdict"]["libraries"]
    assert need == {
        "sentence": sentence, "library": "libspare.so.9", "count": 1,
        "file": "spare/x.so", "package": "mint_test_idle", "version": "1.0",
        "debian": None}
    assert f"  {sentence}\n" in system.ctl("explain", "test-spare").stdout
    assert system.plugins()["test-spare"]["state"] == "ready"
