# SPDX-License-Identifier: MIT
"""mint-keeper is killed and the next one takes over: the test plays the
supervisor, honest or not."""

import contextlib
import os
import pathlib
import signal
import socket
import struct
import subprocess

import pytest

from keeper_harness import (
    CONTROL, EXITED, GIVEN, GOODBYE, HEADER, REPORT, STOP, SUBREAPER, TCP,
    UNKNOWN, VERSION, Keeper, is_alive, read_line, until)
from test_keeper import FAMILY, FIRST, IS_ROOT, LAST, instance, needs_root

STAY = "import time; time.sleep(600)"
PID_AT = HEADER.size + 16           # in CHILD
TICKS_AT = HEADER.size
UID_AT = HEADER.size + 40


@pytest.fixture
def keeper():
    with Keeper("--pid-file", "{dir}/keeper.pid",
                "--socket", "{dir}/keeper.sock",
                *(["--uid-range", f"{FIRST}-{LAST}"] if IS_ROOT else []),
                directory_mode=0o755) as k:
        yield k


@pytest.fixture
def supervisor(keeper):
    s = keeper.supervisor()
    assert s.attach() == ({}, {})
    return s


def told(message):
    """As it was said by the keeper, but for the serial."""
    return (HEADER.pack(VERSION, message.type, 0, 0, message.id)
            + message.data[HEADER.size:], message.fds)


def changed(message, at, form, value):
    data, fds = told(message)
    size = struct.calcsize(form)
    return data[:at] + struct.pack(form, value) + data[at + size:], fds


def take_over(keeper, supervisor, *messages):
    keeper.replace()
    supervisor.meet()
    supervisor.give(*messages)
    custody = supervisor.facts.custody
    assert supervisor.attach() == ({}, {})
    assert supervisor.facts.custody == custody


def test_everything_goes_on(keeper, supervisor):
    seat = supervisor.listen(7, str(keeper.directory / "a.sock"))
    tcp = supervisor.listen(8, "127.0.0.1:0", family=TCP)
    alive = supervisor.python(
        1, "import os\nprint(os.read(4, 9).decode(), flush=True)\n" + STAY,
        flags=REPORT | CONTROL | SUBREAPER)
    family = supervisor.python(2, FAMILY, env=instance("shiny.0a.1"))
    family_pids = [int(p) for p in read_line(family.log).split()]
    take_over(keeper, supervisor, *map(told, (seat, tcp, alive, family)))
    assert is_alive(alive.pid) and all(map(is_alive, family_pids))

    # ids are in use, sockets are the same, pipes are those of before
    assert supervisor.spawn(1, ["/bin/true"]).status == 17
    again = supervisor.listen(8, "127.0.0.1:0", family=TCP)
    assert again.address == tcp.address
    assert os.path.sameopenfile(again.fds[0], tcp.fds[0])
    os.write(alive.control, b"hello")
    assert read_line(alive.log) == "hello"

    # a death: its status cannot be known, its tree goes as always
    assert supervisor.signal(2, signal.SIGTERM) == 0
    end = supervisor.wait_exit(2)
    assert (end.pid, end.wait_status) == (family.pid, UNKNOWN)
    assert [p for p in family_pids if is_alive(p)] == []
    assert supervisor.drained(2) == 0
    assert supervisor.signal(1, signal.SIGKILL) == 0
    assert supervisor.wait_exit(1).wait_status == UNKNOWN
    assert supervisor.drained(1) == 0

    # what the new one starts is its own
    assert supervisor.python(1, "raise SystemExit(3)").status == 0
    assert os.WEXITSTATUS(supervisor.wait_exit(1).wait_status) == 3


