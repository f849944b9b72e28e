# SPDX-License-Identifier: MIT
"""A system whose installations can be made to fail: its disk is small, its
package index can be ended or be wrong, uv's cache is its own; and an upgrade
of a running plugin under requests, which is to fail and then to be done."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import http.server
import io
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from system_harness import (
    MintSystem,
    free_port,
    make_bundle,
    make_place,
    renamed_plugin,
    wait_for,
)
from system_kills import supervisor_pid
from system_load import Load, Target
from wheel_harness import tiny_wheel

DISK_MIB = 700
MS_NOSUID, MS_NODEV = 2, 4
TRACED_SEC = 10
REQUESTS_PER_SEC = 100

PART = "mint_test_part"
HOOK = '    @endpoint.get("/headers")\n'
FIRST = "from __future__ import annotations\n"


# ---- the index --------------------------------------------------------------


class Index:
    """A package index with what is put into it; it can be ended and begun
    again at the same address."""

    def __init__(self) -> None:
        self.wheels: dict[str, tuple[str, bytes]] = {}  # file: hash, content
        self.fetched: list[str] = []
        self.port = free_port()
        self.server: IndexServer | None = None
        self.begin()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/simple"

    def begin(self) -> None:
        self.server = IndexServer(self)
        threading.Thread(target=self.server.serve_forever,
                         kwargs={"poll_interval": 0.02}, daemon=True).start()

    def end(self) -> None:
        """Its port is closed then."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def put(self, version: str, size: int = 1000) -> str:
        """A version of the one package that there is; the file's name."""
        ballast = random.Random(version).randbytes(size)
        name, data = tiny_wheel(PART, {
            f"{PART}/__init__.py": f'VALUE = "{version}"\n'.encode(),
            f"{PART}/ballast.bin": ballast}, version)
        self.wheels[name] = hashlib.sha256(data).hexdigest(), data
        return name


class IndexServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, index: Index) -> None:
        self.index = index
        super().__init__(("127.0.0.1", index.port), IndexHandler)


class IndexHandler(http.server.BaseHTTPRequestHandler):
    server: IndexServer

    def do_GET(self) -> None:
        index = self.server.index
        name = self.path.strip("/").rpartition("/")[2]
        if self.path.strip("/") == f"simple/{PART.replace('_', '-')}":
            body = json.dumps({
                "meta": {"api-version": "1.1"}, "name": name,
                "files": [
                    {"filename": file, "hashes": {"sha256": digest},
                     "core-metadata": True, "url": f"/files/{file}"}
                    for file, (digest, _) in index.wheels.items()],
            }).encode()
            kind = "application/vnd.pypi.simple.v1+json"
        elif name.removesuffix(".metadata") in index.wheels \
                and name.endswith(".metadata"):
            body = metadata(index.wheels[name.removesuffix(".metadata")][1])
            kind = "application/octet-stream"
        elif name in index.wheels:
            index.fetched.append(name)
            body, kind = index.wheels[name][1], "application/octet-stream"
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=0")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def metadata(wheel: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        [name] = [n for n in archive.namelist() if n.endswith("/METADATA")]
        return archive.read(name)


# ---- the system -------------------------------------------------------------


