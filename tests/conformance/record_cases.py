# SPDX-License-Identifier: MIT
"""
A pytest plugin: runs below packaging's own tests and notes what they ask its
classes and what these answer, as questions to build/pep440 (one JSON array a
line, then the expected answer).  What a test thinks of an answer is not of
interest here.
"""

import functools
import json
import os

from packaging import markers, requirements, specifiers, utils, version

SETS = (set, frozenset, list, tuple)
OPERATORS = {"__lt__": "<", "__le__": "<=", "__eq__": "==", "__ne__": "!=",
             "__ge__": ">=", "__gt__": ">"}

cases = {}
skipped = 0
is_recording = False
marker_texts = {}       # id: (marker, the text it was made of)


class NotExpressible(Exception):
    """Nothing that the engine is ever asked (objects, other types)."""


def note(question, answer):
    global skipped
    try:
        text = json.dumps(question, ensure_ascii=False)
        text.encode()
        if "\\u0000" in text:
            raise ValueError(text)
        key = text, json.dumps(answer)
    except (TypeError, ValueError):
        skipped += 1
        return
    cases[key] = None


def recorded(owner, name):
    """The function gets what was called, its result or exception, and the
    arguments; what it calls itself is not recorded."""
    original = getattr(owner, name)

    def decorate(function):
        @functools.wraps(original)
        def call(*args, **kwargs):
            global is_recording, skipped
            if is_recording:
                return original(*args, **kwargs)
            is_recording = True
            result = error = None
            try:
                try:
                    result = original(*args, **kwargs)
                except Exception as e:
                    error = e
                try:
                    function(result, error, *args, **kwargs)
                except NotExpressible:
                    skipped += 1
                except Exception as e:
                    if error is None:
                        problems.append(f"{name}{args[1:]!r}: {e!r}")
            finally:
                is_recording = False
            if error is not None:
                raise error
            return result
        setattr(owner, name, call)
        return call
    return decorate


problems = []
original_canonicalize = utils.canonicalize_name


# ---- versions --------------------------------------------------------------

def version_answer(v):
    number = lambda n: None if n is None else str(n)
    return [str(v), utils.canonicalize_version(v), str(v.epoch),
            ".".join(map(str, v.release)), v.pre[0] if v.pre else "",
            number(v.pre[1] if v.pre else None), number(v.post),
            number(v.dev), v.local, v.is_prerelease]


@recorded(version.Version, "__init__")
def _(result, error, self, text):
    if not isinstance(text, str):
        raise NotExpressible
    if error is None:
        note(["version", text], version_answer(self))
    elif isinstance(error, version.InvalidVersion):
        note(["version", text], None)


def record_comparison(name, operator):
    @recorded(version.Version, name)
    def _(result, error, self, other):
        if error is not None or not isinstance(other, version.Version):
            raise NotExpressible
        note(["compare", str(self), str(other), operator], result)


for method, sign in OPERATORS.items():
    record_comparison(method, sign)


# ---- specifiers ------------------------------------------------------------

def policy(self, prereleases):
    if prereleases is None:
        prereleases = self._prereleases
    if prereleases not in (None, True, False):
        raise NotExpressible
    if any(s._prereleases is not None for s in getattr(self, "_specs", ())):
        raise NotExpressible
    return prereleases


def set_text(self):
    parts = getattr(self, "_specs", (self,))
    if any("," in part.version for part in parts):
        raise NotExpressible
    return ",".join(map(str, parts))


@recorded(specifiers.Specifier, "__init__")
def _(result, error, self, spec="", prereleases=None):
    if error is None:
        note(["specifier", spec], [self.operator, self.version,
                                   "".join(self._canonical_spec)])
    elif isinstance(error, specifiers.InvalidSpecifier):
        note(["specifier", spec], None)


@recorded(specifiers.SpecifierSet, "__init__")
def _(result, error, self, specifiers_="", prereleases=None, **kwargs):
    specifiers_ = kwargs.get("specifiers", specifiers_)
    if not isinstance(specifiers_, str):
        raise NotExpressible
    if error is None:
        note(["set", specifiers_], str(self))
    elif isinstance(error, specifiers.InvalidSpecifier):
        note(["set", specifiers_], None)


def record_has(owner, name):
    @recorded(owner, name)
    def _(result, error, self, item, prereleases=None, installed=None):
        if error is not None or not isinstance(item, (str, version.Version)):
            raise NotExpressible
        wanted = policy(self, prereleases)
        if installed:
            parsed = specifiers.coerce_version(item)
            if parsed is not None and parsed.is_prerelease:
                wanted = True
        text = set_text(self)
        # some tests doctor what the object has computed already
        if specifiers.SpecifierSet(text).contains(str(item), wanted) != result:
            raise NotExpressible
        note(["has", text, str(item), wanted], result)


