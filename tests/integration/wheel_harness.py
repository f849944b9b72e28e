# SPDX-License-Identifier: MIT
"""Wheels and shared libraries made on the spot, and plugins with them."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import struct
import zipfile
from pathlib import Path

from system_harness import make_bundle, renamed_plugin


def record_hash(data: bytes) -> str:
    """As a RECORD has it."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
    return f"sha256={digest.rstrip(b'=').decode()}"


def elf(
    name: bytes = b"libpeak.so.3", content: bytes = b"", bits: int = 2,
    order: str = "<", machine: int = 62, kind: int = 3,
) -> bytes:
    """A shared library that has nothing but a name."""
    word = "Q" if bits == 2 else "I"
    sizes = {1: (52, 32), 2: (64, 56)}[bits]
    base, strings = 0x10000, b"\0" + name + b"\0"
    at = sizes[0] + 2 * sizes[1]
    pairs = [(14, 1), (5, base + at + 5 * struct.calcsize(f"{order}2{word}")),
             (10, len(strings)), (1, 0), (0, 0)]
    dynamic = b"".join(struct.pack(f"{order}2{word}", *pair) for pair in pairs)
    size = at + len(dynamic) + len(strings) + len(content)
    head = b"\x7fELF" + bytes([bits, 1 if order == "<" else 2, 1]) + bytes(9)
    head += struct.pack(f"{order}HHI3{word}I6H", kind, machine, 1, 0, sizes[0],
                        0, 0, sizes[0], sizes[1], 2, 0, 0, 0)

    def segment(what: int, offset: int, length: int) -> bytes:
        if bits == 2:
            return struct.pack(f"{order}II6Q", what, 4, offset, base + offset,
                               base + offset, length, length, 8)
        return struct.pack(f"{order}8I", what, offset, base + offset,
                           base + offset, length, length, 4, 8)

    return (head + segment(1, 0, size) + segment(2, at, len(dynamic))
            + dynamic + strings + content)


def tiny_wheel(
    name: str, files: dict[str, bytes], version: str = "1.0"
) -> tuple[str, bytes]:
    info = f"{name}-{version}.dist-info"
    files = {
        **files,
        f"{info}/METADATA":
            (f"Metadata-Version: 2.1\nName: {name}\n"
             f"Version: {version}\n").encode(),
        f"{info}/WHEEL":
            b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
            b"Tag: py3-none-any\n",
    }
    lines = [f"{info}/RECORD,,\n"]
    for path, data in files.items():
        lines.append(f"{path},{record_hash(data)},{len(data)}\n")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as wheel:
        for path, data in {**files,
                           f"{info}/RECORD": "".join(lines).encode()}.items():
            wheel.writestr(path, data)
    return f"{name}-{version}-py3-none-any.whl", stream.getvalue()


def vendoring(
    name: str, folder: Path, wheels: dict[str, dict[str, bytes]],
    *, imports: str = "", version: str | None = None,
) -> Path:
    """The bundle of a plugin test-<name> that brings and needs these wheels;
    imports: a line it begins with."""
    source = folder / name
    if not source.exists():
        renamed_plugin("echo", name, folder)
    first = "from __future__ import annotations\n"
    plain = make_bundle(
        source, folder / "plain", version=version,
        requires=[f"{wheel}==1.0" for wheel in wheels],
        replace={first: first + imports} if imports else None,
    )
    path = folder / plain.name
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w") as new:
        manifest = json.loads(old.read("manifest.json"))
        for wheel, files in wheels.items():
            file, data = tiny_wheel(wheel, files)
            manifest["wheels"]["dependencies"].append(file)
            new.writestr(file, data)
        for entry in old.namelist():
            if entry != "manifest.json":
                new.writestr(entry, old.read(entry))
        new.writestr("manifest.json", json.dumps(manifest))
    return path
