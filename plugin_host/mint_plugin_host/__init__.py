# SPDX-License-Identifier: MIT
"""Runs one unmodified mint-sdk plugin (see contract/mint_host.h)."""
