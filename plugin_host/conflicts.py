# SPDX-License-Identifier: MIT
"""What two packages of an environment bring under one name: a file of which
only one can be there, or a shared library of which a process only loads one.

What a RECORD says is believed: a package that wants to do harm to others in
its environment need not lie about files, a .pth file of its own is enough.  uv
lists what a wheel has left out of its RECORD, without a hash."""

import os
import re
import struct

import verify

CONFLICTS_MAX = 16  # that are told
PACKAGES_MAX = 8  # of one of them
CLAIMS_MAX = 1024 * 1024
LIBRARIES_MAX = 16 * 1024  # that are looked into
TEXT_MAX = 200

SITE = re.compile(r"\Alib(64)?/python[^/]*/site-packages/")
LIBRARY = re.compile(r"\.so(\.[0-9]+)*\Z")
# Python loads these by their paths, and looks for no name in them
EXTENSION = re.compile(r"\.(cpython|pypy|graalpy|abi)[^/.]*\.so\Z"
                       r"|\.abi[0-9]+(-[^/.]*)?\.so\Z")
# auditwheel puts a hash of the contents into the name; what it changes in the
# file after that may differ
HASHED = re.compile(r"-[0-9a-f]{8}\.so(\.|\Z)")

ELF_TYPE_SHARED = 3
ELF_SEGMENTS_MAX = 128
ELF_DYNAMIC_MAX = 64 * 1024
ELF_NAME_MAX = 255
LOAD, DYNAMIC = 1, 2
NO_MORE, STRINGS, SONAME = 0, 5, 14

# by EI_CLASS: addresses, and where a segment has type, offset, address, size
ELF_CLASSES = {
    1: ("I", "IIIIIIII", (0, 1, 2, 4)),
    2: ("Q", "IIQQQQQQ", (0, 2, 3, 5)),
}
ELF_ORDERS = {1: "<", 2: ">"}


# ---- shared libraries -------------------------------------------------------


def part(number, size, offset, length):
    """Of a file; None if it has less."""
    if offset + length > size:
        return None
    data = os.pread(number, length, offset)
    return data if len(data) == length else None


def soname(file):
    """(name, class, order, machine) of a shared library that has a name, as
    the loader would find it; None for everything else."""
    number = file.fileno()
    size = os.fstat(number).st_size
    head = part(number, size, 0, 52)
    if head is None or head[:4] != b"\x7fELF":
        return None
    word, segment, fields = ELF_CLASSES.get(head[4], (None, None, None))
    order = ELF_ORDERS.get(head[5])
    if word is None or order is None:
        return None
    header = struct.Struct(f"{order}HHI{word}{word}{word}IHHH")
    data = part(number, size, 16, header.size)
    if data is None:
        return None
    kind, machine, _, _, at, _, _, _, entry, count = header.unpack(data)
    segment = struct.Struct(order + segment)
    if (kind != ELF_TYPE_SHARED or entry != segment.size
            or count > ELF_SEGMENTS_MAX):
        return None
    data = part(number, size, at, entry * count)
    if data is None:
        return None
    segments = [tuple(found[field] for field in fields)
                for found in segment.iter_unpack(data)]
    name = dynamic_name(number, size, segments,
                        struct.Struct(order + word * 2))
    return (name, head[4], head[5], machine) if name else None


def dynamic_name(number, size, segments, pair):
    found = {}
    for kind, offset, _, length in segments:
        if kind != DYNAMIC:
            continue
        length = min(length, ELF_DYNAMIC_MAX) // pair.size * pair.size
        for tag, value in pair.iter_unpack(
                part(number, size, offset, length) or b""):
            if tag == NO_MORE:
                break
            found[tag] = value
        break
    if STRINGS not in found or SONAME not in found:
        return None
    address = found[STRINGS] + found[SONAME]
    for kind, offset, start, length in segments:
        if kind == LOAD and start <= address < start + length:
            offset += address - start
            data = part(number, size, offset,
                        min(ELF_NAME_MAX + 1, max(size - offset, 0)))
            name, end, _ = (data or b"").partition(b"\0")
            return name.decode("utf-8", "backslashreplace") if end else None
    return None


