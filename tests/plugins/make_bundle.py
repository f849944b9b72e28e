#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a .mint bundle of a test plugin without running its tests.

``mint build`` takes seconds; a test that uploads ten versions of a plugin
needs milliseconds.  The wheel and the manifest are what ``mint build`` makes
of such a project.  Needs Python 3.11 and nothing else.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import re
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

EPOCH = (1980, 1, 1, 0, 0, 0)


def make_bundle(
    source: Path,
    output: Path,
    *,
    version: str | None = None,
    requires: Iterable[str] = (),
    entry_points: Mapping[str, Mapping[str, str]] | None = None,
    requires_mint: str = ">=1.2.0b1",
    replace: Mapping[str, str] | None = None,
    description: str = "",
) -> Path:
    """The bundle's path; requires are added to the project's own.

    ``entry_points`` takes the place of the project's ({group: {name:
    target}}); ``description`` is the long one; ``replace`` puts other text into source files (each key must
    occur), to make versions that differ.
    """
    project = read_project(source)
    version = version or project["version"]
    wheel_name, wheel = make_wheel(
        source,
        version=version,
        requires=requires,
        entry_points=entry_points,
        replace=replace,
        description=description,
    )
    frontend = sorted(source.glob("src/*/frontend/index.html"))
    plugin = {
        "name": project["name"],
        "version": version,
        "description": project.get("description", ""),
        "requires_mint": requires_mint,
        "has_frontend": bool(frontend),
    }
    if frontend:
        digest = hashlib.sha256(frontend[0].read_bytes()).hexdigest()
        plugin["frontend_revision"] = f"sha256:{digest}"
    manifest = {
        "format_version": 1,
        "plugin": plugin,
        "wheels": {"main": wheel_name, "dependencies": []},
    }
    output.mkdir(parents=True, exist_ok=True)
    path = output / f"{project['name']}-{version}.mint"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        _add(bundle, "manifest.json", json.dumps(manifest, indent=2).encode())
        _add(bundle, wheel_name, wheel)
    return path


def make_wheel(
    source: Path,
    *,
    version: str | None = None,
    requires: Iterable[str] = (),
    entry_points: Mapping[str, Mapping[str, str]] | None = None,
    replace: Mapping[str, str] | None = None,
    description: str = "",
) -> tuple[str, bytes]:
    """File name and bytes of the plugin's wheel."""
    project = read_project(source)
    version = version or project["version"]
    stem = re.sub(r"[-_.]+", "_", project["name"]).lower() + f"-{version}"
    files = _sources(source / "src", dict(replace or {}))
    groups = project["entry-points"] if entry_points is None else entry_points
    info = f"{stem}.dist-info"
    files[f"{info}/METADATA"] = _metadata(
        project, version, requires, description
    )
    files[f"{info}/WHEEL"] = (
        "Wheel-Version: 1.0\nGenerator: make_bundle\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n"
    ).encode()
    files[f"{info}/entry_points.txt"] = "\n".join(
        f"[{group}]\n"
        + "".join(f"{name} = {target}\n" for name, target in entries.items())
        for group, entries in groups.items()
    ).encode()
    record = "".join(
        f"{name},sha256={_digest(data)},{len(data)}\n"
        for name, data in files.items()
    )
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in files.items():
            _add(wheel, name, data)
    return f"{stem}-py3-none-any.whl", stream.getvalue()


def read_project(source: Path) -> dict:
    with open(source / "pyproject.toml", "rb") as stream:
        return tomllib.load(stream)["project"]


def _sources(top: Path, replace: dict[str, str]) -> dict[str, bytes]:
    files = {}
    unused = set(replace)
    for path in sorted(top.rglob("*")):
        if not path.is_file() or "__pycache__" in path.parts:
            continue
        data = path.read_bytes()
        for old, new in replace.items():
            if old.encode() in data:
                data = data.replace(old.encode(), new.encode())
                unused.discard(old)
        files[path.relative_to(top).as_posix()] = data
    if unused:
        raise ValueError(f"not found in {top}: {sorted(unused)}")
    return files


def _metadata(
    project: dict, version: str, requires: Iterable[str], description: str
) -> bytes:
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {project['name']}",
        f"Version: {version}",
        f"Summary: {project.get('description', '')}",
        f"Requires-Python: {project.get('requires-python', '>=3.12')}",
    ]
    for requirement in [*project.get("dependencies", []), *requires]:
        lines.append(f"Requires-Dist: {requirement}")
    if description:
        lines += ["", description]
    return ("\n".join(lines) + "\n").encode()


def _digest(data: bytes) -> str:
    digest = hashlib.sha256(data).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o100644 << 16
    archive.writestr(entry, data)


def main() -> int:
    parser = argparse.ArgumentParser(description="Make a .mint bundle.")
    parser.add_argument("source", type=Path, help="folder of the project")
    parser.add_argument("output", type=Path, help="folder for the bundle")
    parser.add_argument("--version")
    parser.add_argument(
        "--requires", action="append", default=[], metavar="REQUIREMENT"
    )
    arguments = parser.parse_args()
    print(
        make_bundle(
            arguments.source,
            arguments.output,
            version=arguments.version,
            requires=arguments.requires,
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