class Lab(MintSystem):
    """Its data are on a file system of their own, uv's cache among them. uv
    has no network at all while there is a file "offline"."""

    def __init__(self, index: Index) -> None:
        place = make_place()
        self.index = index
        self.is_mounted = self._mount(place / "var" / "data")
        self.cache = place / "var" / "data" / "uv-cache"
        script = place / "uv"
        super().__init__(
            place, MINT_ENVIRONMENTS__UV=str(script),
            MINT_ENVIRONMENTS__CACHE_DIRECTORY=str(self.cache),
            MINT_PLUGINS__EXTRA_INDEX_URLS=index.url,
            MINT_PLUGINS__FORCE_ISOLATED="test-lone",
            MINT_NGINX__ACCESS_LOG="false", UV_HTTP_RETRIES="1",
        )
        self.bundles = place / "bundles"
        self.bundles.mkdir()
        self._write_uv(script)
        self._copy_cache()
        self.number = 0
        self.stale: set[str] = set()    # of "bundles", when an upgrade began

    @staticmethod
    def _mount(data: Path) -> bool:
        """False where nothing can be mounted: there is no full disk then."""
        data.mkdir(parents=True)
        libc = ctypes.CDLL(None, use_errno=True)
        return os.getuid() == 0 and libc.mount(
            b"none", bytes(data), b"tmpfs", MS_NOSUID | MS_NODEV,
            f"size={DISK_MIB}m,mode=0711".encode()) == 0

    def _write_uv(self, script: Path) -> None:
        closed = f"http://127.0.0.1:{free_port()}"
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        proxies = " ".join(f"{n}={closed} {n.lower()}={closed}" for n in names)
        script.write_text(
            "#!/bin/sh\n"
            f"if [ -e {self.place}/injected ] && [ \"$2\" = sync ]; then\n"
            f"    exec strace -f -qq -o {self.data}/uv-trace "
            f"$(cat {self.place}/injected) "
            f'"{os.environ["MINT_TEST_UV"]}" "$@"\nfi\n'
            f"if [ -e {self.place}/offline ]; then\n"
            "    unset NO_PROXY no_proxy\n"
            f"    export {proxies}\nfi\n"
            f'exec "{os.environ["MINT_TEST_UV"]}" "$@"\n')
        script.chmod(0o755)

    def _copy_cache(self) -> None:
        """What the machine has; what points to archives first, so that those
        that others fetch meanwhile are there."""
        machine = Path(os.environ.get("MINT_CACHE", "/nonexistent")) / "uv"
        names = [p.name for p in machine.glob("*") if p.is_dir()]
        for name in sorted(names, key=lambda n: n.startswith("archive")):
            self.cache.mkdir(exist_ok=True)
            subprocess.run(["cp", "-a", str(machine / name), str(self.cache)],
                           capture_output=True, check=False)
        if self.cache.exists():
            shutil.copystat(machine, self.cache)
            owner = machine.stat()
            os.chown(self.cache, owner.st_uid, owner.st_gid)

    def end(self) -> None:
        try:
            super().end()
        finally:
            if self.is_mounted:
                data = self.place / "var" / "data"
                libc = ctypes.CDLL(None)
                wait_for(lambda: libc.umount2(bytes(data), 0) == 0, "umount")
                shutil.rmtree(self.place, ignore_errors=True)

    # ---- what it is asked for ------------------------------------------

    def next_version(self) -> str:
        self.number += 1
        return f"{self.number}.0"

    def bundle(self, name: str, version: str, part: str) -> Path:
        """Says which version it is and where it runs."""
        project = self.bundles / name
        if not project.exists():
            renamed_plugin("echo", name, self.bundles)
        return make_bundle(
            project, self.bundles / "made", version=version,
            requires=[f"{PART}=={part}"],
            replace={
                FIRST: f"{FIRST}import {PART}\n",
                HOOK: '    @endpoint.get("/version")\n'
                      "    async def version(self) -> dict[str, Any]:\n"
                      f'        return {{"version": "{version}",\n'
                      f'                "part": {PART}.VALUE,\n'
                      '                "prefix": sys.prefix}\n\n' + HOOK})

    def ordered(self, bundle: Path, *more: str
                ) -> subprocess.CompletedProcess[str]:
        return self.ctl("install", str(bundle), *more, status=None)

    # ---- what is there -------------------------------------------------

    def registry(self) -> dict[str, dict[str, Any]]:
        """As it is on disk: what the next supervisor would read."""
        text = (self.data / "registry.json").read_text("utf-8")
        return {p["name"]: p for p in json.loads(text)["plugins"]}

    def half_done(self) -> list[str]:
        """What an installation makes and removes again, whatever comes of
        it."""
        found = [*self.data.glob("*/.tmp-*"), *self.data.glob("*.tmp-*"),
                 *self.data.glob("locks/*.tmp-*"),
                 *self.data.glob("environments/*/*.tmp-*")]
        return [str(path.relative_to(self.data)) for path in found]

    def traces(self) -> dict[str, Any]:
        """Everything that an installation leaves, apart from uv's cache and
        from what was stale before it."""
        return {
            **{folder: sorted({path.name for path in
                               (self.data / folder).glob("*")} - self.stale)
               for folder in ("environments", "bundles", "locks", "venvs",
                              "plugin-data", "uploads")},
            "half done": self.half_done(),
            "links": {path.name: str(path.readlink())
                      for path in (self.data / "venvs").glob("*")},
            "registry": self.registry(),
            "plugins": {
                name: (p["version"], p["environment"], p["state"],
                       [i["pid"] for i in p["instances"]])
                for name, p in self.plugins().items()},
        }

    def check_whole(self) -> None:
        """Whatever the registry names is there, as far as markers go."""
        for plugin in self.registry().values():
            for one in (plugin, plugin.get("former")):
                if one is not None:
                    environment = Path(one["environment"])
                    assert (environment / "mint-environment.json").exists()
                    assert (environment / "bin" / "python").exists()
                    assert Path(one["wheel"]).exists(), one
        known = {p.name for p in (self.data / "environments").glob("*")
                 if not p.name.startswith(".")}
        locks = {p.stem for p in (self.data / "locks").glob("*.txt")}
        assert locks == known

    def check_files(self) -> None:
        """Of what runs, against the locks."""
        done = self.ctl("verify-env", "--json", status=None)
        assert json.loads(done.stdout)["count"] == 0, done.stdout

    def is_settled(self, name: str) -> bool:
        plugin = self.plugins()[name]
        return (plugin["state"] == "ready" and len(plugin["instances"]) == 1
                and self.registry()[name].get("former") is None
                and not self.half_done())

    def collectable(self) -> set[str]:
        """Kept wheels of versions before, which the next installation or start
        may remove."""
        place = self.data / "bundles"
        named = {Path(one["wheel"]).relative_to(place).parts[0]
                 for p in self.registry().values()
                 for one in (p, p.get("former")) if one is not None}
        return {path.name for path in place.glob("*")} - named


