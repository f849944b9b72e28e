# SPDX-License-Identifier: MIT
"""A small HTTP/2 client over plain TCP (prior knowledge): many streams on one
connection, each of which can be left, which httpx cannot do."""

import contextlib
import socket

import h2.config
import h2.connection
import h2.events

from module_harness import DEADLINE


class Stream:
    def __init__(self):
        self.status = None
        self.headers = []
        self.body = b""
        self.ended = False
        self.error = None

    def get(self, name):
        values = [v for n, v in self.headers if n == name.lower()]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None


class Connection:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), DEADLINE)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.streams = {}
        self._flush()

    def _flush(self):
        self.sock.sendall(self.h2.data_to_send())

    def send(self, path, *headers, method="GET", body=b""):
        """Begins a request and returns its stream's number."""
        number = self.h2.get_next_available_stream_id()
        self.streams[number] = Stream()
        self.h2.send_headers(number, [
            (":method", method), (":path", path), (":scheme", "http"),
            (":authority", "mint"),
            *((n.lower(), v) for n, v in headers)], end_stream=not body)
        if body:
            self.h2.send_data(number, body, end_stream=True)
        self._flush()
        return number

    def leave(self, number):
        self.h2.reset_stream(number, error_code=8)     # CANCEL
        self._flush()

    def _receive(self):
        data = self.sock.recv(65536)
        assert data, "the connection was closed"
        for event in self.h2.receive_data(data):
            stream = self.streams.get(getattr(event, "stream_id", None))
            if isinstance(event, h2.events.ResponseReceived):
                headers = dict(event.headers)
                stream.status = int(headers.pop(":status"))
                stream.headers = [h for h in event.headers
                                  if not h[0].startswith(":")]
            elif isinstance(event, h2.events.DataReceived):
                stream.body += event.data
                self.h2.acknowledge_received_data(
                    event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                stream.ended = True
            elif isinstance(event, h2.events.StreamReset):
                if stream is not None:
                    stream.error = event.error_code
        self._flush()

    def response(self, number):
        """The stream once its answer is there."""
        stream = self.streams[number]
        while not stream.ended:
            assert stream.error is None, f"reset with {stream.error}"
            self._receive()
        return stream

    def fetch(self, path, *headers, **options):
        return self.response(self.send(path, *headers, **options))

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
