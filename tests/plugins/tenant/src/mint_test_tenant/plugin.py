# SPDX-License-Identifier: MIT
"""Imports the packages that it asks for, and says in which versions it has
them (a plugin for tests only)."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from typing import Any

from mint_sdk import AnalysisPlugin, endpoint, mint_plugin

VERSION = "1.0.0"
# distribution: module; what a test puts here it puts into Requires-Dist, too
MODULES: dict[str, str] = {}

# when it is loaded, as plugins do: what cannot be imported is no plugin
for _module in MODULES.values():
    importlib.import_module(_module)


@mint_plugin(analysis_type="custom", routes_prefix="/test-tenant")
class TenantPlugin(AnalysisPlugin):
    @endpoint.get("/packages")
    async def packages(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "prefix": sys.prefix,
            "packages": {
                name: importlib.metadata.version(name) for name in MODULES
            },
            "files": {
                name: str(getattr(sys.modules[module], "__file__", ""))
                for name, module in MODULES.items()
            },
        }