# ---- faults -----------------------------------------------------------------


@contextlib.contextmanager
def offline(lab: Lab) -> Iterator[None]:
    """The index's port is closed, and all else is out of reach."""
    mark = lab.place / "offline"
    mark.touch()
    lab.index.end()
    try:
        yield
    finally:
        lab.index.begin()
        mark.unlink()


@contextlib.contextmanager
def fails_in_uv(lab: Lab, *options: str) -> Iterator[list[str]]:
    """Under strace, while it puts packages into an environment."""
    order, trace = lab.place / "injected", lab.data / "uv-trace"
    hit: list[str] = []
    order.write_text(" ".join(options))
    try:
        yield hit
        hit += injected(trace)
    finally:
        order.unlink()
        trace.unlink(missing_ok=True)


def cached(lab: Lab, version: str) -> list[Path]:
    """The files of the package in uv's cache, which has them afterwards."""
    with tempfile.TemporaryDirectory(prefix="mint-t-") as target:
        subprocess.run(
            [os.environ["MINT_TEST_UV"], "pip", "install", "--quiet",
             "--cache-dir", str(lab.cache), "--default-index", lab.index.url,
             "--python", os.environ["MINT_TEST_PYTHON"],
             "--target", target, f"{PART}=={version}"],
            check=True, capture_output=True)
    owner = lab.cache.stat()
    for path in lab.cache.rglob("*"):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    places = [path.parent for path in lab.cache.glob(
        f"archive-v0/*/{PART}-{version}.dist-info")]
    assert len(places) == 1, places
    return sorted(places[0].glob(f"{PART}/*"))