def test_the_next_supervisor_is_told_all(keeper, supervisor):
    seat = supervisor.listen(7, str(keeper.directory / "a.sock"))
    alive = supervisor.python(1, STAY, flags=REPORT | SUBREAPER)
    dead = supervisor.python(2, "raise SystemExit(4)")
    end = supervisor.wait_exit(2)
    exited = struct.pack("=Ii", 1, end.wait_status)
    data, fds = told(dead)
    at = PID_AT + 8
    dead_now = (data[:at] + exited + data[at + 8:], fds)
    take_over(keeper, supervisor, told(seat), told(alive), dead_now)
    custody = supervisor.facts.custody
    os.kill(supervisor.pid, signal.SIGKILL)
    second = keeper.supervisor()
    listeners, children = second.attach()
    assert second.facts.custody == custody
    assert sorted(listeners) == [7] and sorted(children) == [1, 2]
    assert children[1].data == told(alive)[0]
    assert len(children[1].fds) == 4
    assert os.WEXITSTATUS(children[2].wait_status) == 4
    assert children[2].exited == 1
    # and once more
    take_over(keeper, second, told(listeners[7]), told(children[1]))
    assert second.signal(1, signal.SIGKILL) == 0
    assert second.wait_exit(1).pid == alive.pid


def test_a_death_nobody_saw(keeper, supervisor):
    """Between two keepers, and told of or not."""
    child = supervisor.python(1, STAY)
    keeper.process.kill()
    keeper.process.wait()
    os.kill(child.pid, signal.SIGKILL)
    until(lambda: not is_alive(child.pid), "the death")
    keeper.start()
    supervisor.meet()
    supervisor.give(told(child))
    supervisor.wait(lambda m: m.type == EXITED and m.id == 1
                    and m.wait_status == UNKNOWN)
    assert supervisor.drained(1) == 0


def test_what_is_not_handed_over_is_ended(keeper, supervisor):
    """Started by a keeper that died before it could say so."""
    known = supervisor.python(1, FAMILY, env=instance("known.0a.1"))
    family = [int(p) for p in read_line(known.log).split()]
    stray = supervisor.python(2, FAMILY, env=instance("stray.0a.1"))
    strays = [stray.pid, *map(int, read_line(stray.log).split())]
    take_over(keeper, supervisor, told(known))
    until(lambda: not any(map(is_alive, strays)), "the end of the stray")
    assert is_alive(known.pid) and all(map(is_alive, family))


def test_without_a_supervisor_all_begins_anew(keeper, supervisor):
    child = supervisor.python(1, FAMILY, env=instance("shiny.0a.1"))
    pids = [child.pid, *map(int, read_line(child.log).split())]
    # one that hides its environment, as nginx does
    hidden = supervisor.spawn(2, ["/usr/bin/env", "-i", "/bin/sleep", "600"])
    until(lambda: b"sleep" in pathlib.Path(
        f"/proc/{hidden.pid}/cmdline").read_bytes().split(b"\0")[0],
        "the sleep")
    custody = supervisor.facts.custody
    keeper.process.kill()
    keeper.process.wait()
    supervisor.kill()
    keeper.start()
    second = keeper.supervisor()
    assert second.attach() == ({}, {})
    assert second.facts.custody != custody
    assert not any(map(is_alive, [*pids, hidden.pid]))


def test_a_stop_after_a_hand_over(keeper, supervisor):
    child = supervisor.python(1, FAMILY, env=instance("shiny.0a.1"))
    pids = [child.pid, *map(int, read_line(child.log).split())]
    take_over(keeper, supervisor, told(child))
    assert supervisor.ask(GOODBYE, 0, status=7).status == 0
    supervisor.exit(0)
    assert keeper.process.wait(20) == 7
    assert not any(map(is_alive, pids))
    assert sorted(p.name for p in keeper.directory.iterdir()
                  if p.name.startswith("keeper.pid")) == []


@pytest.mark.parametrize("asked", [1, 2])
def test_sigterm_after_a_hand_over(keeper, supervisor, asked):
    child = supervisor.python(1, STAY)
    take_over(keeper, supervisor, told(child))
    keeper.process.send_signal(signal.SIGTERM)
    supervisor.wait_type(STOP)
    if asked == 2:
        keeper.process.send_signal(signal.SIGTERM)
    else:
        supervisor.kill()
    assert keeper.process.wait(20) == 1
    assert not is_alive(child.pid) and not is_alive(supervisor.pid)


