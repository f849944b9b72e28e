# SPDX-License-Identifier: MIT
"""
Random questions to build/pep440 with packaging's answers, in the form of
record_cases.py: random_cases.py COUNT SEED FILE.  Numbers come from a small
range, so that neighbours meet.
"""

import json
import random
import sys

from packaging.markers import (InvalidMarker, Marker, UndefinedComparison,
                               UndefinedEnvironmentName)
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

count, seed, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
rng = random.Random(seed)
choice = rng.choice


def number():
    return choice(("0", "0", "1", "1", "2", "3", "9", "10", "00", "01",
                   "99999999999999999999", str(rng.randrange(100))))


def release():
    return ".".join(number() for _ in range(choice((1, 1, 2, 2, 2, 3, 3, 4))))


def separator():
    return choice(("", "", ".", "-", "_"))


def version(local=True):
    text = choice(("", "", "", "", "v", "V")) \
        + choice(("", "", "", "", "", "", "0!", "1!")) + release()
    if rng.random() < 0.3:
        text += separator() + choice(("a", "b", "rc", "c", "alpha", "BETA",
                                      "pre", "preview", "RC")) \
            + separator() + choice(("", number(), number()))
    if rng.random() < 0.25:
        text += choice((f"-{number()}", separator()
                        + choice(("post", "rev", "r", "POST"))
                        + separator() + choice(("", number()))))
    if rng.random() < 0.25:
        text += separator() + choice(("dev", "Dev")) + separator() \
            + choice(("", number()))
    if local and rng.random() < 0.15:
        text += "+" + choice((".", "-", "_")).join(
            choice(("a", "B", "1", "01", "ubuntu", "2a", number()))
            for _ in range(choice((1, 1, 2, 3))))
    return text


def broken(text):
    """now and then not what it should be"""
    if rng.random() > 0.02:
        return text
    at = rng.randrange(len(text) + 1)
    return text[:at] + choice(("", " ", "x", ".", "*", "!", "+", "\u00a0")) \
        + text[at + choice((0, 1)):]


def specifier():
    operator = choice((">=", ">=", "<", "<", "<=", ">", "==", "==", "!=",
                       "!=", "~=", "==="))
    if operator in ("==", "!="):
        wanted = release() + ".*" if rng.random() < 0.4 else version()
    elif operator == "===":
        wanted = version()
    elif operator == "~=":
        wanted = f"{number()}.{version(local=False).lstrip('vV')}" \
            if rng.random() < 0.5 else release() + "." + number()
        wanted = wanted if "!" not in wanted else release() + ".0"
    else:
        wanted = version(local=False)
    return broken(operator + choice(("", "", " ")) + wanted)


def specifiers():
    return choice((",", ",", ", ")).join(
        specifier() for _ in range(choice((0, 1, 1, 1, 2, 2, 3, 4))))


def specifier_pool(size):
    pool = []
    while len(pool) < size:
        text = specifiers()
        try:
            pool.append((text, SpecifierSet(text)))
        except InvalidSpecifier:
            pool.append((text, None))
    return pool


VARIABLES = ("python_version", "python_full_version", "os_name",
             "sys_platform", "platform_release", "platform_system",
             "platform_version", "platform_machine", "implementation_name",
             "platform_python_implementation", "implementation_version",
             "extra", "extras", "dependency_groups", "os.name",
             "python_implementation")
VALUES = ("3.12", "3.9", "3.10.2", "3.13.0a1", "linux", "win32", "posix",
          "Linux", "x86_64", "CPython", "cpython", "6.1.0-10-amd64", "test",
          "Docs_Extra", "docs-extra", "", "3", "3.*", "3.12.*", "lin", "3.1",
          "6.1", "tests docs", "3.12,3.13")


def marker_operand():
    return choice(VARIABLES) if rng.random() < 0.5 \
        else json.dumps(choice(VALUES))


