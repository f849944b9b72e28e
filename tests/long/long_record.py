# SPDX-License-Identifier: MIT
"""What has happened in the steps of one seed, also as a file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

# the first thing that the engine did not know, without names
DOUBTS = (
    (r"\S+ is not installed yet", "a package is not installed yet"),
    (r"\S+ \S+ is no plain release", "no plain release is installed"),
    (r"\S+ is not installed as the (lock|core) has it",
     r"a package is not installed as the \1 has it"),
    (r"\S+ is not in the shared environment",
     "a plugin is not in the shared environment"),
    (r"the marker of .*", "a marker is not understood"),
    (r"it requires Python .*", "Requires-Python is not met"),
)
MOVE = "a package would have to move"


def doubt_of(engine: dict[str, Any]) -> str:
    text = engine["doubt"]
    if text is None:
        return MOVE
    for pattern, words in DOUBTS:
        if re.fullmatch(pattern, text):
            return re.sub(pattern, words, text)
    return text[:48]


class Record:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.steps: list[dict[str, Any]] = []
        self.broken: list[str] = []
        path.write_text("")

    def add(self, **step: Any) -> None:
        self.steps.append(step)
        self._write(step)

    def breaks(self, text: str) -> None:
        self.broken.append(text)
        self._write({"broken": text})

    def _write(self, step: dict[str, Any]) -> None:
        with open(self.path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(step) + "\n")

    def decisions(self) -> list[dict[str, Any]]:
        """Of the steps in which both were asked."""
        found = []
        for step in self.steps:
            verdict = step.get("verdict")
            if verdict and verdict["resolver"] != "not asked":
                engine = verdict["engine"]
                found.append({
                    "engine": engine["verdict"],
                    "resolver": verdict["resolver"],
                    "doubt": doubt_of(engine),
                })
        return found
