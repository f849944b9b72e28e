# SPDX-License-Identifier: MIT
"""10,000 routes, replaced again and again, in one worker that is never
reloaded."""

import json
import random

import pytest

from module_harness import MODULE, World, raw_request, read_response

ROUTES = 10_000
WARM, TURNS = 6, 30
SEGMENTS = ["a", "b", "ab", "a-b", "x1", "spectra", "peaks", "api", "v2.1"]


def make_prefixes(rng):
    prefixes = set()
    while len(prefixes) < ROUTES:
        first = f"p{rng.randrange(ROUTES)}"
        rest = rng.choices(SEGMENTS, k=rng.randrange(8))
        prefixes.add("/" + "/".join([first, *rest]))
    return sorted(prefixes)


def make_routes(prefixes, turn):
    """Every prefix belongs to another plugin in each turn."""
    routes = []
    for i, prefix in enumerate(prefixes):
        plugin = 1 + (i * 7 + turn * 1231) % ROUTES
        routes.append({"plugin_id": plugin, "prefix": prefix,
                       "name": f"plugin-{plugin}"})
    return routes


def longest(routes, path):
    """Name of the plugin by looking at every head of the path."""
    if path.startswith("/api/"):
        path = path[len("/api"):]
    parts = path.split("/")
    for n in range(len(parts), 1, -1):
        name = routes.get("/".join(parts[:n]))
        if name:
            return name
    return ""


def random_path(rng, prefixes):
    path = rng.choice(prefixes) + rng.choice(
        ["", "/", "/x", "/a", "/a/b/ab", "x", "-", "/api", ".html"])
    if rng.randrange(4) == 0:
        path = path.rsplit("/", 1)[0] or "/"
    return rng.choice(["", "/api"]) + path


def memory_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f
                    if line.startswith("VmRSS:"))


@pytest.fixture
def world():
    with World(write=False) as w:
        w.spec.update(plugins=ROUTES + 1, seats=w.spec["seats"][:1])
        w.write()
        w.backend("platform")
        yield w.start()


def test_ten_thousand_routes(world):
    rng = random.Random(4)
    prefixes = make_prefixes(rng)
    (worker,) = world.worker_pids()
    empty_kb = memory_kb(worker)
    sizes = []

    with world.connect() as s:
        for turn in range(TURNS):
            routes = make_routes(prefixes, turn)
            world.table("write", world.run, "-",
                        stdin=json.dumps({"plugins": ROUTES + 1,
                                          "routes": routes}))
            names = {r["prefix"]: r["name"] for r in routes}
            for _ in range(20):
                path = random_path(rng, prefixes)
                s.sendall(raw_request("GET", path, close=False))
                response = read_response(s)
                body = response.json()
                # without seats: who it would be for is in the answer
                assert body.get("plugin", "") == longest(names, path), path
                assert response.status == (503 if body.get("plugin") else 200)
            sizes.append(memory_kb(worker))

    assert world.worker_pids() == {worker}
    # what ASan keeps of freed memory is not the worker's
    if b"__asan_init" in MODULE.read_bytes():
        return
    assert max(sizes[WARM:]) - max(sizes[:WARM]) <= 512, sizes
    # twice a copy, of which one is read while the other is filled
    assert max(sizes) - empty_kb <= 2 * ROUTES, (empty_kb, sizes)
