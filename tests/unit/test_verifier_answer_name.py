"""The file that an answer becomes which names none."""

from __future__ import annotations

import shlex

import pytest

from rung.verifiers.answer_name import name_of

PYTHON = "```python\nx = 1\n```"
BARE = "x = 1\n"


def named(answer: str, run: str, *there: str, alone: bool = True) -> str:
    return name_of(answer, tuple(shlex.split(run)), dict.fromkeys(there, b""), alone=alone)


@pytest.mark.parametrize(
    ("answer", "run", "name"),
    [
        (PYTHON, "python -m py_compile main.py", "main.py"),
        (BARE, "python -m py_compile src/main.py", "src/main.py"),
        (PYTHON, "ruff check .", "answer.py"),
        ("```ts\nlet x\n```", "tsc --noEmit", "answer.ts"),
        ("```ts\nlet x\n```", "tsc --noEmit app.ts", "app.ts"),
        (BARE, "ruff check .", ""),
        (f"{PYTHON}\n{PYTHON}", "ruff check .", ""),
        ("```\nx = 1\n```", "python main.py", "main.py"),
        (PYTHON, "python main.py other.py", "answer.py"),
        (PYTHON, "prettier --check style.css", "answer.py"),
        (PYTHON, "cat ../secrets.py /etc/passwd.py -f.py", "answer.py"),
    ],
)
def test_the_command_names_it_else_its_language(answer: str, run: str, name: str):
    assert named(answer, run) == name


def test_a_file_that_is_there_is_not_meant():
    assert named(PYTHON, "python check.py solution.py", "check.py") == "solution.py"
    assert named(PYTHON, "python check.py", "check.py", alone=False) == ""


def test_among_other_files_a_language_alone_is_too_little():
    assert named(PYTHON, "pytest -q", "test_it.py", alone=False) == ""
