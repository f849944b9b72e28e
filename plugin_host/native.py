# SPDX-License-Identifier: MIT
"""The shared libraries that the files of packages need and that are neither in
the environment nor known to the loader of this host.  Files are read, and no
code of a package is run."""

import os
import re
import struct
import sys

import elf
import verify

MISSING_MAX = 32  # that are told
FILES_MAX = 16 * 1024  # that are looked into
TEXT_MAX = 200
CACHE_MAX = 16 * 1024 * 1024
CACHE_ENTRIES_MAX = 64 * 1024

CACHE = "/etc/ld.so.cache"
DIRECTORIES = ("/lib", "/usr/lib", "/lib64", "/usr/lib64")
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                     "debian-packages.txt")
SITE = re.compile(r"\Alib(64)?/python[^/]*/site-packages/")
LIBRARY = re.compile(r"\.so(\.[0-9]+)*\Z")
# the loader itself and what no file stands for
LOADER = re.compile(r"\A(ld-linux.*|linux-vdso|linux-gate)\.so(\.[0-9]+)?\Z")


def may_be_native(path):
    """By its name: an extension, a library or a program."""
    name = path.rpartition("/")[2]
    return (LIBRARY.search(name) is not None or "." not in name) \
        and ".dist-info/" not in path


def text(value):
    return verify.shown(value)[:TEXT_MAX]


def read(path):
    """None if it is no ELF file."""
    with verify.open_file(path) as file:
        return elf.read(lambda offset, length:
                        os.pread(file.fileno(), length, offset))


def debian_packages(kind):
    """{} where the host is not one of Debian's."""
    if not os.path.exists("/etc/debian_version"):
        return {}
    with open(TABLE, encoding="ascii") as file:
        rows = [line.split() for line in file if not line.startswith("#")]
    return {row[1]: row[2] for row in rows if len(row) == 3 and row[0] == kind}


# ---- the host ---------------------------------------------------------------


def cached(path=CACHE):
    """{name: [path]} of the loader's cache; {} if it is not as it is known."""
    entry, found = struct.Struct("=iIIIQ"), {}
    try:
        with open(path, "rb") as file:
            data = file.read(CACHE_MAX)
    except OSError:
        return found
    start = data.find(b"glibc-ld.so.cache1.1")
    if start < 0 or len(data) < start + 48:
        return found
    count, = struct.unpack_from("=I", data, start + 20)
    if count > CACHE_ENTRIES_MAX or len(data) < start + 48 + 24 * count:
        return found
    for index in range(count):
        _, key, value, _, _ = entry.unpack_from(data, start + 48 + 24 * index)
        key, value = (
            data[start + at:start + at + 4096].partition(b"\0")[0].decode(
                "utf-8", "surrogateescape") for at in (key, value))
        found.setdefault(key, []).append(value)
    return found


class Host:
    """Asked for libraries for the interpreter that runs this."""

    def __init__(self):
        self.target = self.target_of(sys.executable)
        self.cache = cached()
        kind = getattr(sys.implementation, "_multiarch", "")
        self.directories = [f"{top}/{kind}" for top in DIRECTORIES[:2] if kind]
        self.directories += DIRECTORIES
        self.known = {}
        try:
            with open("/proc/self/maps", encoding="utf-8",
                      errors="replace") as file:
                for line in file:
                    self.known[line.rstrip().rpartition("/")[2]] = True
        except OSError:
            pass

    @staticmethod
    def target_of(path):
        """None as well for what is no file: a package may name any path, and
        some devices do not like to be opened."""
        try:
            path = os.path.realpath(path)
            found = read(path) if os.path.isfile(path) else None
        except (OSError, ValueError, elf.Broken, verify.Broken):
            return None
        return found.target if found is not None else None

    def has(self, name):
        if name not in self.known:
            paths = [*self.cache.get(name, ()),
                     *(f"{place}/{name}" for place in self.directories)]
            self.known[name] = any(self.target_of(path) == self.target
                                   for path in paths)
        return self.known[name]


# ---- what is needed ---------------------------------------------------------


class Needs:
    """Of files that are added one by one; which of them are there is known
    only then."""

    def __init__(self, host=None):
        self.host = host or Host()
        self.files = []  # (path, package, Elf)
        self.names = set()  # that can be loaded from the packages
        self.paths = set()
        self.broken = []  # (path, package, problem)
        self.more = 0

    def add(self, path, package, reader):
        """package: its name and version; reader(): the Elf or None."""
        if len(self.files) == FILES_MAX:
            self.more = 1
            return
        try:
            found = reader()
        except elf.Broken as problem:
            self.broken.append((path, package, str(problem)))
            return
        except (OSError, ValueError, verify.Broken):
            return
        if found is not None and found.target == self.host.target:
            self.files.append((path, package, found))
            self.names.update({found.soname, path.rpartition("/")[2]})
            self.paths.add(path)

    def is_there(self, path, found, name):
        if name in self.names or LOADER.search(name):
            return True  # somebody loads it, by its path or before
        if name.startswith("libpython"):
            return True  # the interpreter's own affair
        if "/" in name:
            return self.host.target_of(name) == self.host.target
        for place in found.places:
            if place.startswith("/") and self.host.target_of(
                    f"{place}/{name}") == self.host.target:
                return True
        return self.host.has(name)

    def missing(self):
        """{library: [(path, package)]}"""
        missing = {}
        for path, package, found in self.files:
            for name in found.needed:
                if not self.is_there(path, found, name):
                    missing.setdefault(name, []).append((path, package))
        return missing

    def told(self):
        """(those that are told, how many there are besides)"""
        table = debian_packages("library")
        told = [row(library, files, table.get(library))
                for library, files in sorted(self.missing().items())]
        told += [broken_row(*one) for one in sorted(self.broken)]
        self.more += max(len(told) - MISSING_MAX, 0)
        return told[:MISSING_MAX], self.more


def named(path, package):
    return {"file": text(SITE.sub("", path, count=1)),
            "package": text(package[0]), "version": text(package[1])}


def row(library, files, debian):
    path, package = min(files)
    found = {"library": text(library), "count": len(files), "debian": debian,
             **named(path, package)}
    more = len(files) - 1
    others = "" if more == 0 else (
        f" and {more} other {'file' if more == 1 else 'files'}")
    needs = "needs" if more == 0 else "need"
    found["sentence"] = (
        f"{found['library']}, which {found['package']}'s {found['file']}"
        f"{others} {needs}, is not on this host"
        + (f"; Debian has it in package {debian}" if debian else ""))
    return found


def broken_row(path, package, problem):
    found = {"library": None, "count": 1, "debian": None,
             **named(path, package)}
    found["sentence"] = (f"{found['package']}'s {found['file']} is a broken "
                         f"ELF file: {problem}")
    return found


def libraries(directory, packages, owners):
    """Of an environment.  packages: (_, name, version); owners: {path: indices
    of packages}, as their RECORDs have it."""
    needs = Needs()
    for path, indices in sorted(owners.items()):
        if may_be_native(path):
            whole = os.path.join(directory, path)
            needs.add(path, packages[min(indices)][1:],
                      lambda whole=whole: read(whole))
    return needs.told()
