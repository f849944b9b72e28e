# SPDX-License-Identifier: MIT
"""What "nginx -t" says: one line for each mistake, with file and line."""

import re

import pytest

from module_harness import World


def line_of(world, text):
    """Number of the line of the configuration that begins so."""
    for number, line in enumerate(
            (world.dir / "nginx.conf").read_text().splitlines(), 1):
        if line.strip().startswith(text):
            return number
    raise AssertionError(f"no line begins with {text}")


def complaints(said, level):
    return [line for line in said.splitlines() if f"[{level}]" in line]


# what is wrong, words of the message, which line it names
MISTAKES = [
    ({"upstream": "mint_seats; zone z 64k;"}, '"zone" must not be',
     "upstream mint"),
    ({"upstream": "zone z 64k; mint_seats;"}, '"zone" must not be',
     "upstream mint"),
    ({"upstream": "mint_seats; server 127.0.0.1:1;"}, '"server" must not be',
     "upstream mint"),
    ({"upstream": "server 127.0.0.1:1; mint_seats;"}, "must not be beside",
     "upstream mint"),
    ({"upstream": "mint_seats; least_conn;"}, "another balancing method",
     "upstream mint"),
    ({"upstream": "mint_seats; hash $uri;"}, "another balancing method",
     "upstream mint"),
    ({"upstream": "mint_seats; ip_hash;"}, "another balancing method",
     "upstream mint"),
    ({"upstream": "least_conn; mint_seats;"}, "must come first",
     "upstream mint"),
    ({"upstream": "random; mint_seats;"}, "must come first",
     "upstream mint"),
    ({"upstream": "mint_seats; mint_seats;"}, "is duplicate",
     "upstream mint"),
    ({"upstream": "mint_seats on;"}, "invalid number of arguments",
     "upstream mint"),
    ({"location_extra": "mint off;"}, 'needs "mint on": location "/"',
     "server {"),
    ({"location_extra": "proxy_set_header x-mint-user-id 1;"},
     '"proxy_set_header x-mint-user-id" must not be', "server {"),
    ({"http": "proxy_set_header X-MINT-Internal-Token t; server { "
      "listen 127.0.0.1:1; mint on; location /x { proxy_pass http://mint; } }",
      "location": "return 204;"},
     '"proxy_set_header X-MINT-Internal-Token" must not be',
     "proxy_set_header X-MINT-Internal-Token"),
    ({"http": "server { listen 127.0.0.1:1; location /x "
      "{ proxy_pass http://mint; } }"}, 'needs "mint on": location "/x"',
     "server {"),
    ({"server": "location /e { mint_error maybe; }"}, '"on" or "off"',
     "location /e"),
    ({"server": "location /e { proxy_pass http://mint; mint_error on; }"},
     "another content handler", "location /e"),
    ({"server": "mint maybe;"}, '"mint" directive', "mint maybe"),
    ({"http": "mint_seats;"}, "is not allowed here", "mint_seats;"),
    ({"http": "mint_run_directory /a;"}, "is duplicate",
     "mint_run_directory /a"),
]


@pytest.mark.parametrize("changes,words,line", MISTAKES, ids=str)
def test_mistake_is_one_line_with_its_place(changes, words, line):
    with World(write=False) as w:
        code, said = w.test(**changes)
        assert code == 1, said
        (emerg,) = complaints(said, "emerg")
        assert words in emerg
        assert emerg.endswith(f"{w.dir}/nginx.conf:{line_of(w, line)}")


@pytest.mark.parametrize("path", ["run", '""', "./run"])
def test_relative_run_directory(path):
    with World(write=False) as w:
        config = w.config()
        config.write_text(config.read_text().replace(
            f"mint_run_directory {w.run};", f"mint_run_directory {path};"))
        w.config = lambda: config
        code, said = w.test()
        assert code == 1
        (emerg,) = complaints(said, "emerg")
        assert "must be an absolute path" in emerg
        assert emerg.endswith(f":{line_of(w, 'mint_run_directory')}")


def test_no_run_files_yet_is_a_notice():
    with World(write=False) as w:
        w.run.rmdir()
        code, said = w.test()
        assert code == 0, said
        (notice,) = complaints(said, "notice")
        assert "no run directory" in notice and "mint-supervisor" in notice
        assert not complaints(said, "warn")


def test_without_the_module_at_work_nothing_is_said():
    with World(write=False) as w:
        w.run.rmdir()
        config = w.config()
        config.write_text(
            f"load_module {w._format['module']};\nevents {{ }}\n"
            f"pid {w.dir}/nginx.pid;\nhttp {{ access_log off; }}\n")
        w.config = lambda: config
        code, said = w.test()
        assert code == 0, said
        assert "mint" not in re.sub(re.escape(str(w.dir)), "", said)


# ---- keepalive --------------------------------------------------------


@pytest.mark.parametrize("upstream,needed", [
    ("mint_seats; keepalive 15;", 16), ("mint_seats; keepalive 16;", None),
    ("mint_seats; keepalive 1;", 16), ("mint_seats; keepalive 512;", None),
])
def test_keepalive_for_the_seats_there_are(upstream, needed):
    """Three plugins and the platform have seats."""
    with World(upstream=upstream) as w:
        code, said = w.test()
        assert code == 0, said
        if needed is None:
            assert not complaints(said, "warn"), said
        else:
            (warning,) = complaints(said, "warn")
            assert f"too small for 4 seats: use {needed} or" in warning
            assert warning.endswith(
                f"{w.dir}/nginx.conf:{line_of(w, 'upstream mint')}")


def test_keepalive_of_many_seats():
    """More records than are read at a time."""
    with World(upstream="mint_seats; keepalive 512;", write=False) as w:
        w.write(plugins=200, seats=[
            {"index": 2 * i, "plugin_id": i, "address": w.sock(str(i))}
            for i in range(180)])
        code, said = w.test()
        assert code == 0, said
        (warning,) = complaints(said, "warn")
        assert "too small for 180 seats: use 720" in warning


def test_broken_seats_file_says_nothing():
    for data in (b"", b"\xff" * 4096, b"x" * 100):
        with World(upstream="mint_seats; keepalive 1;") as w:
            (w.run / "seats").write_bytes(data)
            code, said = w.test()
            assert code == 0, said
            assert not complaints(said, "warn"), said


def test_no_keepalive():
    """nginx 1.29.7 and later keep 32 without being told to."""
    with World(upstream="mint_seats;") as w:
        code, said = w.test()
        assert code == 0, said
        warnings = complaints(said, "warn")
        assert len(warnings) <= 1
        if warnings:
            assert 'no "keepalive"' in warnings[0]
            assert warnings[0].endswith(f":{line_of(w, 'upstream mint')}")
