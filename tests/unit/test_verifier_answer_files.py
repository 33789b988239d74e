"""answer_files: what an answer puts into a folder, and that it never leads out of it."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.verifiers.answer_files import MOST_FILES, LayoutError, laid_out, over, safe_path

THERE = {
    "src/app.py": b"def one():\n    return 1\n\n\ndef two():\n    return 2\n",
    "a.bin": b"\xff\xfe",
}
DIFF = """--- a/src/app.py
+++ b/src/app.py
@@ -1,2 +1,2 @@
 def one():
-    return 1
+    return 11
"""
DIFF_TWO = """--- a/src/app.py
+++ b/src/app.py
@@ -5,2 +5,2 @@
 def two():
-    return 2
+    return 22
"""


def block(info, text, lead=""):
    return f"{lead}\n```{info}\n{text}\n```\n"


@pytest.mark.parametrize(
    "answer",
    [
        block("python src/new.py", "x = 1"),
        block("python:src/new.py", "x = 1"),
        block('python title="src/new.py"', "x = 1"),
        block("python", "x = 1", lead="### `src/new.py`"),
        block("python", "x = 1", lead="**src/new.py**:"),
        block("python", "x = 1", lead="File: src/new.py"),
        block("./src/new.py", "x = 1"),
    ],
)
def test_a_block_with_a_path_is_a_file(answer):
    laid = laid_out(f"Here it is.\n{answer}That is all.")
    assert (laid.changes, laid.whole) == ({"src/new.py": b"x = 1\n"}, None)


@pytest.mark.parametrize(
    "first",
    ["# src/new.py", "# path: src/new.py", "// file: src/new.py", "<!-- path=src/new.py -->"],
)
def test_a_comment_on_the_first_line_names_the_file_and_stays_in_it(first):
    assert laid_out(block("", f"{first}\nx")).changes == {"src/new.py": f"{first}\nx\n".encode()}


def test_the_later_of_two_blocks_with_one_path_counts():
    assert laid_out(block("a.py", "1") + block("a.py", "2")).changes == {"a.py": b"2\n"}


@pytest.mark.parametrize("answer", [DIFF, block("diff", DIFF.rstrip()), block("", DIFF.rstrip())])
def test_a_diff_is_applied_to_what_is_there(answer):
    changed = laid_out(answer, THERE).changes
    assert changed == {"src/app.py": THERE["src/app.py"].replace(b"return 1", b"return 11")}


def test_two_diffs_to_one_file_are_both_applied():
    answer = block("diff", DIFF.rstrip()) + "and\n" + block("diff", DIFF_TWO.rstrip())
    text = laid_out(answer, THERE).changes["src/app.py"]
    assert b"return 11" in text
    assert b"return 22" in text


def test_a_path_may_stand_over_a_diff_and_a_file_may_hold_one():
    over_it = laid_out(block("", DIFF.rstrip(), lead="### src/app.py"), THERE).changes
    assert b"return 11" in over_it["src/app.py"]
    held = f'DIFF = """\n{DIFF}"""'
    assert laid_out(block("python tests.py", held)).changes == {"tests.py": f"{held}\n".encode()}


def test_a_diff_and_a_block_for_other_files_both_count():
    changed = laid_out(block("diff", DIFF.rstrip()) + block("new.py", "x"), THERE).changes
    assert set(changed) == {"src/app.py", "new.py"}


def test_a_deleted_file_is_gone_and_the_others_stay():
    gone = "--- a/src/app.py\n+++ /dev/null\n@@ -1,6 +0,0 @@\n"
    lines = THERE["src/app.py"].decode().splitlines()
    laid = laid_out(gone + "".join(f"-{line}\n" for line in lines), THERE)
    assert over(THERE, laid.changes) == {"a.bin": b"\xff\xfe"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (block("diff", DIFF.rstrip()) + block("src/app.py", "x"), "both in a diff and in a block"),
        (DIFF.replace("return 1\n", "return 7\n"), "does not apply"),
        (DIFF.replace("src/app.py", "src/none.py"), "is not there"),
        (DIFF.replace("src/app.py", "a.bin"), "is no text"),
        (DIFF.replace("a/src/app.py", "a/../../x.py"), "leads out"),
        (
            "new file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc\n",
            "link",
        ),
        ("diff --git a/x b/y\nrename from x\nrename to y\n" + DIFF, "cannot be applied"),
        (block("diff", "no diff at all"), "does not apply"),
    ],
)
def test_what_cannot_be_laid_out_says_why(answer, said):
    with pytest.raises(LayoutError, match=said):
        laid_out(answer, THERE)


HOSTILE = [
    *("../x.py", "a/../../x.py", "/etc/cron.d/x.sh", "//etc/passwd.txt", "~/.bashrc"),
    *("..", "C:\\x.py", "\\\\host\\share.py", "a\\..\\x.py", "x\x00.py", "a\u202eb.py"),
    *(".git/config.py", "src/.GIT/hooks.py", "a/" * 40 + "x.py", "x" * 300 + ".py", "a/b/", "."),
]


@pytest.mark.parametrize("path", HOSTILE)
def test_a_path_that_leads_out_is_refused(path):
    with pytest.raises(LayoutError):
        safe_path(path)


@pytest.mark.parametrize("form", ["path={}", "python {}", "python:{}", 'title="{}"'])
@pytest.mark.parametrize("path", ["../x.py", "/etc/x.py", "~/x.py", "C:\\x.py", "src/../../x.py"])
def test_a_block_that_claims_such_a_path_is_refused_and_not_passed_over(form, path):
    with pytest.raises(LayoutError, match="the path"):
        laid_out(block(form.format(path), "x"))


@given(st.text(max_size=300))
def test_whatever_the_path_it_is_refused_or_stays_inside(path):
    try:
        place = PurePosixPath(safe_path(path))
    except LayoutError:
        return
    assert not place.is_absolute()
    assert place.parts
    assert ".." not in place.parts


@given(st.text(alphabet="`~ \n#/.abc:-+@1,=\x00\ud800", max_size=400))
def test_whatever_the_answer_it_is_laid_out_inside_or_refused(text):
    try:
        laid = laid_out(text, THERE, "out.txt")
    except LayoutError:
        return
    assert all(safe_path(path) == path for path in laid.changes)


@pytest.mark.parametrize("path", ["src", "src/app.py/x.py"])
def test_no_file_takes_the_place_of_a_folder_nor_a_folder_that_of_a_file(path):
    with pytest.raises(LayoutError, match="both a file and a folder"):
        laid_out(block(f"path={path}", "x"), THERE)


def test_too_many_files_and_blocks_are_refused():
    with pytest.raises(LayoutError, match="more than"):
        laid_out("".join(block(f"f{n}.py", "x") for n in range(MOST_FILES + 1)))
    with pytest.raises(LayoutError, match="blocks"):
        laid_out("```\n```\n" * 200_000)


class TestOneFile:
    """An answer that names no file, where the configuration does."""

    @pytest.mark.parametrize(
        "answer", ["x = 1\n", block("python", "x = 1"), block("", "x = 1", "So:")]
    )
    def test_its_only_block_or_its_whole_text_is_the_file(self, answer):
        assert laid_out(answer, file="out.py").changes == {"out.py": b"x = 1\n"}

    def test_several_blocks_are_ambiguous(self):
        with pytest.raises(LayoutError, match="2 blocks"):
            laid_out(block("", "1") + block("", "2"), file="out.py")

    def test_files_that_are_named_count_instead(self):
        assert laid_out(block("a.py", "1"), file="out.py").changes == {"a.py": b"1\n"}

    def test_an_empty_answer_is_none(self):
        with pytest.raises(LayoutError, match="empty"):
            laid_out(" \n", file="out.py")


def test_without_files_the_whole_text_is_left():
    text = "Just words.\n" + block("python", "x = 1")
    assert (laid_out(text).changes, laid_out(text).whole) == ({}, text)
