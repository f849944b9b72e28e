# SPDX-License-Identifier: MIT
"""Directories of a running system: where they are, who owns them, and what
the launcher puts there (programs, config.json, the administrator's password).
"""

import fcntl
import grp
import hashlib
import json
import os
import pwd
import secrets
import shutil
import stat
import subprocess
from pathlib import Path

PLUGIN_UID = 60706              # first of the range plugins run as
SOCKET_PATH_MAX = 100           # of sun_path's 108, with room for a suffix
SOCKET_NAME_ROOM = 32           # "/s/<plugin id>-<slot><seat>.sock"
PROGRAMS = ("mint-keeper", "mint-supervisor", "mint-platform", "mintctl")
MODULE = "ngx_http_mint_module.so"


class SetupError(Exception):
    """Says what is wrong and what to do about it."""


def plugin_users_can_enter(path):
    """True if a plugin's uid gets into the directory and may execute there."""
    if os.statvfs(path).f_flag & os.ST_NOEXEC:
        return False
    test = ["setpriv", f"--reuid={PLUGIN_UID}", f"--regid={PLUGIN_UID}",
            "--clear-groups", "test", "-x", str(path)]
    return subprocess.run(test, cwd="/", check=False).returncode == 0


def is_tmpfs(path):
    """True if path is a directory on tmpfs."""
    best = ("", "")
    real = os.path.realpath(path)
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        for line in mounts:
            fields = line.split()
            where = fields[4].rstrip("/")
            kind = fields[fields.index("-") + 1]
            if (real + "/").startswith(where + "/") and \
                    len(where) >= len(best[0]):
                best = (where, kind)
    return best[1] == "tmpfs" and os.path.isdir(real)


def setting(config, section, key, fallback):
    """A value as the daemons will read it: MINT_<SECTION>__<KEY> of the
    environment, else the file's, in camelCase or snake_case."""
    wanted = f"MINT_{section}__{key}".upper()
    for name, text in os.environ.items():
        levels = name.upper().replace("MINT_", "", 1).split("__")
        plain = "MINT_" + "__".join(part.replace("_", "") for part in levels)
        if plain == wanted and name.startswith("MINT_") and text:
            return text
    group = config.get(section)
    if isinstance(group, dict):
        for name, value in group.items():
            if name.replace("_", "").lower() == key.lower() \
                    and value is not None:
                return value
    return fallback


