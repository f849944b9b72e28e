# SPDX-License-Identifier: MIT
"""Settings of plugins: compare-and-swap, text of numbers, secrets."""

import concurrent.futures
import json
import random
import subprocess

import pytest

from platform_harness import platform, plugin
from sdk_harness import context, failure, run


@pytest.fixture(scope="module")
def shared():
    with platform(plugins=[plugin("full"), plugin("other")]) as it:
        yield it


# ---- settings ---------------------------------------------------------------


def swap(client, name, expected, settings, owned=("a", "b")):
    reply = client.post(
        f"/plugin-config/{name}/compare-and-swap",
        headers={"Content-Type": "application/json"},
        content='{"expected":%s,"settings":%s,"owned_keys":%s}' % (
            expected, settings, json.dumps(sorted(owned))))
    assert reply.status_code == 200, reply.text
    committed = reply.json()["committed"]
    assert committed is True or committed is False
    return committed


def snapshot(client, name, owned=("a", "b")):
    reply = client.post(f"/plugin-config/{name}/snapshot",
                        json={"owned_keys": sorted(owned)})
    assert reply.status_code == 200, reply.text
    head, tail = '{"settings":', "}"
    assert reply.text.startswith(head) and reply.text.endswith(tail)
    return reply.text[len(head):-1]


@pytest.fixture
def fresh():
    with platform(plugins=[plugin("full"), plugin("other"), plugin(
            "typed", metadata={"allowed_experiment_types": ["x"]})]) as it:
        yield it


def test_settings_of_a_new_plugin(fresh):
    with fresh.plugin_client("full") as client:
        assert client.get("/plugin-config/full").json() == {}
        assert snapshot(client, "full") == "{}"
    with fresh.plugin_client("typed") as client:
        assert client.get("/plugin-config/typed").json() == {
            "allowed_experiment_types": ["x"]}
        assert snapshot(client, "typed") == "{}"


def test_settings_are_ones_own(fresh):
    with fresh.plugin_client("full") as client:
        for method, path in (("GET", ""), ("PUT", ""), ("POST", "/snapshot"),
                             ("POST", "/compare-and-swap")):
            failure(client.request(method, "/plugin-config/other" + path,
                                   json={}), 403, "PERMISSION_DENIED")


def test_numbers_keep_their_text(fresh):
    values = ("1.0", "1", "1e5", "1E+05", "0.1", "12345678901234567890",
              "-0.0", "0.30000000000000004", "1.7976931348623157e308",
              "123456789012345678901234567890.123456789", "5e-324")
    with fresh.plugin_client("full") as client:
        before = "{}"
        for value in values:
            text = ('{"a":%s,"b":{"deep":[%s,"%s",null,true]}}' %
                    (value, value, value))
            assert swap(client, "full", before, text)
            assert snapshot(client, "full") == text
            assert client.get("/plugin-config/full").text == text
            before = text
        fresh.stop()
        fresh.start()
        assert snapshot(client, "full") == before


@pytest.mark.parametrize("stored, expected, equal", [
    ('{"a":1}', '{"a":1}', True), ('{"a":1}', '{"a":1.0}', False),
    ('{"a":100000.0}', '{"a":1e5}', True),
    ('{"a":100000}', '{"a":1e5}', False),
    ('{"a":-0.0}', '{"a":0.0}', False), ('{"a":0.1}', '{"a":0.10}', True),
    ('{"a":12345678901234567890}', '{"a":12345678901234567891}', False),
    ('{"a":[1,2]}', '{"a":[2,1]}', False),
    ('{"a":{"x":1,"y":2}}', '{ "a" : {"y":2, "x":1} }', True),
    ('{"a":"é"}', '{"a":"\\u00e9"}', True), ('{"a":"1"}', '{"a":1}', False),
    ('{"a":null}', '{}', False), ('{}', '{}', True),
    ('{"a":true}', '{"a":1}', False), ('{"a":""}', '{"a":null}', False),
    ('{"a":1}', '{"a":1,"c":2}', False), ('{"a":1,"b":2}', '{"a":1}', False)])
