# SPDX-License-Identifier: MIT
"""What the dynamic loader would read of an ELF file.  Nothing in the file is
believed: every size and every offset is held against what is there."""

import dataclasses
import struct

TYPE_SHARED = 3
SEGMENTS_MAX = 128
DYNAMIC_MAX = 64 * 1024
NAME_MAX = 255
PATH_MAX = 4096  # of RPATH and RUNPATH, which hold several
NEEDED_MAX = 256
LOAD, DYNAMIC = 1, 2
NO_MORE, NEEDED, STRINGS, SONAME, RPATH, RUNPATH = 0, 1, 5, 14, 15, 29

# by EI_CLASS: addresses, and where a segment has type, offset, address, size
CLASSES = {
    1: ("I", "IIIIIIII", (0, 1, 2, 4)),
    2: ("Q", "IIQQQQQQ", (0, 2, 3, 5)),
}
ORDERS = {1: "<", 2: ">"}


class Broken(Exception):
    """It begins as an ELF file and is none."""


@dataclasses.dataclass
class Elf:
    kind: int
    target: tuple  # class, order, machine: only the same can be loaded
    soname: str = ""
    needed: list = dataclasses.field(default_factory=list)
    places: list = dataclasses.field(default_factory=list)


def read(part):
    """part(offset, length): bytes of the file, fewer where it ends.  None: it
    is no ELF file."""
    head = part(0, 52)
    if head[:4] != b"\x7fELF":
        return None

    def whole(offset, length):
        data = part(offset, length) if offset < 1 << 62 else b""
        if len(data) != length:
            raise Broken("it ends too early")
        return data

    if len(head) < 52:
        raise Broken("it ends too early")
    word, segment, fields = CLASSES.get(head[4], (None, None, None))
    order = ORDERS.get(head[5])
    if word is None or order is None:
        raise Broken("its head is not that of an ELF file")
    header = struct.Struct(f"{order}HHI{word}{word}{word}IHHH")
    kind, machine, _, _, at, _, _, _, entry, count = header.unpack(
        whole(16, header.size))
    found = Elf(kind, (head[4], head[5], machine))
    if count == 0:  # an object file
        return found
    segment = struct.Struct(order + segment)
    if entry != segment.size or count > SEGMENTS_MAX:
        raise Broken("its table of segments is out of bounds")
    segments = [tuple(one[field] for field in fields)
                for one in segment.iter_unpack(whole(at, entry * count))]
    pairs(found, segments, whole, part, struct.Struct(order + word * 2))
    return found


def pairs(found, segments, whole, part, pair):
    """Of the dynamic segment, if there is one."""
    listed = []
    for kind, offset, _, length in segments:
        if kind != DYNAMIC:
            continue
        length = min(length, DYNAMIC_MAX) // pair.size * pair.size
        for tag, value in pair.iter_unpack(whole(offset, length)):
            if tag == NO_MORE:
                break
            listed.append((tag, value))
        break
    values = dict(listed)
    if STRINGS not in values:
        return

    def text(value, most=NAME_MAX):
        return string(segments, values[STRINGS] + value, most, part)

    if SONAME in values:
        found.soname = text(values[SONAME])
    needed = [value for tag, value in listed if tag == NEEDED]
    if len(needed) > NEEDED_MAX:
        raise Broken("it needs too many libraries")
    found.needed = [text(value) for value in needed]
    place = values.get(RUNPATH, values.get(RPATH))
    if place is not None:
        found.places = [one for one in text(place, PATH_MAX).split(":") if one]


def string(segments, address, most, part):
    for kind, offset, start, length in segments:
        if kind == LOAD and start <= address < start + length:
            offset += address - start
            data = part(offset, most + 1) if offset < 1 << 62 else b""
            name, end, _ = data.partition(b"\0")
            if end:
                return name.decode("utf-8", "backslashreplace")
            break
    raise Broken("a name in it is out of bounds")
