# SPDX-License-Identifier: MIT
"""What two packages of an environment bring under one name: a file of which
only one can be there, or a shared library of which a process only loads one.

What a RECORD says is believed: a package that wants to do harm to others in
its environment need not lie about files, a .pth file of its own is enough.  uv
lists what a wheel has left out of its RECORD, without a hash."""

import os
import re

import elf
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


# ---- shared libraries -------------------------------------------------------


def soname(file):
    """(name, class, order, machine) of a shared library that has a name, as
    the loader would find it; None for everything else."""
    try:
        found = elf.read(lambda offset, length:
                         os.pread(file.fileno(), length, offset))
    except elf.Broken:
        return None
    if found is None or found.kind != elf.TYPE_SHARED or not found.soname:
        return None
    return (found.soname, *found.target)


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


def conflicts(search):
    """(those that are told, how many there are besides)"""
    search.files()
    search.libraries()
    return search.told(), search.more
