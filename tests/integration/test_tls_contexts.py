# SPDX-License-Identifier: MIT
"""What the warm interpreter keeps in stock for TLS, and who gets it."""

import importlib
import ssl
import sys

import certifi
import pytest
from module_harness import ROOT

sys.path.insert(0, str(ROOT / "plugin_host"))
from mint_plugin_host import tls_contexts      # noqa: E402


@pytest.fixture
def made(monkeypatch):
    """The arguments of each context that was really made."""
    calls = []
    create = ssl.create_default_context

    def count(*args, **kwargs):
        calls.append((args, kwargs))
        return create(*args, **kwargs)

    monkeypatch.setattr(ssl, "create_default_context", count)
    importlib.reload(tls_contexts)
    yield calls
    monkeypatch.undo()
    importlib.reload(tls_contexts)


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "ca.pem"
    with open(certifi.where()) as stream:
        path.write_text(stream.read())
    return str(path)


def fill(path, count):
    with tls_contexts.stocked():
        for _ in range(count):
            ssl.create_default_context(cafile=path)


def test_each_is_handed_out_once(made, bundle):
    fill(bundle, 2)
    made.clear()
    contexts = [ssl.create_default_context(cafile=bundle) for _ in range(3)]
    assert len(made) == 1, "the third is new"
    assert len({id(context) for context in contexts}) == 3
    assert len({len(c.get_ca_certs()) for c in contexts}) == 1


def test_nobody_gets_one_of_the_rehearsal(made, bundle):
    kept = []
    with tls_contexts.stocked():
        kept.append(ssl.create_default_context(cafile=bundle))
    assert ssl.create_default_context(cafile=bundle) not in kept


def test_another_file_of_that_name_is_another(made, bundle):
    fill(bundle, 1)
    made.clear()
    with open(bundle, "a") as stream:
        stream.write("\n")
    ssl.create_default_context(cafile=bundle)
    assert made == [((), {"cafile": bundle})]


@pytest.mark.parametrize("args, kwargs", [
    ((), {}),
    ((ssl.Purpose.CLIENT_AUTH,), {}),
    ((), {"purpose": ssl.Purpose.CLIENT_AUTH}),
    ((ssl.Purpose.SERVER_AUTH,), {"cafile": True}),
    ((), {"cafile": True, "capath": "/"}),
    ((), {"cafile": True, "cadata": None}),
])
def test_whoever_asks_for_more_gets_a_new_one(made, bundle, args, kwargs):
    fill(bundle, 1)
    made.clear()
    kwargs = {n: bundle if v is True else v for n, v in kwargs.items()}
    ssl.create_default_context(*args, **kwargs)
    assert made == [(args, kwargs)]


def test_other_classes_and_key_logs_are_heeded(
    made, bundle, monkeypatch, tmp_path
):
    fill(bundle, 2)
    made.clear()
    with monkeypatch.context() as patch:
        patch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
        logged = ssl.create_default_context(cafile=bundle)
    assert logged.keylog_filename == str(tmp_path / "keys")
    with monkeypatch.context() as patch:
        # as when a package has put its own class into ssl
        patch.setattr(tls_contexts, "_Context", object)
        ssl.create_default_context(cafile=bundle)
    assert len(made) == 2


def test_a_file_that_is_not_there_fails_as_ever(made, bundle):
    with pytest.raises(FileNotFoundError):
        fill(bundle + "-not", 1)
    assert ssl.create_default_context(cafile=bundle)
