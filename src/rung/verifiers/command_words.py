"""The words of a command line: what it runs, and whether that reads files or runs tests."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import PurePosixPath

_PIPE = re.compile(r"(?<!\|)\|(?!\|)")
_SHELL = re.compile(r"[|&;<>()$`\\*?\[\]#~={}!\n]")
_SEPARATORS = frozenset("|&;()<>\n")

_INTERPRETER = re.compile(r"python[\d.]*|pypy[\d.]*|node|deno|bun|(?:ba|da|z)?sh|ruby|perl|php")
_RUNNERS = {"pytest", "py.test", "unittest", "jest", "vitest", "mocha"}
_TEST_WORDS = {("cargo", "test"), ("go", "test")}
_READ_FILES = _RUNNERS | {
    *("ruff", "mypy", "pyright", "flake8", "pylint", "black", "tsc", "eslint", "biome", "cargo"),
    *("go", "golangci-lint", "make", "npm", "npx", "pnpm", "yarn", "deno", "tox", "nox"),
}
_DOT_IS_A_FILTER = {"jq", "yq", "gojq"}


def argv_of(run: str) -> tuple[str, ...]:
    """The words of what people write at a prompt; a shell's own line goes to a shell.

    With a pipe in it that is bash, for which a line fails where any part of the pipe does: the
    status of `pytest -q | cat` is otherwise cat's.
    """
    words = tuple(shlex.split(run))
    if _PIPE.search(run):
        return ("bash", "-o", "pipefail", "-c", run)
    return ("sh", "-c", run) if _SHELL.search(run) else words


def words_of(argv: tuple[str, ...]) -> tuple[str, ...]:
    """All words, those in a shell's line too."""
    if len(argv) < 3 or argv[0] not in {"sh", "bash"} or argv[-2] != "-c":
        return argv
    lexer = shlex.shlex(argv[-1], posix=True, punctuation_chars="|&;()<>\n")
    lexer.whitespace, lexer.commenters = " \t\r", ""
    lexer.whitespace_split = True
    return tuple(lexer)


def programs_of(argv: tuple[str, ...]) -> tuple[str, ...]:
    """The files of the work folder that are run as programs: an answer must not bring its judge."""
    words = words_of(argv)
    before = (";", *words)
    starts = [
        word
        for last, word in zip(before, words, strict=False)
        if "/" in word
        and not word.startswith("/")
        and (set(last) <= _SEPARATORS or word[:2] == "./")
    ]
    tools = [f"{word}{end}" for word in _tool_modules(words) for end in ("", ".py")]
    return (*(str(PurePosixPath(word)) for word in starts if set(word) - set("./")), *tools)


def _tool_modules(words: tuple[str, ...]) -> list[str]:
    """Tools that Python is to run by name, which it seeks in the work folder first."""
    return [name for flag, name in pairwise(words) if flag == "-m" and name in _READ_FILES]


def scripts_of(argv: tuple[str, ...]) -> tuple[str, ...]:
    """The scripts that it hands to an interpreter ("python check.py")."""
    return tuple(
        str(PurePosixPath(script))
        for program, script in pairwise(words_of(argv))
        if _INTERPRETER.fullmatch(PurePosixPath(program).name)
        and not script.startswith(("-", "/"))
        and set(script) - set("./")
    )


def runs_tests(argv: tuple[str, ...]) -> bool:
    """Whether it is known to run tests and to say at its end how many."""
    names = [PurePosixPath(word).name for word in words_of(argv)]
    return not _RUNNERS.isdisjoint(names) or not _TEST_WORDS.isdisjoint(pairwise(names))


def reads_files(argv: tuple[str, ...]) -> bool:
    """Whether it is known to look at files and not at its input."""
    words = words_of(argv)
    names = {PurePosixPath(word).name for word in words}
    here = "." in words and names.isdisjoint(_DOT_IS_A_FILTER)
    return (here or not names.isdisjoint(_READ_FILES)) and "-" not in words


def is_pytest(argv: tuple[str, ...]) -> bool:
    """Whether its exit status has pytest's meanings."""
    return any(PurePosixPath(word).name in {"pytest", "py.test"} for word in words_of(argv))