def test_there_is_never_a_second_keeper(keeper, supervisor):
    del supervisor
    done = subprocess.run(keeper.command, capture_output=True, text=True,
                          timeout=20, check=False)
    assert done.returncode == 1 and "another mint-keeper" in done.stderr


# ---- a supervisor that lies ---------------------------------------------


@contextlib.contextmanager
def stranger(**options):
    with subprocess.Popen(["/bin/sleep", "600"], start_new_session=True,
                          **options) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return int(fields.rpartition(")")[2].split()[19])


def claim(child, pid, start_ticks, uid=None):
    data, fds = changed(child, TICKS_AT, "=Q", start_ticks)
    data = data[:PID_AT] + struct.pack("=i", pid) + data[PID_AT + 4:]
    if uid is not None:
        data = data[:UID_AT] + struct.pack("=I", uid) + data[UID_AT + 4:]
    return data, fds


@needs_root
@pytest.mark.parametrize("uid", [65534, FIRST])
def test_others_processes_cannot_be_claimed(keeper, supervisor, uid):
    """Not by the uid that it has, nor by one of the range."""
    child = supervisor.python(1, STAY)
    with stranger(user=65534) as pid:
        keeper.replace()
        supervisor.meet()
        supervisor.give(claim(child, pid, ticks(pid), uid))
        assert supervisor.wait_exit(1).wait_status == UNKNOWN
        assert supervisor.signal(1, signal.SIGKILL) == 2
        # dead already, as it would seem: then its session is not hunted
        assert is_alive(pid)
    assert "none of ours" in keeper.log()


def test_not_even_process_1(keeper, supervisor):
    child = supervisor.python(1, STAY)
    for pid in (os.getpid(), 1):
        keeper.replace()
        supervisor.meet()
        data = claim(child, pid, ticks(pid))
        if pid == 1:
            # no pid of a child: nothing of it is believed
            with contextlib.suppress(OSError):
                supervisor.give(data)
            second = keeper.supervisor()
            second.attach()
        else:
            supervisor.give(data)
            assert supervisor.wait_exit(1).wait_status == UNKNOWN
            assert supervisor.signal(1, signal.SIGKILL) == 2


def test_of_a_number_that_is_anothers_by_now(keeper, supervisor):
    """Same uid, same pid, another start: dead, and not touched."""
    child = supervisor.python(1, STAY)
    with stranger() as pid:
        keeper.replace()
        supervisor.meet()
        supervisor.give(claim(child, pid, ticks(pid) - 1))
        assert supervisor.wait_exit(1).wait_status == UNKNOWN
        assert supervisor.drained(1) == 0
        assert is_alive(pid)


def test_who_leads_no_session_is_no_child(keeper, supervisor):
    child = supervisor.python(1, STAY)
    with subprocess.Popen(["/bin/sleep", "600"]) as process:
        pid = process.pid
        keeper.replace()
        supervisor.meet()
        supervisor.give(claim(child, pid, ticks(pid)))
        assert supervisor.wait_exit(1).wait_status == UNKNOWN
        assert supervisor.signal(1, signal.SIGKILL) == 2
        assert is_alive(pid)
        process.kill()


def test_cgroups_of_others_are_left_alone(keeper, supervisor, tmp_path):
    child = supervisor.python(1, STAY)
    data, fds = told(child)
    head, texts = data[:HEADER.size + 48], data[HEADER.size + 48:]
    parts = texts.split(b"\0")
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "cgroup.procs").write_text(f"{os.getpid()}\n")
    parts[3] = str(victim).encode()
    take_over(keeper, supervisor, (head + b"\0".join(parts), fds))
    assert supervisor.signal(1, signal.SIGKILL) == 0
    assert supervisor.wait_exit(1).pid == child.pid
    assert victim.exists() and not (victim / "pids.max").exists()


