# SPDX-License-Identifier: MIT
"""Reads the attack tables of tests/attacks and makes what they describe.

Text in the tables is bytes: one character is one byte (latin-1).  What is not
written out is filled in here, the same way as in the unit tests that read the
same tables: see tests/attacks/README.md.
"""

import base64
import hashlib
import hmac
import http.client
import json
import re
import time

from module_harness import ROOT, Response, World, wait_for

TABLES = ROOT / "tests" / "attacks"


def table(name):
    return json.loads((TABLES / f"{name}.json").read_text("utf-8"))


def by_name(rows):
    """Cases for pytest.mark.parametrize; two of one name are a mistake."""
    names = [row["name"] for row in rows]
    assert len(set(names)) == len(names)
    return {"argvalues": rows, "ids": names}


def expand(text, now=None):
    """"@now+60" with its quotes becomes a number, @{x*9} nine of x."""
    now = int(time.time()) if now is None else now
    text = re.sub(r'"@now([+-]\d+)?"',
                  lambda m: str(now + int(m[1] or 0)), text)
    return re.sub(r"@\{(.)\*(\d+)\}", lambda m: m[1] * int(m[2]), text,
                  flags=re.DOTALL)


# ---- tokens -----------------------------------------------------------


TOKENS = table("tokens")


def token_json(row, name, default):
    """Header or claims of a row as bytes."""
    value = row.get(name, {})
    if isinstance(value, dict):
        without = row.get("without_header" if name == "header" else "without",
                          [])
        value = {k: v for k, v in {**default, **value}.items()
                 if k not in without}
        value = json.dumps(value, separators=(",", ":"))
    return expand(value).encode("latin-1")


def token_piece(data, how):
    text = base64.urlsafe_b64encode(data).decode().rstrip("=")
    if how == "=":
        return base64.urlsafe_b64encode(data).decode()
    if how == "+":
        return base64.b64encode(data).decode().rstrip("=")
    if how == "!":
        assert len(text) % 4 in (2, 3), "there are no unused bits"
        return text[:-1] + chr(ord(text[-1]) + 1)
    if how.startswith(":"):
        return text[:int(how[1:])]
    return text


def token_mac(sign, signed):
    if sign == "none":
        return b""
    name, _, digest = sign.partition("/")
    secret = expand(TOKENS["secrets"][name]).encode("latin-1")
    return hmac.new(secret, signed.encode("latin-1"),
                    digest.lower().replace("-", "_") or "sha256").digest()


def make_token(row):
    """The token of a row of tokens.json."""
    pieces = {"h": token_json(row, "header", TOKENS["header"]),
              "p": token_json(row, "claims", TOKENS["claims"])}

    def fill(text, allowed):
        return re.sub(r"\{([%s])([=!+]|:\d+)?\}" % allowed,
                      lambda m: token_piece(pieces[m[1]], m[2] or ""), text)

    form = expand(row.get("form", "{h}.{p}.{s}"))
    # what stands before the signature, unless the row says otherwise
    signed = fill(row.get("over", form.partition("{s")[0].rstrip(".")), "hp")
    pieces["s"] = token_mac(row.get("sign", "k1"), signed)
    return fill(form, "hps")


def fill_tokens(text, tokens):
    """Puts the tokens of a table where the text names them: {al}."""
    for name, row in tokens.items():
        made = row if isinstance(row, str) else make_token(row)
        text = text.replace("{%s}" % name, made)
    return expand(text)


# ---- the edge ---------------------------------------------------------


class Client:
    """One connection that is kept while nginx keeps it; every request has a
    request id by which its line of the access log is found."""

    def __init__(self, world, port=None):
        self.world = world
        self.port = port or world.port
        self.sock = None
        self.count = 0
        self.log_at = 0
        self.log_lines = {}

    def send(self, data, method="GET"):
        """What comes back for the bytes of one request."""
        if self.sock is None:
            self.sock = self.world.connect(self.port)
        self.sock.sendall(data)
        raw = http.client.HTTPResponse(self.sock, method=method)
        raw.begin()
        response = Response(raw)
        if raw.will_close or response.status in (400, 414, 494):
            self.close()
        return response

    def fetch(self, target, *lines, method="GET", body=b"", raw=b""):
        """Lines are whole header lines; all text is bytes.  raw: sent after
        them without a length."""
        self.count += 1
        rid = f"attack-{self.count}"
        head = [f"{method} {target} HTTP/1.1", "Host: mint",
                f"X-Request-ID: {rid}", *lines]
        if body:
            head.append(f"Content-Length: {len(body)}")
        data = "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body + raw
        response = self.send(data, method)
        response.id = rid
        return response

    def logged(self, rid):
        """The fields of a request's line in the access log."""
        def look():
            with open(self.world.dir / "access.log", "rb") as f:
                f.seek(self.log_at)
                data = f.read()
            whole = data[:data.rfind(b"\n") + 1]
            self.log_at += len(whole)
            for line in whole.decode("latin-1").splitlines():
                fields = line.split("|")
                self.log_lines[fields[4]] = fields
            return self.log_lines.get(rid)
        return wait_for(look, f"a line of the access log for {rid}")

    def reason(self, response):
        """Why the edge refused, "" if it did not: $mint_reject."""
        reason = self.logged(response.id)[7]
        return "" if reason == "-" else reason

    def close(self):
        if self.sock is not None:
            self.sock.close()
            self.sock = None


def total_requests(world):
    return sum(len(b.requests) for b in world.backends.values())


IDENTITY = ["x-mint-internal-token", "x-mint-user-id", "x-mint-username",
            "x-mint-user-role", "x-mint-user-permissions"]


def told(request):
    """What the edge has told a backend; nothing else of that kind and nothing
    twice may have reached it, under any spelling."""
    found = {}
    for name, value in request.headers:
        name = name.lower()
        if name.replace("_", "-").startswith("x-mint-"):
            assert name in IDENTITY or name in (
                "x-mint-job-session", "x-mint-job-definition"), name
            assert name not in found, f"{name} came twice"
            found[name] = value
    return {n[len("x-mint-"):]: v for n, v in found.items() if n in IDENTITY}
