# SPDX-License-Identifier: MIT
"""What a request costs beside plain nginx, in counts that no other load on
the machine can change: instructions (callgrind) and system calls (strace)."""

import pytest
from edge_harness import (BUDGET_ADDED, BUDGET_CALLS, BUDGET_NEW, MINT, PLAIN,
                          Bench, count_added, count_calls, one_cpu,
                          workload_token)
from module_harness import MODULE

ROUTES = 1000

# on a busy machine a peer is late and nginx waits once more; all other calls
# are the same each time
TURNS = 4

pytestmark = pytest.mark.skipif(b"__asan_init" in MODULE.read_bytes(),
                                reason="sanitizers add instructions")


@pytest.fixture(scope="module")
def bench():
    with Bench(ROUTES) as bench:
        bench.write_tables()
        bench.start_upstream()
        yield bench


def test_instructions(bench):
    counted = count_added(bench, workload_token())
    assert counted["added"] <= BUDGET_ADDED, counted

    # verified once; the others, which are all new, were seen to be
    assert counted["apart"] == 0
    assert counted["new_apart"] > 0
    assert counted["new"] <= BUDGET_NEW, counted


def test_system_calls(bench):
    token = workload_token()
    usual = {PLAIN: [], MINT: []}
    with one_cpu(bench):
        for turn in range(TURNS):
            plain, plain_steady = count_calls(
                bench, f"plain{turn}", PLAIN, token,
                server=f"unix:{bench.socket}")
            mint, mint_steady = count_calls(bench, f"mint{turn}", MINT, token)
            assert mint_steady == plain_steady
            assert plain_steady["writev"] == 2
            usual[PLAIN].append(plain)
            usual[MINT].append(mint)
    assert min(usual[MINT]) - min(usual[PLAIN]) <= BUDGET_CALLS, usual