def comparison():
    left, right = choice(VARIABLES), json.dumps(choice(VALUES))
    if rng.random() < 0.3:
        left, right = right, left
    if rng.random() < 0.02:
        left, right = marker_operand(), marker_operand()
    operator = choice((" == ", " != ", "<", " <= ", ">", ">=", " in ",
                       " not in ", "~=", "===", " not  in "))
    return left + operator + right


def marker(depth=0):
    parts = []
    for _ in range(choice((1, 1, 2, 2, 3))):
        parts.append(f"({marker(depth + 1)})" if depth < 3
                     and rng.random() < 0.2 else comparison())
    text = parts[0]
    for part in parts[1:]:
        text += choice((" and ", " or ")) + part
    return broken(text) if depth == 0 else text


def environment():
    full = choice(("3.12.1", "3.9.18", "3.13.0a1", "3.13.0+", "2.7.18"))
    values = {
        "implementation_name": choice(("cpython", "pypy")),
        "implementation_version": full.rstrip("+"),
        "os_name": choice(("posix", "nt")),
        "platform_machine": "x86_64",
        "platform_release": choice(("6.1.0-10-amd64", "6.1", "")),
        "platform_system": choice(("Linux", "Windows")),
        "platform_version": "#1 SMP",
        "python_full_version": full,
        "platform_python_implementation": "CPython",
        "python_version": ".".join(full.split(".")[:2]),
        "sys_platform": choice(("linux", "win32"))}
    kind = rng.random()
    if kind < 0.5:
        values["extra"] = choice(("", "test", "docs-extra", "Docs_Extra"))
    elif kind < 0.7:
        values["extra"] = choice(([], ["test"], ["Docs.Extra", "x"]))
    elif kind < 0.9:
        values["extras"] = choice(([], ["test"], ["Docs_Extra", "test"]))
        values["dependency_groups"] = choice(([], ["test", "tests_docs"]))
    return values


def evaluated(parsed, values):
    values = {name: frozenset(value) if isinstance(value, list) else value
              for name, value in values.items()}
    try:
        # "requirement" adds no variables of its own
        return parsed.evaluate(values, context="requirement")
    except UndefinedComparison:
        return "INVALID"
    except UndefinedEnvironmentName:
        return "NOT_FOUND"


def marker_pool(size):
    pool = []
    while len(pool) < size:
        text = marker()
        try:
            pool.append((text, Marker(text)))
        except InvalidMarker:
            pool.append((text, None))
    return pool


pool = specifier_pool(max(200, count // 40))
versions = [version() for _ in range(max(100, count // 100))]
parsed_versions = {text: Version(text) for text in versions}
environments = [environment() for _ in range(200)]
marker_texts = marker_pool(max(100, count // 50))
PRERELEASES = (None, None, True, False)


def ask_has():
    text, parsed = choice(pool)
    item, prereleases = choice(versions), choice(PRERELEASES)
    question = ["has", text, item, prereleases]
    return question, None if parsed is None \
        else parsed.contains(item, prereleases=prereleases)


def ask_satisfiable():
    (a, x), (b, y) = choice(pool), choice(pool)
    prereleases = choice(PRERELEASES)
    question = ["unsatisfiable", f"{a},{b}", prereleases]
    if x is None or y is None:
        return question, None
    both = x & y
    both.prereleases = prereleases
    return question, both.is_unsatisfiable()


def ask_evaluation():
    text, parsed = choice(marker_texts)
    values = choice(environments)
    return ["evaluate", text, values], None if parsed is None \
        else evaluated(parsed, values)


def ask_order():
    a, b = choice(versions), choice(versions)
    x, y = parsed_versions[a], parsed_versions[b]
    return ["compare", a, b], (x > y) - (x < y)


asks = [ask_has] * 9 + [ask_satisfiable] * 6 + [ask_evaluation] * 4 \
    + [ask_order]

with open(path, "w", encoding="utf-8") as out:
    for i in range(count):
        question, answer = asks[i % len(asks)]()
        out.write(json.dumps(question) + "\n" + json.dumps(answer) + "\n")