# ---- what is brought --------------------------------------------------------


def text(value):
    return verify.shown(value)[:TEXT_MAX]


def place(kind, paths):
    """The first, as it is imported."""
    first = min(paths)
    return text(SITE.sub("", first, count=1) if kind == "file" else first)


class Search:
    """packages: (directory of its RECORD, name, version)."""

    def __init__(self, directory, packages):
        self.directory = os.path.realpath(directory)
        self.packages = packages
        self.owners = {}  # path: {index of a package: hash}
        self.count = 0
        self.found = {}  # (kind, indices): paths
        self.more = 0

    def read(self):
        for index, (folder, _, _) in enumerate(self.packages):
            path = os.path.relpath(folder, self.directory)
            self.claim(index, f"{path}/RECORD", "")
            try:
                data = verify.read(os.path.join(folder, "RECORD"))
                for row, hash_text, _ in verify.rows(data):
                    self.row(index, os.path.dirname(path), row, hash_text)
            except (OSError, verify.Broken):
                continue  # uv has written it; if it was lost, who can tell

    def row(self, index, site, row, hash_text):
        try:
            path = verify.placed(site, row)
        except verify.Broken:
            return
        if "__pycache__" not in path.split("/"):
            self.claim(index, path, hash_text.rstrip("="))

    def claim(self, index, path, hash_text):
        if self.count == CLAIMS_MAX:
            self.more = 1
            return
        self.count += 1
        self.owners.setdefault(path, {})[index] = hash_text

    def files(self):
        for path, owners in self.owners.items():
            if len(owners) > 1 and not os.path.isdir(
                    os.path.join(self.directory, path)):
                self.judge("file", path, owners)

    def libraries(self):
        names = {}  # of libraries: {index: hash}
        room = LIBRARIES_MAX
        for path, owners in sorted(self.owners.items()):
            if (len(owners) > 1 or not LIBRARY.search(path)
                    or EXTENSION.search(path)):
                continue
            if room == 0:
                self.more = 1
                break
            room -= 1
            name = self.library(path)
            if name is None:
                continue
            (index, hash_text), = owners.items()
            names.setdefault(name, {}).setdefault(index, set()).add(hash_text)
        for (name, *_), owners in names.items():
            self.judge("library", name, {
                index: min(hashes) if len(hashes) == 1 else ""
                for index, hashes in owners.items()})

    def library(self, path):
        """By what a loader tells them apart; None: by nothing."""
        try:
            with verify.open_file(os.path.join(self.directory, path)) as file:
                name = soname(file)
        except (OSError, ValueError, verify.Broken):
            return None
        if (name is None or HASHED.search(name[0])
                or not name[0].startswith("lib")):
            return None
        return name

    def judge(self, kind, path, owners):
        """Without a hash it is not known what was brought."""
        hashes = set(owners.values())
        if len(owners) > 1 and (len(hashes) > 1 or "" in hashes):
            self.found.setdefault((kind, tuple(sorted(owners))),
                                  []).append(path)

    def told(self):
        """The first of what the same packages have in common, and how many."""
        told = sorted(
            ({"kind": kind, "path": place(kind, paths), "count": len(paths),
              "packages": [{"name": text(self.packages[index][1]),
                            "version": text(self.packages[index][2])}
                           for index in indices[:PACKAGES_MAX]]}
             for (kind, indices), paths in self.found.items()),
            key=lambda one: (one["kind"], one["path"]))
        self.more += max(len(told) - CONFLICTS_MAX, 0)
        return told[:CONFLICTS_MAX]


def conflicts(directory, packages):
    """(those that are told, how many there are besides)"""
    search = Search(directory, packages)
    search.read()
    search.files()
    search.libraries()
    return search.told(), search.more
