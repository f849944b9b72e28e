# SPDX-License-Identifier: MIT
"""An HTTP/2 client that sends whatever it is told, valid or not: frames by
hyperframe, headers by hpack, no rules on top."""

import socket

import hpack
import hyperframe.frame as frames

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Answer:
    """status is None where the stream or the connection was reset."""

    def __init__(self):
        self.status = None
        self.headers = []
        self.body = b""


def headers_frame(stream, headers, end_headers=True):
    """Each header is (name, value) or (name, value, "never"): not indexed."""
    frame = frames.HeadersFrame(stream)
    frame.data = hpack.Encoder().encode(
        [(h[0].encode("latin-1"), h[1].encode("latin-1"), len(h) > 2)
         for h in headers], huffman=False)
    if end_headers:
        frame.flags.add("END_HEADERS")
    return frame


def request(address, headers, body=b"", trailers=(), timeout=20):
    """One request on a connection of its own."""
    head = headers_frame(1, headers)
    data = [head]
    if body:
        data.append(frames.DataFrame(1, body))
    if trailers:
        data.append(headers_frame(1, trailers))
    data[-1].flags.add("END_STREAM")

    with socket.create_connection(address, timeout) as s:
        s.sendall(PREFACE + frames.SettingsFrame(0).serialize()
                  + b"".join(f.serialize() for f in data))
        return read_answer(s.makefile("rb"))


def read_answer(file):
    answer = Answer()
    decoder = hpack.Decoder()
    while True:
        head = file.read(9)
        if len(head) < 9:
            return answer
        frame, length = frames.Frame.parse_frame_header(memoryview(head))
        frame.parse_body(memoryview(file.read(length)))
        if isinstance(frame, (frames.GoAwayFrame, frames.RstStreamFrame)):
            return answer
        if isinstance(frame, frames.HeadersFrame):
            answer.headers = decoder.decode(frame.data)
            answer.status = int(dict(answer.headers)[":status"])
        elif isinstance(frame, frames.DataFrame):
            answer.body += frame.data
        if frame.stream_id == 1 and "END_STREAM" in frame.flags:
            return answer
