# SPDX-License-Identifier: MIT
"""inventory.py DIRECTORY OUTPUT: what is installed in an environment, what it
requires, what of it is there under one name twice, which libraries of the host
it lacks, what it takes on disk, and what markers see of the interpreter, as
JSON.

Run with -I -S by the interpreter that the environment is made from: no code of
a package, not even a .pth file, is run."""

import email.parser
import json
import os
import pathlib
import platform
import stat
import sys
import sysconfig

# with -I not even the script's own directory is looked into
sys.path.append(os.path.dirname(os.path.abspath(__file__)))
from conflicts import Search, conflicts  # noqa: E402
from native import libraries  # noqa: E402

REQUIRES_MAX = 64 * 1024  # characters of one package


def text(value):
    """What JSON can carry, whatever a package has written."""
    value = str(value).replace("\0", "?")
    return value.encode("utf-8", "replace").decode("utf-8")


def full_version(info):
    """As packaging has it: 3.13.0, 3.14.0b1."""
    version = f"{info.major}.{info.minor}.{info.micro}"
    if info.releaselevel != "final":
        version += f"{info.releaselevel[0]}{info.serial}"
    return version


def interpreter():
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": full_version(sys.implementation.version),
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": platform.python_version(),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    }


def places(directory):
    """The site-packages of an environment, which is not activated here."""
    variables = {"base": directory, "platbase": directory}
    return {os.path.realpath(sysconfig.get_path(name, "venv", variables))
            for name in ("purelib", "platlib")}


def headers(path):
    """The head of METADATA; what stands below it may be long.  None if it
    cannot be made out: uv may read on where Python's head ends."""
    try:
        with open(path, encoding="utf-8", errors="replace",
                  newline="") as file:
            lines = file.read().replace("\r\n", "\n")
    except OSError:
        return None
    lines = lines.partition("\n\n")[0]
    head = email.parser.HeaderParser().parsestr(lines)
    if "\r" in lines or head.defects or head.get_payload():
        return None
    return head


def package(folder):
    """requires is null where it is not known, or too much."""
    name, _, version = folder.name.removesuffix(".dist-info").partition("-")
    head = headers(folder / "METADATA")
    requires = None
    if head is not None:
        name = head["Name"] or name
        version = head["Version"] or version
        requires = [text(one) for one in head.get_all("Requires-Dist") or []]
        if sum(map(len, requires)) > REQUIRES_MAX:
            requires = None
    return {"name": text(name), "version": text(version),
            "requires": requires}


def disk(directory):
    """Bytes as the file system allots them, each file once, however many names
    it has; linked are those of files that have names elsewhere, too (in uv's
    cache), and stay when the environment is removed."""
    sizes = {}
    for folder, _, names in os.walk(directory):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            found = os.lstat(path)
            links = 1 if stat.S_ISDIR(found.st_mode) else found.st_nlink
            _, _, inside = sizes.get((found.st_dev, found.st_ino), (0, 0, 0))
            sizes[found.st_dev, found.st_ino] = (
                found.st_blocks * 512, links, inside + 1)
    linked = [size for size, links, inside in sizes.values() if links > inside]
    return {"bytes": sum(size for size, _, _ in sizes.values()),
            "linked_bytes": sum(linked), "files": len(sizes)}


def main(directory, output):
    folders = [folder for place in sorted(places(directory))
               for folder in sorted(pathlib.Path(place).glob("*.dist-info"))]
    packages = [package(folder) for folder in folders]
    search = Search(directory, [
        (folder, one["name"], one["version"])
        for folder, one in zip(folders, packages)])
    search.read()
    found, more = conflicts(search)
    missing, missing_more = libraries(search.directory, search.packages,
                                      search.owners)
    # a package may have put a file there that lies in a cache, too
    pathlib.Path(output).unlink(missing_ok=True)
    with open(output, "x", encoding="utf-8") as file:
        json.dump({"interpreter": interpreter(), "packages": packages,
                   "conflicts": found, "conflicts_more": more,
                   "libraries": missing, "libraries_more": missing_more,
                   "disk": disk(directory)}, file, separators=(",", ":"))


if __name__ == "__main__":
    main(*sys.argv[1:])
