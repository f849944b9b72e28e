# SPDX-License-Identifier: MIT
"""verify.py DIRECTORY [--records]: compares the files of an environment with
the lock it was built from, or only with what its packages say of their files.
Prints JSON, one object a line: {"verified", "of"} from time to time, then what
was found.

Run with -I -S by the interpreter that the environment is made from: no code of
a package, not even a .pth file, is run.  What packages say of themselves is
not believed: a path may lead anywhere, and no link is followed."""

import base64
import csv
import hashlib
import json
import os
import posixpath
import re
import stat
import sys
import time
import urllib.parse

FILE_MAX = 64 * 1024 * 1024  # of a lock, a RECORD, a METADATA
FIELD_MAX = 4096  # characters
FILES_MAX = 4 * 1024 * 1024
BLOCK = 1024 * 1024
REPORT_MAX = 32 * 1024  # bytes of problems that are named
PATH_SHOWN = 300
PROGRESS_SEC = 2
HASHES = ("sha256", "sha384", "sha512")
# a RECORD has no hash of these
UNHASHED = re.compile(r"\.dist-info/RECORD(\.jws|\.p7s)?\Z|\.pyc\Z")
BYTE_CODE = re.compile(r"(.+?)\.[^.]+-\d+(\.opt-\w+)?\.pyc\Z")
# what uv itself puts there
OURS = ("_virtualenv.py", "_virtualenv.pth")


class Broken(Exception):
    """Something cannot be read as what it should be."""


def shown(text):
    """For a terminal and for JSON, whatever somebody has called a file."""
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return text if len(text) <= PATH_SHOWN else text[:PATH_SHOWN] + "..."


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def loose(version):
    """Spellings of one version are one; what differs stays different."""
    version = re.sub(r"[-_]", ".", version.lower().removeprefix("v"))
    return re.sub(r"(\.0)+(?=\Z|\+)", "", version)


def open_file(path):
    """Of a regular file; a link is none, and nothing is waited for."""
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise Broken("is no file")
    return os.fdopen(number, "rb")


def read(path):
    with open_file(path) as file:
        data = file.read(FILE_MAX + 1)
    if len(data) > FILE_MAX:
        raise Broken("is too long")
    return data


# ---- the lock ---------------------------------------------------------------


def locked(text):
    """{name: version} of a lock as uv writes it; version None: not known."""
    found = {}
    for line in text.split("\n"):
        if not line.strip() or line[0] in " \t#-":
            continue
        match = re.match(r"([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^]]*\])?"
                         r"\s*(==|@)\s*([^\s;\\]+)", line)
        if not match:
            raise Broken(f"has a line that is no pinned package: "
                         f"{shown(line)}")
        name, _, kind, value = match.groups()
        if kind == "@":
            wheel = urllib.parse.unquote(value.rpartition("/")[2])
            parts = wheel.split("-")
            value = parts[1] if len(parts) >= 5 else None
        found[normal(name)] = value
    return found


# ---- what is there ----------------------------------------------------------


class Files:
    """{path: status} of what is no directory, without following links."""

    def __init__(self, directory):
        self.directory = directory
        self.found = {}
        self.closed = []
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            try:
                entries = list(os.scandir(os.path.join(directory, folder)))
            except OSError as error:
                self.closed.append((folder, error.strerror))
                continue
            for entry in entries:
                path = posixpath.join(folder, entry.name)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(path)
                else:
                    self.found[path] = entry.stat(follow_symlinks=False)
            if len(self.found) > FILES_MAX:
                raise Broken(f"has more than {FILES_MAX} files")

    def full(self, path):
        return os.path.join(self.directory, path)


def digest(file, algorithm, count):
    sums = hashlib.new(algorithm)
    while block := file.read(BLOCK):
        sums.update(block)
        count(len(block))
    return base64.urlsafe_b64encode(sums.digest()).rstrip(b"=").decode()


# ---- RECORD -----------------------------------------------------------------


