# SPDX-License-Identifier: MIT
"""The check that keeps docs/directives.md honest: it passes, and it notices
each way in which the document and the module's tables can part."""

import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHECK = ROOT / "scripts/check-directives"


def check(root):
    done = subprocess.run([sys.executable, str(CHECK), str(root)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60, check=False)
    return done.returncode, done.stdout


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(ROOT / "ngx_mint_module", tmp_path / "ngx_mint_module")
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs/directives.md", tmp_path / "docs")
    return tmp_path


def test_the_document_is_right():
    assert check(ROOT) == (0, "")


MODULE = "ngx_mint_module/ngx_http_mint_module.c"
VARIABLES = "ngx_mint_module/ngx_http_mint_variables.c"
DOCUMENT = "docs/directives.md"

# file, pattern, what takes its place, what the check says
CHANGES = {
    "a directive loses its section": (
        DOCUMENT, r"### mint_seats\n", "#### mint_seats\n",
        "mint_seats: not documented"),
    "a section without a directive": (
        DOCUMENT, r"### mint_seats\n", "### mint_sofas\n\n### mint_seats\n",
        "mint_sofas: documented, no such directive"),
    "a new directive": (
        MODULE, r'    \{ ngx_string\("mint_seats"\),',
        '    { ngx_string("mint_new"),\n      NGX_HTTP_MAIN_CONF|'
        'NGX_CONF_TAKE1,\n      NULL, 0, 0, NULL },\n\n'
        '    { ngx_string("mint_seats"),', "mint_new: not documented"),
    "a row is gone": (
        DOCUMENT, r"\| Default \| `mint off;` \|\n", "",
        "mint: no row Default"),
    "another context": (
        MODULE, r"NGX_HTTP_UPS_CONF\|NGX_CONF_NOARGS",
        "NGX_HTTP_UPS_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_NOARGS",
        "mint_seats: context is server, upstream, documented upstream"),
    "another context in the document": (
        DOCUMENT, r"\| Context \| `upstream` \|", "| Context | `http` |",
        "mint_seats: context is upstream, documented http"),
    "another name in the syntax": (
        DOCUMENT, r"`mint_seats;`", "`mint_seat;`",
        'mint_seats: syntax "mint_seat;" is not'),
    "an argument that it does not take": (
        DOCUMENT, r"`mint_seats;`", "`mint_seats on;`",
        "mint_seats: takes no argument"),
    "a flag that is none": (
        DOCUMENT, r"`mint on \\\| off;`", "`mint yes;`",
        'mint: takes "on | off"'),
    "an argument that is missing": (
        DOCUMENT, r"`mint_run_directory path;`", "`mint_run_directory;`",
        "mint_run_directory: takes an argument"),
    "a default of another directive": (
        DOCUMENT, r"\| Default \| `mint off;` \|", "| Default | `off` |",
        "mint: default is neither"),
    "a variable loses its row": (
        DOCUMENT, r"\| `\$mint_seat` \|.*\n", "",
        "$mint_seat: not documented"),
    "a row without a variable": (
        DOCUMENT, r"\| `\$mint_seat` \|", "| `$mint_sofa` |",
        "$mint_sofa: documented, no such variable"),
    "a variable twice": (
        DOCUMENT, r"(\| `\$mint_seat` \|.*\n)", r"\1\1",
        "$mint_seat: documented twice"),
    "a new variable": (
        VARIABLES, r'    \{ ngx_string\("mint_plugin"\), NULL,',
        '    { ngx_string("mint_other"), NULL, NULL, 0, 0, 0 },\n'
        '    { ngx_string("mint_plugin"), NULL,',
        "$mint_other: not documented"),
    "no tables": (
        MODULE, r"static ngx_command_t", "static ngx_commands_t",
        "no table of directives"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_difference_is_noticed(copy, name):
    file, pattern, by, complaint = CHANGES[name]
    path = copy / file
    text, count = re.subn(pattern, by, path.read_text(), count=1)
    assert count == 1
    path.write_text(text)
    code, said = check(copy)
    assert code == 1 and complaint in said, said