@contextlib.contextmanager
def fails_in_supervisor(lab: Lab, *options: str) -> Iterator[list[str]]:
    """Under strace; the list has the calls that were made to fail in the
    end."""
    pid = supervisor_pid(lab)
    path = lab.place / "supervisor-trace"
    hit: list[str] = []
    process = subprocess.Popen(
        ["strace", "-qq", "-y", "-o", str(path), *options, "-p", str(pid)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE)
    try:
        wait_for(lambda: is_traced(pid) or process.poll() is not None,
                 "strace", TRACED_SEC)
        if process.poll() is not None:
            assert process.stderr is not None
            pytest.skip(f"strace: {process.stderr.read().decode()}")
        yield hit
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(TRACED_SEC)
    hit += injected(path)


def is_traced(pid: int) -> bool:
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
        return "\nTracerPid:\t0\n" not in text
    return False


def injected(trace: Path) -> list[str]:
    return [line for line in trace.read_text("utf-8", "replace").splitlines()
            if line.endswith("(INJECTED)")]


@contextlib.contextmanager
def room(lab: Lab, leave: int) -> Iterator[None]:
    """So many bytes are left on the disk."""
    if not lab.is_mounted:
        pytest.skip("no small disk can be mounted here")
    ballast = lab.data / "ballast"
    try:
        with open(ballast, "wb") as stream:
            disk = os.statvfs(lab.data)
            os.posix_fallocate(
                stream.fileno(), 0, disk.f_bavail * disk.f_frsize - leave)
        yield
    finally:
        ballast.unlink()


# ---- an upgrade -------------------------------------------------------------


class Upgrade:
    """Of a plugin that runs, under requests from its beginning to its end;
    whatever is tried in between."""

    def __init__(self, lab: Lab, name: str, size: int = 1000) -> None:
        self.lab = lab
        self.name = name
        wait_for(lambda: lab.is_settled(name), "the end of what was before")
        plugin = lab.plugins()[name]
        self.old = str(plugin["version"])
        self.environment = str(plugin["environment"])
        self.pid = lab.pid(name)
        self.new = lab.next_version()
        self.wheel = lab.index.put(self.new, size)
        self.bundle = lab.bundle(name.removeprefix("test-"), self.new,
                                 self.new)
        lab.stale = lab.collectable()
        self.before = lab.traces()
        self.explained = lab.ctl("explain", name).stdout
        self.load = Load(lab.url, [Target(
            name, f"/api/{name}/version", REQUESTS_PER_SEC)])

    def __enter__(self) -> Upgrade:
        self.load.__enter__()
        wait_for(lambda: len(self.load.outcomes) > 5, "answers")
        return self

    def __exit__(self, *error: Any) -> None:
        self.load.__exit__(*error)
        if error[0] is None:
            self.check_answers()

    def check_answers(self) -> None:
        """Each from a whole version: its code, its package and its
        environment."""
        outcomes = list(self.load.outcomes)
        assert {str(o) for o in outcomes if o.status != 200} == set()
        places = {self.old: self.environment,
                  self.new: self.lab.plugins()[self.name]["environment"]}
        for answer in (o.json() for o in outcomes):
            assert answer["part"] == answer["version"]
            assert answer["prefix"] == places[answer["version"]]

    def refused(self, *words: str) -> str:
        """Once; the reason."""
        done = self.lab.ordered(self.bundle)
        assert done.returncode == 1, done.stdout + done.stderr
        return self.check_refusal(done.stderr, *words)

    def check_refusal(self, text: str, *words: str) -> str:
        for word in words:
            assert word in text, text
        assert "Traceback" not in text
        self.check_old()
        return text

    def check_old(self) -> None:
        """As if nothing had been asked for; and it answers now."""
        lab = self.lab
        wait_for(lambda: lab.traces() == self.before,
                 f"as before: {self.before} now: {lab.traces()}")
        lab.check_whole()
        plugin = lab.plugins()[self.name]
        assert (plugin["version"], plugin["state"], plugin["error"]) == (
            self.old, "ready", None), plugin
        assert lab.pid(self.name) == self.pid
        assert lab.ctl("explain", self.name).stdout == self.explained
        count = len(self.load.outcomes)
        wait_for(lambda: len(self.load.outcomes) > count + 3, "answers")
        assert self.load.outcomes[-1].json()["version"] == self.old
        assert {o.status for o in list(self.load.outcomes)} == {200}

    def done(self, *more: str) -> None:
        """The same command, and nothing in its way."""
        done = self.lab.ordered(self.bundle, *more)
        assert done.returncode == 0, done.stdout + done.stderr
        self.check_new()

    def check_new(self) -> None:
        lab = self.lab
        plugin = lab.plugins()[self.name]
        assert (plugin["version"], plugin["error"]) == (self.new, None)
        wait_for(lambda: self.load.outcomes[-1].json()["version"] == self.new,
                 "answers of the new version")
        wait_for(lambda: lab.is_settled(self.name), "the end of the old one")
        assert lab.plugins()[self.name]["state"] == "ready"
        assert lab.pid(self.name) != self.pid
        assert plugin["environment"] != self.environment
        lab.check_whole()
        lab.check_files()
