# SPDX-License-Identifier: MIT
"""Long runs, apart from "make test"; with the harnesses of its tests."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "integration"))
