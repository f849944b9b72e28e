# SPDX-License-Identifier: MIT
"""plugin_host/inventory.py, run as the supervisor runs it, on environments
whose packages say odd things of themselves."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from host_harness import HOST, PYTHON

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