BROKEN = {
    "cut short": lambda m: (told(m)[0][:40], told(m)[1]),
    "label without end": lambda m: (told(m)[0][:HEADER.size + 48] + b"x",
                                    told(m)[1]),
    "a string too few": lambda m: (told(m)[0][:-1], told(m)[1]),
    "a string too many": lambda m: (told(m)[0] + b"x\0", told(m)[1]),
    "a pipe too few": lambda m: (told(m)[0], told(m)[1][:1]),
    "no pipes": lambda m: (told(m)[0], []),
    "unknown flags": lambda m: changed(m, PID_AT + 4, "=I", 1 << 20),
    "no id": lambda m: changed(m, HEADER.size - 4, "=I", 0),
    "unknown type": lambda m: changed(m, 2, "=H", 99),
    "a request": lambda m: changed(m, 2, "=H", 3),
    "protocol": lambda m: changed(m, 0, "=H", VERSION + 1),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_hand_over(keeper, supervisor, what):
    """It is not known what there is: all begins anew, once."""
    child = supervisor.python(1, STAY)
    keeper.replace()
    supervisor.meet()
    with contextlib.suppress(OSError):
        supervisor.give(BROKEN[what](child))
    second = keeper.supervisor()
    assert second.attach() == ({}, {})
    assert not is_alive(child.pid) and not is_alive(supervisor.pid)
    assert second.spawn(1, ["/bin/true"]).status == 0


@pytest.mark.parametrize("what", ["file", "stream", "udp"])
def test_a_listener_must_listen(keeper, supervisor, tmp_path, what):
    seat = supervisor.listen(7, str(keeper.directory / "a.sock"))
    keeper.replace()
    supervisor.meet()
    with contextlib.ExitStack() as stack:
        if what == "file":
            file = stack.enter_context((tmp_path / "x").open("w"))
        else:
            kind = {"stream": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
            file = stack.enter_context(socket.socket(socket.AF_INET,
                                                     kind[what]))
        with contextlib.suppress(OSError):
            supervisor.give((told(seat)[0], [file.fileno()]))
        assert keeper.supervisor().attach() == ({}, {})


def test_without_a_beginning(keeper, supervisor):
    keeper.replace()
    supervisor.meet()
    supervisor.send(HEADER.pack(VERSION, GIVEN, 0, 0, 0))
    assert keeper.supervisor().attach() == ({}, {})


def test_a_supervisor_that_goes_in_the_middle(keeper, supervisor):
    child = supervisor.python(1, STAY)
    keeper.replace()
    supervisor.meet()
    supervisor.send(HEADER.pack(VERSION, 9, 0, 0, 0) + b"0" * 32 + b"\0")
    supervisor.kill()
    assert keeper.supervisor().attach() == ({}, {})
    assert not is_alive(child.pid)


@needs_root
def test_only_the_supervisors_user_is_asked(keeper, supervisor):
    """Whoever else listens there is nobody: neither is it told anything nor
    is anything taken from it."""
    path = keeper.directory / "keeper.sock"
    keeper.process.kill()
    keeper.process.wait()
    supervisor.kill()
    path.unlink()
    script = ("import os, socket, sys\n"
              "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
              "s.bind(sys.argv[1]); os.setresgid(65534, 65534, 65534)\n"
              "os.setresuid(65534, 65534, 65534); s.listen(1)\n"
              "print('ready', flush=True)\n"
              "c, _ = s.accept(); print(len(c.recv(64)), flush=True)\n")
    with subprocess.Popen(["/usr/bin/python3", "-c", script, str(path)],
                          stdout=subprocess.PIPE, text=True) as impostor:
        assert impostor.stdout.readline() == "ready\n"
        keeper.start()
        assert keeper.supervisor().attach() == ({}, {})
        assert impostor.stdout.readline() == "0\n"