def locked(directory):
    """True if a launcher is at work on the state directory."""
    try:
        fd = os.open(directory / ".lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


class State:
    """The state directory; as root also its owners."""

    def __init__(self, wanted, say):
        self.is_root = os.getuid() == 0
        self.wanted = Path(wanted)          # what the user calls it
        self.say = say
        self.path = None                    # where it really is
        self.config = {}
        self.owner = self.edge = None       # (uid, gid) of mint, mint-edge
        self._lock_fd = -1
        if self.is_root:
            try:
                mint = pwd.getpwnam("mint")
                edge = pwd.getpwnam("mint-edge")
            except KeyError as error:
                raise SetupError(f"{error.args[0]}: run scripts/setup run") \
                    from None
            self.owner = (mint.pw_uid, mint.pw_gid)
            self.edge = (edge.pw_uid, edge.pw_gid)
            if edge.pw_gid != grp.getgrnam("mint-edge").gr_gid:
                raise SetupError("the group of user mint-edge is not "
                                 "mint-edge")

    # ---- where ------------------------------------------------------

    def existing(self):
        """The state directory if there is one already, else None."""
        return self.wanted.resolve() if self.wanted.is_dir() else None

    def open(self):
        """Makes the directories and takes the lock."""
        self.path = self._place()
        self._take_lock()
        self._directory("data", 0o711, self.owner)
        self._directory("tmp", 0o711, self.owner)

    def _place(self):
        if self.wanted.is_symlink() and not self.wanted.exists():
            self.wanted.resolve().mkdir(parents=True, mode=0o755)
        made = not self.wanted.exists()
        self.wanted.mkdir(parents=True, exist_ok=True)
        real = self.wanted.resolve()
        if not self.is_root:
            return real
        if real.stat().st_uid != 0:
            raise SetupError(f"{real} belongs to uid {real.stat().st_uid}: "
                             "root must own the state directory; choose "
                             "another one by MINT_VAR")
        real.chmod(0o755)
        if plugin_users_can_enter(real):
            return real
        if made or not any(real.iterdir()):
            return self._place_outside(real)
        raise SetupError(f"{real} cannot be reached by plugin users (a parent "
                         "directory or a mount forbids it) and is not empty: "
                         "move it away, or choose another one by MINT_VAR")

    def _place_outside(self, real):
        outside = Path("/var/lib/ngx-mint") / self._name_of(real)
        outside.mkdir(parents=True, exist_ok=True)
        for path in (outside.parent, outside):
            path.chmod(0o755)
        if not plugin_users_can_enter(outside):
            raise SetupError(f"neither {real} nor {outside} can be reached by "
                             "plugin users: choose another directory by "
                             "MINT_VAR")
        self.wanted.rmdir()
        self.wanted.symlink_to(outside)
        self.say(f"Plugin users cannot reach {real}; the state is in "
                 f"{outside}, and {self.wanted} links there")
        return outside

    @staticmethod
    def _name_of(path):
        return hashlib.sha256(os.fsencode(path)).hexdigest()[:8]

    def _take_lock(self):
        self._lock_fd = os.open(self.path / ".lock",
                                os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SetupError(f"already running (or starting) on {self.wanted}"
                             ) from None

    def _directory(self, name, mode, owner):
        path = self.path / name
        path.mkdir(exist_ok=True)
        path.chmod(mode)
        if self.is_root and owner:
            os.chown(path, *owner)

    # ---- programs ---------------------------------------------------

    def install_programs(self, root, build, uv):
        """Copies by rename, and only what differs, so that a rebuild never
        touches a program that runs."""
        program = self.path / "program"
        program.mkdir(exist_ok=True)
        for name in PROGRAMS:
            self._install(build / name, program / "bin" / name, 0o755)
        self._install(Path(uv), program / "bin" / "uv", 0o755)
        self._install(build / MODULE, program / "module" / MODULE, 0o644)
        for folder in ("plugin_host", "conf"):
            self._install_tree(root / folder, program / folder)

    def _install(self, source, target, mode):
        try:
            new = source.stat()
        except FileNotFoundError:
            raise SetupError(f"{source} is missing: run make") from None
        if target.exists():
            old = target.stat()
            if (old.st_size, old.st_mtime_ns) == (new.st_size,
                                                  new.st_mtime_ns):
                return
        target.parent.mkdir(parents=True, exist_ok=True)
        target.parent.chmod(0o755)
        aside = target.with_name(f".{target.name}.new")
        shutil.copyfile(source, aside)
        aside.chmod(mode)
        os.utime(aside, ns=(new.st_atime_ns, new.st_mtime_ns))
        aside.rename(target)

    def _install_tree(self, source, target):
        wanted = set()
        for file in sorted(source.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                name = file.relative_to(source)
                wanted.add(target / name)
                self._install(file, target / name, 0o644)
        for file in sorted(target.rglob("*"), reverse=True):
            if file.is_file() and file not in wanted:
                file.unlink()

    # ---- configuration ----------------------------------------------

    def read_config(self, path=None):
        """config.json as it is, {} before the first start."""
        file = (path or self.path) / "config.json"
        try:
            value = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise SetupError(f"{file} is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise SetupError(f"{file}: expected an object")
        return value

    def defaults(self, python, cache):
        """(section, key, value) of what depends on this machine."""
        program = self.path / "program"
        return (
            ("server", "dataPath", str(self.path / "data")),
            ("server", "programDirectory", str(program)),
            ("environments", "uv", str(program / "bin" / "uv")),
            ("environments", "python", python),
            ("environments", "cacheDirectory", str(Path(cache) / "uv")),
        )

    def write_config(self, python, cache):
        """Writes config.json if there is none, and reads it."""
        file = self.path / "config.json"
        if not file.exists():
            value = {"platformName": "MINT",
                     "server": {"address": "127.0.0.1", "port": 8001}}
            for section, key, text in self.defaults(python, cache):
                value.setdefault(section, {})[key] = text
            value["server"]["runDirectory"] = str(self._new_run_directory())
            self._write(file, json.dumps(value, indent=2) + "\n", 0o640,
                        self.owner)
        self.config = self.read_config()

    def _write(self, file, text, mode, owner=None):
        aside = file.with_name(f".{file.name}.new")
        aside.unlink(missing_ok=True)
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600),
                  "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        if self.is_root and owner:
            os.chown(aside, *owner)
        aside.chmod(mode)
        aside.rename(file)

    # ---- run directory ----------------------------------------------

    def _new_run_directory(self):
        name = f"ngx-mint-{self._name_of(self.path)}"
        bases = ["/run"] if self.is_root else \
            [os.environ.get("XDG_RUNTIME_DIR") or "/nonexistent"]
        for base in bases + ["/dev/shm"]:
            path = Path(base) / name
            fits = len(str(path)) + SOCKET_NAME_ROOM < SOCKET_PATH_MAX
            if fits and is_tmpfs(base) and os.access(base, os.W_OK):
                return path
        raise SetupError("neither " + " nor ".join(bases + ["/dev/shm"]) +
                         " is a tmpfs this user may write: the run files "
                         "need one")

    def make_run_directory(self):
        """Makes the configured run directory, empty, and links it."""
        path = Path(setting(self.config, "server", "runDirectory", ""))
        if not path.is_absolute() or not path.parent.is_dir():
            path = self._new_run_directory()
        mine = self.owner[0] if self.is_root else os.getuid()
        try:
            info = path.lstat()
        except FileNotFoundError:
            path.mkdir(mode=0o700)
        else:
            # in a directory anybody may write to: never trust what is there
            if not stat.S_ISDIR(info.st_mode) or info.st_uid not in (
                    mine, os.getuid()):
                raise SetupError(f"{path} exists and is not ours (uid "
                                 f"{info.st_uid}): remove it")
            self._empty(path)
        if self.is_root:
            os.chown(path, self.owner[0], self.edge[1])
        path.chmod(0o750)
        link = self.path / "run"
        if not link.is_symlink() or os.readlink(link) != str(path):
            link.unlink(missing_ok=True)
            link.symlink_to(path)
        return path

    @staticmethod
    def _empty(path):
        for entry in path.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def remove_run_directory(self, path):
        """After an ordered stop: the next start makes it again."""
        shutil.rmtree(path, ignore_errors=True)
        (self.path / "run").unlink(missing_ok=True)

    # ---- administrator ----------------------------------------------

    def admin(self):
        """(name, password or None): preset by the environment, else kept from
        the first start, else made now."""
        name = os.environ.get("ADMIN_USERNAME")
        password = os.environ.get("ADMIN_PASSWORD")
        if password:
            return name or "admin", password
        file = self.path / "admin.json"
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
            if not name or name == kept["username"]:
                return kept["username"], kept["password"]
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError):
            raise SetupError(f"{file} is damaged: remove it and set "
                             "ADMIN_PASSWORD") from None
        if (self.path / "data" / "mint.db").exists():
            return name or "admin", None
        name = name or "admin"
        password = secrets.token_urlsafe(15)
        self._write(file, json.dumps({"username": name, "password": password})
                    + "\n", 0o600)
        return name, password