def record_filter(owner):
    original = owner.filter

    @recorded(owner, "filter")
    def _(result, error, self, iterable, prereleases=None, key=None):
        if error is not None or not isinstance(iterable, (list, tuple)):
            raise NotExpressible
        text = key or (lambda item: item)
        kept = original(self, list(enumerate(iterable)), prereleases,
                        key=lambda pair: text(pair[1]))
        note(["filter", set_text(self), [str(text(i)) for i in iterable],
              policy(self, prereleases)], [i for i, _ in kept])


def record_equality(owner):
    @recorded(owner, "__eq__")
    def _(result, error, self, other):
        if error is not None or not isinstance(
                other, (str, specifiers.Specifier, specifiers.SpecifierSet)):
            raise NotExpressible
        if isinstance(other, str):
            if result is NotImplemented:
                raise NotExpressible
            other = specifiers.SpecifierSet(other)
        note_both(set_text(self), set_text(other))


def note_both(a, b, prereleases=None):
    x, y = specifiers.SpecifierSet(a), specifiers.SpecifierSet(b)
    both = x & y
    both.prereleases = prereleases
    note(["both", a, b, prereleases],
         [str(both), both.is_unsatisfiable(), x == y])


for kind in (specifiers.Specifier, specifiers.SpecifierSet):
    record_has(kind, "contains")
    record_has(kind, "__contains__")
    record_filter(kind)
    record_equality(kind)


@recorded(specifiers.SpecifierSet, "__and__")
def _(result, error, self, other):
    if error is not None or result is NotImplemented:
        raise NotExpressible
    other = other if not isinstance(other, str) \
        else specifiers.SpecifierSet(other)
    note_both(set_text(self), set_text(other), policy(result, None))


@recorded(specifiers.SpecifierSet, "is_unsatisfiable")
def _(result, error, self):
    text, wanted = set_text(self), policy(self, None)
    fresh = specifiers.SpecifierSet(text, prereleases=wanted)
    if fresh.is_unsatisfiable() != result:
        raise NotExpressible
    note(["unsatisfiable", text, wanted], result)


# ---- markers, requirements, names ------------------------------------------

def marker_answer(marker):
    try:
        return str(marker)
    except ValueError:
        return False


@recorded(markers.Marker, "__init__")
def _(result, error, self, text):
    if error is None:
        marker_texts[id(self)] = self, text
        note(["marker", text], marker_answer(self))
    elif isinstance(error, markers.InvalidMarker):
        note(["marker", text], None)


def note_evaluation(result, error, self, environment):
    _, text = marker_texts.get(id(self), (None, None))
    if text is None:
        text = str(self)
        if "\\" in text:
            raise NotExpressible
    for name, value in environment.items():
        if name == "extra" and value is None:
            value = ""
        if not isinstance(name, str) or not isinstance(value, (str, *SETS)):
            raise NotExpressible
        environment[name] = value if isinstance(value, str) else sorted(value)
    if error is None:
        answer = result
    elif isinstance(error, markers.UndefinedComparison):
        answer = "INVALID"
    elif isinstance(error, markers.UndefinedEnvironmentName):
        answer = "NOT_FOUND"
    else:
        raise NotExpressible
    note(["evaluate", text, environment], answer)


@recorded(markers.Marker, "evaluate")
def _(result, error, self, environment=None, context="metadata"):
    values = dict(markers.default_environment())
    if context == "lock_file":
        values |= {"extras": [], "dependency_groups": []}
    elif context == "metadata":
        values["extra"] = ""
    note_evaluation(result, error, self, values | dict(environment or {}))


if hasattr(markers.Marker, "evaluate_prepared"):
    @recorded(markers.Marker, "evaluate_prepared")
    def _(result, error, self, environment):
        # the engine prepares what it is given: others are not its question
        extra = environment.get("extra", "")
        names = [extra] if isinstance(extra, str) else extra
        if (not names or environment.get("python_full_version", "")[-1:] == "+"
                or any(original_canonicalize(n) != n for n in names)):
            raise NotExpressible
        note_evaluation(result, error, self, dict(environment))


@recorded(requirements.Requirement, "__init__")
def _(result, error, self, text):
    if error is None:
        note(["requirement", text],
             [self.name, sorted(self.extras), str(self.specifier), self.url,
              None if self.marker is None else marker_answer(self.marker)])
    elif isinstance(error, requirements.InvalidRequirement):
        note(["requirement", text], None)


def note_name(result, error, name, **kwargs):
    try:
        original_canonicalize(name, validate=True)
        is_valid = True
    except utils.InvalidName:
        is_valid = False
    note(["name", name], [original_canonicalize(name), is_valid])


recorded(utils, "canonicalize_name")(note_name)
recorded(utils, "is_normalized_name")(note_name)


def pytest_sessionfinish(session):
    with open(os.environ["CONFORMANCE_CASES"], "w", encoding="utf-8") as out:
        for question, answer in cases:
            out.write(f"{question}\n{answer}\n")
    print(f"\nrecorded {len(cases)} cases of {session.testscollected} tests,"
          f" {skipped} calls are not the engine's")
    for problem in sorted(set(problems))[:10]:
        print("not recorded:", problem)