def rows(data):
    """(path, hash, size) of each line, as texts."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        for row in csv.reader(text.splitlines(keepends=True), strict=True):
            if row:
                if len(row) != 3:
                    raise Broken(f"has a line of {len(row)} fields: "
                                 f"{shown(','.join(row))}")
                yield row
    except csv.Error as error:
        raise Broken(f"is no CSV: {error}") from None


def placed(site, path):
    """Below the environment, or Broken.  By its letters: no directory of
    Files is a link."""
    if not path or "\0" in path:
        raise Broken("is no path")
    if path.startswith("/"):
        raise Broken("is absolute")
    path = posixpath.normpath(posixpath.join(site, path))
    if path == "." or path == ".." or path.startswith("../"):
        raise Broken("leads out of the environment")
    return path


class Entry:
    """What one RECORD says of a file."""

    def __init__(self, package, hash_text, size_text):
        self.package = package
        self.algorithm, _, self.hash = hash_text.partition("=")
        self.size = int(size_text) if size_text else None


def entry(package, path, hash_text, size_text):
    if size_text and not re.fullmatch(r"[0-9]{1,18}", size_text):
        raise Broken("has a size that is no number")
    made = Entry(package, hash_text, size_text)
    if not hash_text:
        if not UNHASHED.search(path):
            raise Broken("has no hash")
    elif made.algorithm not in HASHES or not made.hash:
        raise Broken("has a hash that is not known")
    return made


# ---- comparing --------------------------------------------------------------


class Check:
    def __init__(self, directory):
        self.directory = directory
        self.problems = []
        self.left_off = 0
        self.room = REPORT_MAX
        self.packages = {}
        self.owners = {}  # path: entries
        self.verified = 0
        self.bytes = 0
        self.next_word = time.monotonic() + PROGRESS_SEC
        self.files = Files(directory)
        self.sites = sorted({
            "/".join(parts[:3]) for parts in
            (path.split("/") for path in self.files.found)
            if len(parts) > 3 and parts[0] == "lib"
            and parts[2] == "site-packages"})

    def say(self, kind, package, path, text):
        problem = {"kind": kind, "package": shown(package),
                   "path": shown(path), "text": shown(text)}
        self.room -= len(json.dumps(problem))
        if self.room > 0:
            self.problems.append(problem)
        else:
            self.left_off += 1

    def progress(self, size):
        self.bytes += size
        if time.monotonic() >= self.next_word:
            self.next_word += PROGRESS_SEC * 5
            print(json.dumps({"verified": self.verified,
                              "of": len(self.owners)}), flush=True)

    # -- packages

    def lock(self):
        try:
            data = read(self.files.full("mint-lock.txt"))
            marker = json.loads(read(self.files.full("mint-environment.json")))
            wanted = locked(data.decode("utf-8", "replace"))
        except (OSError, ValueError, Broken) as error:
            raise Broken(f"its lock cannot be read: {error}") from None
        if hashlib.sha256(data).hexdigest() != marker.get("lock_sha256"):
            self.say("changed", "", "mint-lock.txt",
                     "is not the lock it was built from")
        return wanted

    def installed(self, wanted):
        """None: whatever is there."""
        for site in self.sites:
            folders = sorted({
                path.split("/")[3] for path in self.files.found
                if path.startswith(site + "/") and path.count("/") > 3})
            for folder in folders:
                if folder.endswith(".dist-info"):
                    self.package(site, folder, wanted)
        for name in sorted(set(wanted or ()) - set(self.packages)):
            self.say("missing", name, "", f"{wanted[name] or 'the package'} of "
                     "the lock is not installed")

    def package(self, site, folder, wanted):
        name, _, version = folder.removesuffix(".dist-info").partition("-")
        versions = {loose(version)}
        path = f"{site}/{folder}"
        try:
            head = read(self.files.full(f"{path}/METADATA")).partition(
                b"\n\n")[0].decode("utf-8", "replace")
        except (OSError, Broken):
            head = ""
        if match := re.search(r"^Name:\s*(\S+)\s*$", head, re.M | re.I):
            name = match[1]
        if match := re.search(r"^Version:\s*(\S+)\s*$", head, re.M | re.I):
            version = match[1]
            versions.add(loose(version))
        name = normal(name)
        if wanted is None:
            pass
        elif name not in wanted:
            self.say("extra", name, path, f"{version} is not in the lock")
        elif name in self.packages:
            self.say("extra", name, path, f"{version} is there once more")
        elif wanted[name] is not None and loose(wanted[name]) not in versions:
            self.say("changed", name, path, f"is {version}, the lock has "
                     f"{wanted[name]}")
        self.packages[name] = version
        self.record(site, path, name)

    def record(self, site, path, name):
        record = f"{path}/RECORD"
        try:
            data = read(self.files.full(record))
        except (OSError, Broken) as error:
            self.say("missing", name, record,
                     f"cannot be read, so its files are not known: {error}")
            return
        try:
            for row, hash_text, size_text in rows(data):
                try:
                    placed_at = placed(site, row)
                    made = entry(name, placed_at, hash_text, size_text)
                except Broken as error:
                    self.say("record", name, row, str(error))
                    continue
                self.owners.setdefault(placed_at, []).append(made)
        except Broken as error:
            self.say("record", name, record, str(error))

    # -- files

    def compare(self):
        for path, entries in sorted(self.owners.items()):
            status = self.files.found.get(path)
            name = entries[-1].package
            if status is None:
                for one in entries:
                    self.say("missing", one.package, path, "is not there")
            elif not stat.S_ISREG(status.st_mode):
                self.say("changed", name, path, "is a link"
                         if stat.S_ISLNK(status.st_mode) else "is no file")
            else:
                self.content(path, status, entries)
            self.verified += 1

    def content(self, path, status, entries):
        """Of two packages that have installed it the last one's is there."""
        why = None
        for one in reversed(entries):
            why = self.difference(path, status, one)
            if why is None:
                return
        self.say("changed", entries[-1].package, path, why)

    def difference(self, path, status, one):
        if one.size is not None and status.st_size != one.size:
            return f"has {status.st_size} bytes instead of {one.size}"
        if not one.hash:
            return None
        try:
            with open_file(self.files.full(path)) as file:
                found = digest(file, one.algorithm, self.progress)
        except (OSError, Broken) as error:
            return f"cannot be read: {error}"
        return None if found == one.hash.rstrip("=") else "has other contents"

    def strangers(self):
        """What nobody has installed would be imported all the same."""
        tops = {}
        for path, entries in self.owners.items():
            top = path.split("/")[:4]
            tops.setdefault("/".join(top), {one.package for one in entries})
        for path in sorted(self.files.found):
            site = next((s for s in self.sites if path.startswith(s + "/")),
                        None)
            if site is None or path in self.owners or self.is_byte_code(path) \
                    or path.removeprefix(site + "/") in OURS:
                continue
            names = tops.get("/".join(path.split("/")[:4]), set())
            self.say("extra", names.copy().pop() if len(names) == 1 else "",
                     path, "belongs to no package")

    def is_byte_code(self, path):
        """Python makes it from a file that has an owner, and only uses it
        where Python would look for it."""
        folder, name = posixpath.split(path)
        above, cache = posixpath.split(folder)
        match = BYTE_CODE.fullmatch(name)
        return (cache == "__pycache__" and match is not None
                and f"{above}/{match[1]}.py" in self.owners)

    def run(self, by_records):
        self.installed(None if by_records else self.lock())
        for folder, why in self.files.closed:
            self.say("changed", "", folder, f"cannot be looked into: {why}")
        self.compare()
        if not by_records:
            self.strangers()
        return {"packages": len(self.packages), "files": self.verified,
                "bytes": self.bytes, "problems": self.problems,
                "left_off": self.left_off}


def main(directory, option=None):
    csv.field_size_limit(FIELD_MAX)
    try:
        print(json.dumps(Check(directory).run(option == "--records")))
    except Broken as error:
        print(json.dumps({"error": str(error)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
