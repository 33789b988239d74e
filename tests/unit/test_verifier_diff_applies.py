"""diff_applies: diffs that apply pass, each way of missing fails, none leads out of the folder."""

from __future__ import annotations

import difflib
import re
from contextlib import suppress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rung.core.verdicts import Status
from rung.verifiers.diff_applies import DiffApplies
from rung.verifiers.unified_diff import DiffError, applied, parsed
from support.gates import seconds, status, verdict

APP = "import os\n\n\ndef add(a, b):\n    return a - b\n\n\ndef main():\n    print(add(1, 2))\n"
REQUEST = f'Fix it.\n\n`src/app.py`:\n\n```python\n{APP}```\n\n```toml title="a.toml"\nx = 1\n```\n'
DIFF = """--- a/src/app.py
+++ b/src/app.py
@@ -3,5 +3,5 @@

 def add(a, b):
-    return a - b
+    return a + b


"""
GOOD = {
    "as it stands": DIFF,
    "in a block": f"Here:\n\n```diff\n{DIFF}```\nDone.",
    "with git's header": f"diff --git a/src/app.py b/src/app.py\nindex 1..2 100644\n{DIFF}",
    "moved": DIFF.replace("-3,5 +3,5", "-40,5 +40,5"),
    "without prefixes": DIFF.replace("a/src", "src").replace("b/src", "src"),
    "with times": DIFF.replace("app.py\n", "app.py\t2026-01-01 10:00:00\n"),
    "a new file": "--- /dev/null\n+++ b/new.py\n@@ -0,0 +1,2 @@\n+a\n+b\n",
    "a file deleted": "--- a/a.toml\n+++ /dev/null\n@@ -1 +0,0 @@\n-x = 1\n",
    "two files": DIFF + "--- a/a.toml\n+++ b/a.toml\n@@ -1 +1 @@\n-x = 1\n+x = 2\n",
    "no new line at the end": "--- a/a.toml\n+++ b/a.toml\n@@ -1 +1 @@\n-x = 1\n+x = 2\n"
    "\\ No newline at end of file\n",
}
MUTATIONS = {
    "another old line": DIFF.replace("-    return a - b", "-    return a-b"),
    "another context line": DIFF.replace(" def add(a, b):", " def add(x, y):"),
    "another indent": DIFF.replace("-    return", "-  return"),
    "a wrong count": DIFF.replace("-3,5 +3,5", "-3,5 +3,6"),
    "a count too small": DIFF.replace("-3,5 +3,5", "-3,2 +3,2"),
    "no counts": DIFF.replace("@@ -3,5 +3,5 @@", "@@ ... @@"),
    "another file": DIFF.replace("app.py", "main.py"),
    "a file that is there already": "--- /dev/null\n+++ b/a.toml\n@@ -0,0 +1 @@\n+a\n",
    "a deletion that leaves lines": "--- a/src/app.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-import os\n",
    "no file": DIFF.partition("@@")[1] + DIFF.partition("@@")[2],
    "twice": DIFF + DIFF,
    "no diff": "I changed the minus to a plus.",
    "code and no diff": f"```python\n{APP.replace('-', '+')}```",
    "out of the folder": DIFF.replace("src/app.py", "../app.py"),
    "an absolute path": DIFF.replace("a/src/app.py", "/etc/passwd").replace("b/src", "/src"),
    "out of it further down": DIFF.replace("src/app.py", "src/../../app.py"),
    "a new file outside": "--- /dev/null\n+++ b/../../x\n@@ -0,0 +1 @@\n+a\n",
    "lines out of order": "--- a/src/app.py\n+++ b/src/app.py\n@@ -1,2 +1,2 @@\n-def main():\n"
    "-import os\n+a\n+b\n",
}


@pytest.mark.parametrize("name", GOOD)
async def test_a_diff_that_applies_passes(name):
    found = await verdict(DiffApplies(), GOOD[name], REQUEST)
    assert found.status is Status.PASSED, found.reason


@pytest.mark.parametrize("name", MUTATIONS)
async def test_each_mutation_fails(name):
    found = await verdict(DiffApplies(), MUTATIONS[name], REQUEST)
    assert found.status is Status.FAILED, found.reason


async def test_the_reason_names_the_line_that_is_not_there():
    found = await verdict(DiffApplies(), MUTATIONS["another old line"], REQUEST)
    assert "src/app.py has no line 'return a-b'" in found.reason
    found = await verdict(DiffApplies(), MUTATIONS["another file"], REQUEST)
    assert '"src/app.py"' in found.reason


async def test_without_files_it_abstains():
    assert await status(DiffApplies(), DIFF, "Fix it.") is Status.ABSTAINED


@pytest.mark.parametrize(
    "label",
    ["```python src/app.py\n", "```python:src/app.py\n", '```py file="src/app.py"\n',
     "```src/app.py\n", "### src/app.py\n```\n", "**File: `src/app.py`**\n\n```python\n",
     "src/app.py:\n~~~~\n", "```python\n# src/app.py\n"],
)  # fmt: skip
async def test_a_file_may_be_labelled_in_many_ways(label):
    fence = "~~~~" if "~" in label else "```"
    diff = DIFF.replace("-3,5 +3,5", "-4,5 +4,5")
    assert await status(DiffApplies(), diff, f"Fix it:\n\n{label}{APP}{fence}\n") is Status.PASSED


LINES = st.lists(st.sampled_from(["a", "b", "", "    c", "-d", "+e", "--- f", "@@ g", "\\h"]))


@given(LINES, LINES, st.integers(0, 3))
def test_what_difflib_makes_gives_the_new_file(old, new, context):
    assume(old != new)
    diff = list(difflib.unified_diff(old, new, "a/f", "b/f", lineterm="", n=context))
    before = "\n".join([*old, ""]) if old else ""
    [(path, after)] = applied(parsed("\n".join(diff)), {"f": before}).items()
    assert (path, (after or "").split("\n")[:-1]) == ("f", new)


def _new(diff):
    """The paths that a diff names."""
    return {path.strip() for path in re.findall(r"^\+\+\+ (?:b/)?(.*)$", diff, re.MULTILINE)}


@given(st.text(alphabet="-+@ \n\\0123abc/,.", max_size=200))
def test_any_text_is_read_or_refused(text):
    for whole in (text, DIFF + text, DIFF[:60] + text):
        with suppress(DiffError):
            assert set(applied(parsed(whole), {"src/app.py": APP})) <= {"src/app.py"} | _new(whole)


@pytest.mark.parametrize("size", [100_000])
async def test_large_diffs_and_files_end_in_time(size):
    same = "x\n" * size
    hunk = (
        f"--- a/f.txt\n+++ b/f.txt\n@@ -1,{size // 2} +1,0 @@\n" + "-x\n" * (size // 2 - 1) + "-y\n"
    )
    for answer in (hunk, DIFF * 5_000, "@@ -1 +1 @@\n" * size, "--- a\n+++ b\n" * size):
        took, found = await seconds(DiffApplies(), answer, f"f.txt\n```\n{same}```\n")
        assert took < 10
        assert found.status is not Status.PASSED or "+++ b\n" in answer
