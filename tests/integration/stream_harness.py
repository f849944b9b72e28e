# SPDX-License-Identifier: MIT
"""Clients and backends for what lasts: streams, WebSockets, uploads, and
HTTP/2 down to its frames."""

import socket
import struct
import threading

from module_harness import DEADLINE, raw_request, read_head

SSE = [("Content-Type", "text/event-stream")]


def integer(value, prefix=7):
    """An HPACK integer whose first byte has no other bits set."""
    limit = (1 << prefix) - 1
    if value < limit:
        return bytes([value])
    out, value = bytearray([limit]), value - limit
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def text(value):
    data = value.encode("latin-1")
    return integer(len(data)) + data


class Http2:
    """One HTTP/2 connection without TLS; streams by number."""

    DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8

    def __init__(self, world):
        self.sock = world.connect()
        self.file = self.sock.makefile("rb")
        self.sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        # the largest window a client can offer
        self.send(self.SETTINGS, 0, 0, struct.pack(">HI", 4, (1 << 31) - 1))
        self.send(self.WINDOW, 0, 0, struct.pack(">I", (1 << 31) - 65536))
        self.next = 1

    def send(self, kind, flags, stream, payload=b""):
        self.sock.sendall(struct.pack(">I", len(payload))[1:]
                          + struct.pack(">BBI", kind, flags, stream)
                          + payload)

    def request(self, method, target, *headers, end=True):
        """Opens a stream and returns its number."""
        stream, self.next = self.next, self.next + 2
        fields = [(":method", method), (":scheme", "http"),
                  (":authority", "mint"), (":path", target)]
        fields += [(n.lower(), v) for n, v in headers]
        block = b"".join(b"\0" + text(n) + text(v) for n, v in fields)
        self.send(self.HEADERS, 4 | end, stream, block)
        return stream

    def reset(self, stream):
        self.send(self.RST, 0, stream, struct.pack(">I", 8))

    def frame(self):
        """(kind, flags, stream, payload); None at the end."""
        head = self.file.read(9)
        if len(head) < 9:
            return None
        size = int.from_bytes(head[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        return kind, flags, stream, self.file.read(size)

    def wait(self, stream, *kinds):
        """The next frame of one of the kinds in this stream."""
        while True:
            frame = self.frame()
            assert frame is not None, "the connection was closed"
            if frame[2] == stream and frame[0] in kinds:
                return frame

    def close(self):
        self.file.close()
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Held:
    """A backend function whose requests stay open: what it has written is
    given by begin(peer), and gone tells when the edge has closed."""

    def __init__(self, begin=lambda peer: None):
        self._begin = begin
        self.begun = threading.Semaphore(0)
        self.gone = threading.Semaphore(0)
        self.peers = []

    def __call__(self, peer, request):
        self._begin(peer)
        self.peers.append(peer)
        self.begun.release()
        try:
            while peer.file.read1(65536):
                pass
        except OSError:
            pass
        self.gone.release()
        return True


def begin_sse(peer):
    peer.answer(b"data: first\n\n", headers=SSE, length=False)


def begin_download(peer):
    peer.answer(b"x" * 100000, headers=[("Content-Length", "1000000")],
                length=False)


def begin_websocket(peer):
    peer.answer(b"", "101 Switching Protocols",
                [("Upgrade", "websocket"), ("Connection", "Upgrade")],
                length=False)


def open_request(world, target, *headers, method="GET"):
    """The connection with its request sent, the answer not read."""
    sock = world.connect()
    sock.sendall(raw_request(method, target, headers, close=False))
    return sock


def until_closed(sock, deadline=DEADLINE):
    """Everything up to the end, however it comes."""
    sock.settimeout(deadline)
    data = bytearray()
    try:
        while True:
            more = sock.recv(65536)
            if not more:
                break
            data += more
    except ConnectionResetError:
        pass
    return bytes(data)


def is_open(sock):
    """Nothing has come and nothing has ended."""
    sock.setblocking(False)
    try:
        return sock.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    finally:
        sock.settimeout(DEADLINE)


__all__ = ["Held", "Http2", "SSE", "begin_download", "begin_sse",
           "begin_websocket", "is_open", "open_request", "read_head",
           "until_closed"]
