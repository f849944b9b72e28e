# SPDX-License-Identifier: MIT
"""A token that was verified once is not verified again, and nothing else is
remembered of it: each change counts from the next request."""

import time

import pytest
from module_harness import (OLD_SECRET, SECRET, World, base64url, bearer,
                            token, wait_for)

PATH = "/api/tiny/x"
KEYS = [{"id": "k1", "secret": base64url(SECRET)},
        {"id": "k0", "secret": base64url(OLD_SECRET)}]


@pytest.fixture(scope="module")
def world():
    with World() as world:
        world.backend("tiny-a")
        yield world.start()


def status(world, text):
    return world.fetch(PATH, bearer(text)).status


def remember(world, text):
    for _ in range(3):
        assert status(world, text) == 200
    return text


def test_every_letter_counts(world):
    text = remember(world, token(jti="letters"))
    for i in [*range(0, len(text), 7), *range(len(text) - 43, len(text))]:
        letter = "A" if text[i] != "A" else "B"
        if text[i] == ".":          # then it is no token of ours
            continue
        assert status(world, text[:i] + letter + text[i + 1:]) == 401
    for other in (text[:-1], text[:-4], text + "A", text + "AAAA",
                  text[1:], "A" + text):
        assert status(world, other) == 401
    assert status(world, text) == 200


def test_tokens_of_all_lengths(world):
    """The longest ones are not kept; all are told apart."""
    texts = [remember(world, token(user=7 + i % 2 * 2, jti="x",
                                   note="n" * i)) for i in range(0, 700, 23)]
    for i, text in enumerate(texts):
        response = world.fetch(PATH, bearer(text))
        assert response.seen("X-MINT-User-Id") == [str(7 + i % 2 * 2)], i


def test_more_than_are_kept(world):
    texts = [token(user=7 + i % 2 * 2, jti=f"many-{i}") for i in range(300)]
    for _ in range(2):
        for i, text in enumerate(texts):
            response = world.fetch(PATH, bearer(text))
            assert response.seen("X-MINT-User-Id") == [str(7 + i % 2 * 2)]


def test_times_are_judged_each_time(world):
    """Good until its end and the leeway of five seconds."""
    text = remember(world, token(exp=int(time.time()) - 3, jti="short"))
    wait_for(lambda: status(world, text) == 401, "expiry")


def test_user_and_session_are_judged_each_time(world):
    text = remember(world, token(jti="each"))
    users, denied = world.spec["users"], world.spec["denied"]
    changed = [dict(u, session_version=5) if u["id"] == 7 else u
               for u in users]
    for change, restored in ((dict(users=changed), dict(users=users)),
                             (dict(denied=denied + [
                                 {"jti": "each",
                                  "expires": int(time.time()) + 9999}]),
                              dict(denied=denied))):
        world.write(**change)
        assert status(world, text) == 401
        world.write(**restored)
        assert status(world, text) == 200


def test_keys_end_what_was_verified_with_them(world):
    text = remember(world, token(jti="keys"))
    old = remember(world, token(jti="old", secret=OLD_SECRET, kid="k0"))
    world.write(keys=KEYS[:1])
    assert (status(world, text), status(world, old)) == (200, 401)
    world.write(keys=[{"id": "k1", "secret": base64url(b"another" * 5)}])
    assert (status(world, text), status(world, old)) == (401, 401)
    world.write(keys=KEYS)
    assert (status(world, text), status(world, old)) == (200, 200)