def test_swap_compares_as_python_does(shared, stored, expected, equal):
    with shared.plugin_client("other") as client:
        assert swap(client, "other", snapshot(client, "other"), stored)
        assert swap(client, "other", expected, '{"b":"new"}') is equal
        assert snapshot(client, "other") == (
            '{"b":"new"}' if equal else stored)


def test_swap_replaces_the_scope_and_nothing_else(fresh):
    with fresh.plugin_client("full") as client:
        assert swap(client, "full", "{}", '{"c":3}', owned=["c"])
        assert swap(client, "full", "{}", '{"a":1,"b":2}')
        assert swap(client, "full", '{"a":1,"b":2}', '{"b":5}')
        assert snapshot(client, "full") == '{"b":5}'
        assert client.get("/plugin-config/full").json() == {"b": 5, "c": 3}
        # a replay of what is done changes nothing
        assert not swap(client, "full", '{"a":1,"b":2}', '{"b":5}')
        assert snapshot(client, "full") == '{"b":5}'


def test_platform_keys_survive(fresh):
    fresh.stop()
    subprocess.run(["sqlite3", fresh.data / "mint.db", "INSERT INTO "
                    "plugin_settings VALUES ('full', "
                    "'allowed_experiment_types', '[\"lcms\"]')"], check=True)
    fresh.start()
    with fresh.plugin_client("full") as client:
        assert swap(client, "full", "{}", '{"a":1}')
        assert client.put("/plugin-config/full", json={
            "settings": {"b": 2}, "owned_keys": ["a", "b"]}).status_code == 200
        assert snapshot(client, "full") == '{"b":2}'
        assert client.get("/plugin-config/full").json() == {
            "b": 2, "allowed_experiment_types": ["lcms"]}
        for key in ("settings", "owned_keys"):
            body = {"settings": {}, "expected": {}, "owned_keys": ["a"]}
            if key == "settings":
                body["settings"] = {"allowed_experiment_types": None}
            else:
                body["owned_keys"] = ["allowed_experiment_types"]
            for method, path in (("PUT", ""), ("POST", "/compare-and-swap")):
                failure(client.request(method, "/plugin-config/full" + path,
                                       json=body), 400, "VALIDATION_ERROR")


def test_secrets(fresh):
    one = '{"sec_1":"s3cr3t"}'
    with fresh.plugin_client("full") as client:
        text = '{"__secrets__":%s,"a":{"$secret":"sec_1"}}' % one
        assert swap(client, "full", "{}", text, owned=["a"])
        assert snapshot(client, "full", owned=["a"]) == text
        assert snapshot(client, "full", owned=[]) == (
            '{"__secrets__":%s}' % one)
        assert "s3cr3t" not in client.get("/plugin-config/full").text
        assert not swap(client, "full", '{"a":{"$secret":"sec_1"}}', "{}",
                        owned=["a"])
        # PUT without them keeps them
        client.put("/plugin-config/full", json={
            "settings": {"a": {"$secret": "sec_1"}}, "owned_keys": ["a"]})
        assert snapshot(client, "full", owned=["a"]) == text
        assert swap(client, "full", text, "{}", owned=["a"])
        assert snapshot(client, "full", owned=["a"]) == "{}"
    assert "s3cr3t" not in fresh.log()


@pytest.mark.parametrize("body", [
    {}, {"settings": {}}, {"settings": {}, "owned_keys": "a"},
    {"settings": {}, "owned_keys": [1]}, {"settings": [], "owned_keys": []},
    {"settings": {"z": 1}, "owned_keys": ["a"]},
    {"settings": {}, "owned_keys": ["k" * 256]},
    {"settings": {}, "owned_keys": ["a"] * 1001}])
