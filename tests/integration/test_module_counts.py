# SPDX-License-Identifier: MIT
"""What a request costs beside plain nginx, in counts that no other load on
the machine can change: instructions (callgrind) and system calls (strace)."""

import pytest
from edge_harness import (BUDGET_CALLS, BUDGET_INSTRUCTIONS, MINT, PLAIN,
                          Bench, count_calls, count_instructions,
                          workload_token)
from module_harness import MODULE

ROUTES = 1000

pytestmark = pytest.mark.skipif(b"__asan_init" in MODULE.read_bytes(),
                                reason="sanitizers add instructions")


@pytest.fixture(scope="module")
def bench():
    with Bench(ROUTES) as bench:
        bench.write_tables()
        bench.start_upstream()
        yield bench


def test_instructions(bench):
    token = workload_token()
    plain, _ = count_instructions(bench, "plain", PLAIN, token,
                                  server=f"unix:{bench.socket}")
    mint, apart = count_instructions(bench, "mint", MINT, token)
    assert apart == 0       # verified before
    assert mint - apart - plain <= BUDGET_INSTRUCTIONS


def test_system_calls(bench):
    token = workload_token()
    plain, plain_steady = count_calls(bench, "plain", PLAIN, token,
                                      server=f"unix:{bench.socket}")
    mint, mint_steady = count_calls(bench, "mint", MINT, token)
    assert mint - plain <= BUDGET_CALLS
    assert mint_steady == plain_steady
    assert plain_steady["writev"] == 2
