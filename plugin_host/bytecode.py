# SPDX-License-Identifier: MIT
"""bytecode.py DIRECTORY [OTHER ...]: compiles the packages of an environment.
Of a file that another environment has, too, as the same one (uv links both to
its cache), the bytecode is linked from there.

Run with -I -S by the interpreter that the environment is made from: nothing of
a package is imported.  What is not Python at all (templates, tests of other
versions) is passed over."""

import compileall
import importlib.util
import os
import struct
import sys

HEAD = struct.Struct("<4sIII")
FEW = 64        # less than what other processes for them would cost


def sources(directory):
    """Of all modules, as paths in the environment."""
    for top, _, names in os.walk(os.path.join(directory, "lib")):
        for name in names:
            if name.endswith(".py"):
                yield os.path.relpath(os.path.join(top, name), directory)


def is_of(bytecode, source):
    """As import decides it: PEP 552, time and size of the source."""
    with open(bytecode, "rb") as stream:
        head = stream.read(HEAD.size)
    wanted = (importlib.util.MAGIC_NUMBER, 0,
              int(source.st_mtime) & 0xffffffff, source.st_size & 0xffffffff)
    return len(head) == HEAD.size and HEAD.unpack(head) == wanted


def link(path, directory, other):
    """True if the bytecode is there now."""
    try:
        source = os.path.join(directory, path)
        state = os.lstat(source)
        same = os.path.join(other, path)
        bytecode = importlib.util.cache_from_source(same)
        if not os.path.samestat(state, os.lstat(same)) \
                or not is_of(bytecode, state):
            return False
        target = importlib.util.cache_from_source(source)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.link(bytecode, target)
    except OSError:
        return False
    return True


def main(directory, others):
    wanted = list(sources(directory))
    for other in others:
        wanted = [p for p in wanted if not link(p, directory, other)]
    if len(wanted) > FEW:
        compileall.compile_dir(os.path.join(directory, "lib"), quiet=1,
                               workers=0)
        return
    for path in wanted:
        compileall.compile_file(os.path.join(directory, path), quiet=1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