def test_bad_settings(shared, body):
    with shared.plugin_client("full") as client:
        failure(client.put("/plugin-config/full", json=body), 400,
                "VALIDATION_ERROR")
        failure(client.post("/plugin-config/full/compare-and-swap",
                            json=body | {"expected": {}}), 400,
                "VALIDATION_ERROR")


@pytest.mark.parametrize("text", [
    '{"settings":{"a":01},"owned_keys":["a"]}',
    '{"settings":{"a":NaN},"owned_keys":["a"]}',
    '{"settings":{"a":1.},"owned_keys":["a"]}',
    '{"settings":{"a":-},"owned_keys":["a"]}',
    '{"settings":{"a":1 2},"owned_keys":["a"]}',
    '{"settings":{"a":1},"owned_keys":["a"]}x',
    '{"settings":{"a":"\\ud800"},"owned_keys":["a"]}',
    '{"settings":{1:2},"owned_keys":["a"]}', '', '1',
    '[' * 100000])
def test_malformed_json(shared, text):
    with shared.plugin_client("full") as client:
        failure(client.put("/plugin-config/full", content=text, headers={
            "Content-Type": "application/json"}), 400, "VALIDATION_ERROR")


def test_swaps_at_a_time(fresh):
    """As many increments as commits, none lost."""
    with fresh.plugin_client("full") as client:
        assert swap(client, "full", "{}", '{"a":0}')

    def work(_):
        done = 0
        with fresh.plugin_client("full") as client:
            while done < 10:
                now = json.loads(snapshot(client, "full"))["a"]
                done += swap(client, "full", '{"a":%d}' % now,
                             '{"a":%d}' % (now + 1))
        return done
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        total = sum(pool.map(work, range(6)))
    with fresh.plugin_client("full") as client:
        assert snapshot(client, "full") == '{"a":%d}' % total


def test_settings_by_the_sdk(fresh):
    with context(fresh, "full") as ctx:
        adapter = ctx.get_plugin_settings_cas_adapter(owned_keys=["a", "b"])
        assert adapter.load() == {}
        assert adapter.compare_and_swap({}, {"a": 1.0, "b": 2 ** 70}) is True
        assert adapter.compare_and_swap({}, {"a": 2}) is False
        assert adapter.load() == {"a": 1.0, "b": 2 ** 70}
        assert repr(adapter.load()["a"]) == "1.0"

    async def put(_, ctx):
        await ctx.set_plugin_config({"a": 7}, owned_keys=["a", "b"])
        return await ctx.get_plugin_config()
    assert run(fresh, "full", put, 1) == {"a": 7}


def test_random_documents_come_back_exactly(fresh):
    chance = random.Random(20260101)

    def value(depth):
        kind = chance.randrange(8 if depth else 5)
        if kind == 0:
            return chance.choice([True, False, None])
        if kind == 1:
            return chance.randrange(-10 ** 30, 10 ** 30)
        if kind == 2:
            return chance.uniform(-1, 1) * 10 ** chance.randrange(-300, 300)
        if kind in (3, 4):
            return "".join(chance.choice('ab"\\/\n\t\x01é✓😀{}[]:,0-9')
                           for _ in range(chance.randrange(12)))
        if kind == 5:
            return [value(depth - 1) for _ in range(chance.randrange(4))]
        return {f"k{i}{chance.choice('é✓ ')}": value(depth - 1)
                for i in range(chance.randrange(4))}

    def canonical(document):
        return json.dumps(document, ensure_ascii=False, sort_keys=True,
                          separators=(",", ":"))
    with context(fresh, "full") as ctx:
        adapter = ctx.get_plugin_settings_cas_adapter(owned_keys=["a", "b"])
        before = {}
        for _ in range(60):
            after = {"a": value(3), "b": value(3)}
            assert adapter.compare_and_swap(before, after) is True
            assert canonical(adapter.load()) == canonical(after)
            before = after
