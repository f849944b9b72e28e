# SPDX-License-Identifier: MIT
"""One system for all test_system_*.py, with both examples and the test
plugins installed through the public API, and a member signed in."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import httpx
import pytest
from system_harness import (
    ADMIN,
    FRIEND,
    MEMBER,
    PLUGINS,
    SECRET,
    MintSystem,
    example_bundles,
    make_bundle,
    make_place,
    wait_for,
)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, None, None]:
    """Run on several workers, a file stays on one; what shares the one system
    stays on one altogether, and comes first because it takes longest."""
    items.sort(key=lambda item: not item.path.name.startswith("test_system_"))
    for item in items:
        name = item.path.name
        group = "system" if name.startswith("test_system_") else name
        item.add_marker(pytest.mark.xdist_group(group))
    yield
    # xdist groups by what it has appended to the names: a pytest that it does
    # not know would start the system once on each worker
    if hasattr(config, "workerinput"):
        assert all("@" in item.nodeid for item in items)


@pytest.fixture(scope="session")
def bundles() -> Iterator[dict[str, Path]]:
    """{plugin: bundle}, in the order in which they are to be installed"""
    folder = Path(tempfile.mkdtemp(prefix="mint-b-"))
    examples = example_bundles()
    found = {n: examples[n] for n in ("peak-table", "legacy-report")}
    for name in ("echo", "misbehaving", "nosy"):
        found[f"test-{name}"] = make_bundle(PLUGINS / name, folder)
    yield found
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def shared_system(bundles: dict[str, Path]) -> Iterator[MintSystem]:
    system = MintSystem(make_place(), MINT_AUTH__JWT_SECRET_KEY=SECRET,
                        MINT_CORS_ORIGINS=FRIEND)
    try:
        system.start()
        for bundle in bundles.values():
            system.install(bundle)
        system.create_user(*MEMBER)
        yield system
        run_directory = system.run_directory
        assert system.stop() == 0, system.text
        wait_for(lambda: not system.leftovers(), "the end of all processes")
        assert not run_directory.exists()
    finally:
        system.end()


@pytest.fixture
def system(shared_system: MintSystem) -> MintSystem:
    """The shared one, with every plugin ready."""
    shared_system.settle()
    return shared_system


@pytest.fixture(scope="session")
def member_token(shared_system: MintSystem) -> str:
    return shared_system.login(*MEMBER)


@pytest.fixture
def member(system: MintSystem, member_token: str) -> Iterator[httpx.Client]:
    with system.client(member_token) as client:
        yield client


@pytest.fixture
def admin(system: MintSystem) -> Iterator[httpx.Client]:
    with system.client(system.login(*ADMIN)) as client:
        yield client
