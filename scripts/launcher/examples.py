# SPDX-License-Identifier: MIT
"""Builds the plugins in examples/ and installs them through the public API,
as their authors would."""

import http.client
import json
import re
import secrets
import subprocess
import tempfile
import threading
import tomllib
from pathlib import Path

from system import Failed

REPLY_TIMEOUT_SEC = 600


def normalised(name):
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def find(root):
    """{distribution: directory} of what is in examples/, in the order of
    examples/order.txt: the first of two that clash is the shared one."""
    names = (root / "examples" / "order.txt").read_text("ascii").split()
    found = {}
    for name in names:
        project = root / "examples" / name
        with open(project / "pyproject.toml", "rb") as file:
            name = tomllib.load(file)["project"]["name"]
        found[normalised(name)] = project
    return found


def request(system, method, path, body=b"", headers=None, token=None):
    """(status, parsed JSON) from the gateway."""
    headers = dict(headers or {})
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection = http.client.HTTPConnection(
        system.connect_host(), system.port, timeout=REPLY_TIMEOUT_SEC)
    try:
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        text = reply.read()
    finally:
        connection.close()
    try:
        return reply.status, json.loads(text)
    except ValueError:
        return reply.status, {}


def sign_in(system, name, password):
    """An access token."""
    status, reply = request(
        system, "POST", "/api/auth/login",
        json.dumps({"username": name, "password": password}).encode(),
        {"Content-Type": "application/json"})
    if status != 200 or "access_token" not in reply:
        raise Failed(f"signing in as '{name}' failed with status {status}")
    return reply["access_token"]


def upload(system, token, bundle):
    """None, or the reason why it was not installed."""
    boundary = secrets.token_hex(16)
    body = (f"--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; "
            f"filename=\"{bundle.name}\"\r\n"
            "Content-Type: application/octet-stream\r\n\r\n").encode() \
        + bundle.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    status, reply = request(
        system, "POST", "/api/plugins/upload?force=false", body,
        {"Content-Type": f"multipart/form-data; boundary={boundary}"}, token)
    if 200 <= status < 300 and reply.get("success", True):
        return None
    error = reply.get("error")
    message = error.get("message") if isinstance(error, dict) else None
    return message or reply.get("message") or f"status {status}"


def build(system, root, uv, python, directory):
    """The path of one example's bundle."""
    log = system.state.path / "examples.log"
    with open(log, "ab") as errors, tempfile.TemporaryFile() as output:
        builder = subprocess.Popen(
            [str(root / "scripts" / "build-examples"), "--python",
             str(python), "--uv", str(uv), str(directory)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=errors, cwd=root)
        system.helpers.append(builder.pid)
        try:
            while builder.poll() is None:
                system.pause()
        except BaseException:
            builder.terminate()
            builder.wait()
            raise
        finally:
            system.helpers.remove(builder.pid)
        output.seek(0)
        lines = output.read().decode().splitlines()
    if builder.returncode != 0 or not lines:
        raise Failed(f"building {directory.name} failed (see {log})")
    return Path(lines[-1])


def install_with_progress(system, token, bundle, say):
    """Uploads in a thread while the steps are shown."""
    result = []

    def work():
        try:
            result.append(upload(system, token, bundle))
        except (OSError, http.client.HTTPException) as error:
            result.append(f"upload failed: {error}")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    shown = set()
    while thread.is_alive():
        system.pause(0.1)
        step = (system.status() or {}).get("step")
        if step and step not in shown:
            say(f"  {step}")
            shown.add(step)
    return result[0]


def install_missing(system, root, uv, python, admin, say):
    """Installs each example once: one that was removed stays removed."""
    marker = system.state.path / "examples.json"
    try:
        done = set(json.loads(marker.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        done = set()
    wanted = {name: path for name, path in find(root).items()
              if name not in done}
    if not wanted:
        return
    present = {normalised(p.get("distribution") or p["name"])
               for p in system.admin.call("plugins")["plugins"]}
    done |= present & set(wanted)
    missing = {n: p for n, p in wanted.items() if n not in present}
    if missing and admin[1] is None:
        say("The examples are not installed: the administrator's password "
            "is not known here (set ADMIN_PASSWORD)")
        return
    token = sign_in(system, *admin) if missing else None
    for name, directory in missing.items():
        say(f"Building the example {name}...")
        bundle = build(system, root, uv, python, directory)
        say(f"Installing the example {name}...")
        reason = install_with_progress(system, token, bundle, say)
        if reason is None:
            done.add(name)
        else:
            say(f"The example {name} was not installed: {reason}")
    marker.write_text(json.dumps(sorted(done)) + "\n", encoding="utf-8")
