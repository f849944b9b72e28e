# SPDX-License-Identifier: MIT
"""plugin_host/bytecode.py, run as the supervisor runs it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from host_harness import HOST, PYTHON

SITE = "lib/python/site-packages"


def compiled(path: Path) -> Path:
    done = subprocess.run(
        [PYTHON, "-I", "-S", "-c", "import importlib.util, sys; "
         "print(importlib.util.cache_from_source(sys.argv[1]))", str(path)],
        capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def run(*directories: Path) -> None:
    subprocess.run(
        [PYTHON, "-I", "-S", str(HOST.parent / "bytecode.py"),
         *map(str, directories)], check=True, stdout=subprocess.DEVNULL)


def make(place: Path, name: str, linked: Path | None = None) -> Path:
    """An environment of two packages; their files may be another one's."""
    for module in ("one/__init__.py", "one/part.py", "two.py"):
        path = place / name / SITE / module
        path.parent.mkdir(parents=True, exist_ok=True)
        if linked is not None:
            os.link(linked / SITE / module, path)
        else:
            path.write_text(f"NAME = {module!r}\n")
    return place / name


def test_what_is_there_is_linked(tmp_path: Path) -> None:
    old = make(tmp_path, "old")
    run(old)
    new = make(tmp_path, "new", linked=old)
    # of another version of a package
    (new / SITE / "two.py").unlink()
    (new / SITE / "two.py").write_text("NAME = 'another'\n")
    run(new, tmp_path / "gone", old)
    for module, is_same in (("one/part.py", True), ("one/__init__.py", True),
                            ("two.py", False)):
        mine = compiled(new / SITE / module)
        other = compiled(old / SITE / module)
        assert mine.is_file(), module
        assert mine.samefile(other) == is_same, module
    assert imported(new, "two") == "another"
    assert imported(new, "one.part") == "one/part.py"


def imported(directory: Path, module: str) -> str:
    """From its bytecode, as nothing may be written."""
    done = subprocess.run(
        [PYTHON, "-I", "-S", "-B", "-v", "-c",
         "import importlib, sys; sys.path.insert(0, sys.argv[1]); "
         "print(importlib.import_module(sys.argv[2]).NAME)",
         str(directory / SITE), module],
        capture_output=True, text=True, check=True)
    path = directory / SITE / (module.replace(".", "/") + ".py")
    assert f"matches {path}" in done.stderr, done.stderr[-2000:]
    return done.stdout.strip()


def test_what_was_changed_in_place_is_compiled(tmp_path: Path) -> None:
    """The old one's bytecode is of the file before, and stays as it is."""
    old = make(tmp_path, "old")
    run(old)
    before = compiled(old / SITE / "two.py").read_bytes()
    new = make(tmp_path, "new", linked=old)
    path = new / SITE / "two.py"
    path.write_text("NAME = 'changed since'\n")
    run(new, old)
    assert imported(new, "two") == "changed since"
    assert compiled(old / SITE / "two.py").read_bytes() == before


def test_many_and_what_is_not_python(tmp_path: Path) -> None:
    new = make(tmp_path, "new")
    for number in range(100):
        (new / SITE / f"m{number}.py").write_text(f"NAME = '{number}'\n")
    (new / SITE / "template.py").write_text("{% this is none %}\n")
    run(new)
    assert imported(new, "m99") == "99"
    assert not compiled(new / SITE / "template.py").exists()
