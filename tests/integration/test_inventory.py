# SPDX-License-Identifier: MIT
"""plugin_host/inventory.py, run as the supervisor runs it, on environments
whose packages say odd things of themselves."""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from host_harness import HOST, PYTHON
from wheel_harness import elf, record_hash

HEAD = b"Metadata-Version: 2.1\nName: Ghost.Rider\nVersion: 1.0\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The site-packages of an environment for PYTHON."""
    version = subprocess.run(
        [PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()
    path = tmp_path / "lib" / f"python{version}" / "site-packages"
    path.mkdir(parents=True)
    return path


def metadata(site: Path, content: bytes) -> None:
    folder = site / "ghost_rider-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_bytes(content)


def inventory(directory: Path) -> dict[str, Any]:
    output = directory / "mint-packages.json"
    subprocess.run(
        [PYTHON, "-I", "-S", "-B", str(HOST.parent / "inventory.py"), str(directory),
         str(output)],
        check=True, timeout=60,
    )
    found: dict[str, Any] = json.loads(output.read_text())
    return found


def listed(directory: Path) -> list[dict[str, Any]]:
    packages: list[dict[str, Any]] = inventory(directory)["packages"]
    return packages


def requires(directory: Path) -> list[str] | None:
    package, = listed(directory)
    assert package["version"] == "1.0"
    found: list[str] | None = package["requires"]
    return found


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_head(site: Path, tmp_path: Path, end: bytes) -> None:
    head = HEAD + b"Requires-Dist: a>=1\nRequires-Dist: b\n"
    metadata(site, (head + b"\nWhat it is\n\nRequires-Dist: c\n").replace(
        b"\n", end))
    assert listed(tmp_path) == [{"name": "Ghost.Rider", "version": "1.0",
                                 "requires": ["a>=1", "b"]}]


@pytest.mark.parametrize("odd", [
    b"no header\n",
    b"\xef\xbb\xbf\n",
    b"\r\r",
    b"\r",
    b"Summary: a\rRequires-Dist: b\n",
    b": nothing\n",
])
def test_where_others_read_on_nothing_is_known(
        site: Path, tmp_path: Path, odd: bytes) -> None:
    """Never "it requires nothing"."""
    metadata(site, HEAD + odd + b"Requires-Dist: a>=1\n")
    assert requires(tmp_path) is None


def test_without_a_file_nothing_is_known(site: Path, tmp_path: Path) -> None:
    (site / "ghost_rider-1.0.dist-info").mkdir()
    assert requires(tmp_path) is None


@pytest.mark.parametrize("count, known", [(8192, True), (8193, False)])
def test_too_many_requirements_are_not_known(
        site: Path, tmp_path: Path, count: int, known: bool) -> None:
    metadata(site, HEAD + b"Requires-Dist: abcdefgh\n" * count)
    assert (requires(tmp_path) is not None) == known


def test_a_file_of_others_is_not_written_to(
        site: Path, tmp_path: Path) -> None:
    """A wheel may have put one there that is linked to uv's cache."""
    cached = tmp_path / "cached"
    cached.write_text("{}")
    os.link(cached, tmp_path / "mint-packages.json")
    assert listed(tmp_path) == []
    assert cached.read_text() == "{}"


# ---- what two packages bring ------------------------------------------------


def bring(
    site: Path, name: str, files: dict[str, bytes], *more: str,
    unlisted: tuple[str, ...] = (), version: str = "1.0",
) -> None:
    """A package as uv installs it: what its RECORD has left out is listed
    without a hash.  more: lines of the RECORD."""
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [f"{info.name}/METADATA,sha256=x,1", f"{info.name}/RECORD,,"]
    for path, data in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(data)
        digest = "" if path in unlisted else record_hash(data)
        lines.append(f"{path},{digest},{len(data)}")
    (info / "RECORD").write_text("\n".join([*lines, *more]) + "\n")


def told(directory: Path) -> list[tuple[str, str, int, list[str]]]:
    found = inventory(directory)
    assert found["conflicts_more"] == 0
    return [
        (one["kind"], one["path"], one["count"],
         [f"{who['name']} {who['version']}" for who in one["packages"]])
        for one in found["conflicts"]
    ]


BOTH = ["aaa 1.0", "bbb 1.0"]


def test_one_file_of_two(site: Path, tmp_path: Path) -> None:
    bring(site, "aaa", {"tool/x.py": b"1", "tool/a.py": b"", "z.py": b"1"})
    bring(site, "bbb", {"tool/x.py": b"2", "tool/b.py": b"", "z.py": b"2"})
    bring(site, "ccc", {"tool/c.py": b""})
    assert told(tmp_path) == [("file", "tool/x.py", 2, BOTH)]


def test_nothing_in_common(site: Path, tmp_path: Path) -> None:
    """The same contents, and byte code, are no harm."""
    same = {"space/__init__.py": b"", "LICENSE": b"MIT"}
    bring(site, "aaa", {**same, "space/__pycache__/a.cpython-313.pyc": b"1"})
    bring(site, "bbb", {**same, "space/__pycache__/a.cpython-313.pyc": b"2"})
    assert told(tmp_path) == []


def test_without_a_hash_it_is_not_known(site: Path, tmp_path: Path) -> None:
    bring(site, "aaa", {"x.py": b"1"})
    bring(site, "bbb", {"x.py": b"1"}, unlisted=("x.py",))
    assert told(tmp_path) == [("file", "x.py", 1, BOTH)]


def test_programs_and_what_belongs_to_others(
        site: Path, tmp_path: Path) -> None:
    """RECORDs have their paths from site-packages; one that is that of
    another package is not believed."""
    bring(site, "aaa", {}, "../../../bin/tool,sha256=a,1")
    bring(site, "bbb", {}, "../../../bin/tool,sha256=b,1")
    bring(site, "ccc", {}, "aaa-1.0.dist-info/RECORD,sha256=c,1")
    assert told(tmp_path) == [
        ("file", "aaa-1.0.dist-info/RECORD", 1, ["aaa 1.0", "ccc 1.0"]),
        ("file", "bin/tool", 1, BOTH),
    ]


@pytest.mark.parametrize("path", [
    "../../../../../outside", "/etc/passwd", "", ".", "x\0y",
])
def test_what_is_no_path_of_ours(
        site: Path, tmp_path: Path, path: str) -> None:
    for name in ("aaa", "bbb"):
        bring(site, name, {}, f"{path},sha256={name},1")
    assert told(tmp_path) == []


@pytest.mark.parametrize("record", [
    b"", b"\xff\xfe\0", b'"', b"a,b,c,d\n", b"a\n", b"," * 300_000,
    b"\n" * 1000, None,
], ids=["empty", "binary", "quote", "wide", "narrow", "long", "blank", "fifo"])
def test_a_record_that_is_none(
        site: Path, tmp_path: Path, record: bytes | None) -> None:
    bring(site, "aaa", {"x.py": b"1"})
    path = site / "aaa-1.0.dist-info" / "RECORD"
    path.unlink()
    if record is None:
        os.mkfifo(path)
    else:
        path.write_bytes(record)
    bring(site, "bbb", {"x.py": b"2"})
    assert told(tmp_path) == []


def test_what_is_told_is_bounded(site: Path, tmp_path: Path) -> None:
    """The first of what the same packages have in common; long and odd names
    are cut."""
    for number in range(20):
        name = f"p{number:02}"
        bring(site, name, {f"x{number:02}/{'y' * 250}": name.encode(),
                           f"x{number + 1:02}/{'y' * 250}": name.encode()},
              "odd\x1b[31m,,")
    found = inventory(tmp_path)
    assert len(found["conflicts"]) == 16
    assert found["conflicts_more"] == 4
    first = found["conflicts"][0]
    assert first["path"] == "odd\\x1b[31m"
    assert len(first["packages"]) == 8
    assert max(len(one["path"]) for one in found["conflicts"]) == 200


# ---- shared libraries -------------------------------------------------------

PACKINGS = [(1, "<"), (1, ">"), (2, "<"), (2, ">")]


@pytest.mark.parametrize("bits, order", PACKINGS)
def test_one_library_in_two_versions(
        site: Path, tmp_path: Path, bits: int, order: str) -> None:
    bring(site, "aaa", {
        "aaa.libs/libpeak.so.3.1": elf(bits=bits, order=order)})
    bring(site, "bbb", {
        "bbb/lib/libpeak.so": elf(content=b"2", bits=bits, order=order)})
    assert told(tmp_path) == [("library", "libpeak.so.3", 1, BOTH)]


@pytest.mark.parametrize("mine, his", [
    # the same; another machine's; a program; no library's name
    ((elf(), "libpeak.so"), (elf(), "libpeak.so")),
    ((elf(), "libpeak.so"), (elf(machine=183), "libpeak.so")),
    ((elf(), "libpeak.so"), (elf(kind=2), "libpeak.so")),
    ((elf(b"core.so"), "core.so"), (elf(b"core.so", b"2"), "core.so")),
    # hashed by auditwheel; modules of Python; a text
    ((elf(b"libpeak-1a2b3c4d.so.3"), "libpeak-1a2b3c4d.so.3"),
     (elf(b"libpeak-1a2b3c4d.so.3", b"2"), "libpeak-1a2b3c4d.so.3")),
    ((elf(), "x.cpython-313-x86_64-linux-gnu.so"),
     (elf(content=b"2"), "x.abi3.so")),
    ((elf(), "libpeak.so"), (b"INPUT(-lpeak)", "libpeak.so")),
    ((elf(), "libpeak.so.txt"), (elf(content=b"2"), "libpeak.so.txt")),
])
def test_libraries_that_do_not_meet(
        site: Path, tmp_path: Path, mine: tuple[bytes, str],
        his: tuple[bytes, str]) -> None:
    bring(site, "aaa", {f"aaa/{mine[1]}": mine[0]})
    bring(site, "bbb", {f"bbb/{his[1]}": his[0]})
    assert told(tmp_path) == []


def test_two_versions_of_one_package_are_its_own(
        site: Path, tmp_path: Path) -> None:
    bring(site, "aaa", {"aaa/libpeak.so": elf(),
                        "aaa/old/libpeak.so": elf(content=b"2")})
    assert told(tmp_path) == []
    bring(site, "bbb", {"bbb/libpeak.so": elf()})
    assert told(tmp_path) == [("library", "libpeak.so.3", 1, BOTH)]


def test_links_are_not_followed(site: Path, tmp_path: Path) -> None:
    bring(site, "aaa", {"aaa/libpeak.so": elf()})
    bring(site, "bbb", {"bbb/x.py": b""}, "bbb/libpeak.so,sha256=x,1",
          "bbb/libfifo.so,sha256=x,1", "bbb/libnone.so,sha256=x,1")
    (tmp_path / "outside.so").write_bytes(elf(content=b"2"))
    (site / "bbb" / "libpeak.so").symlink_to(tmp_path / "outside.so")
    os.mkfifo(site / "bbb" / "libfifo.so")
    assert told(tmp_path) == []


@pytest.mark.parametrize("bits, order", PACKINGS)
def test_libraries_that_are_broken(
        site: Path, tmp_path: Path, bits: int, order: str) -> None:
    """At any place, in any way: nothing worse than not to be known."""
    chance = random.Random(bits)
    whole = elf(bits=bits, order=order)
    files = {f"aaa/cut/lib{end}.so": whole[:end] for end in range(len(whole))}
    for number in range(1000):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.choice(
                [0, 1, 0x7f, 0x80, 0xff, chance.randrange(256)])
        files[f"aaa/lib{number}.so"] = bytes(data)
    bring(site, "aaa", files)
    assert told(tmp_path) == []


def test_disk(site: Path, tmp_path: Path) -> None:
    """As du(1) counts: each file once.  What has names elsewhere is linked."""
    environment, cache = tmp_path / "environment", tmp_path / "cache"
    environment.mkdir()
    cache.mkdir()
    (tmp_path / "lib").rename(environment / "lib")
    empty = inventory(environment)["disk"]
    (environment / "mint-packages.json").unlink()
    assert empty["linked_bytes"] == 0

    (environment / "own").write_bytes(bytes(100_000))
    os.link(environment / "own", environment / "own again")
    (cache / "wheel").write_bytes(bytes(300_000))
    os.link(cache / "wheel", environment / "linked")
    os.link(cache / "wheel", environment / "linked again")
    (environment / "link").symlink_to("/usr/bin")
    (environment / "dangling").symlink_to("/nowhere")

    disk = inventory(environment)["disk"]
    linked = os.stat(cache / "wheel").st_blocks * 512
    own = os.stat(environment / "own").st_blocks * 512
    assert linked >= 300_000 and own >= 100_000
    assert disk["linked_bytes"] == linked
    assert disk["bytes"] - empty["bytes"] == linked + own
    assert disk["files"] - empty["files"] == 3
