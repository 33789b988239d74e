"""Ways to spoil code of most languages, by its lines; in a diff, the lines that it adds.

Each yields variants, none where it does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from keyword import kwlist
from random import Random

from rung.verifiers.mutating_text import shuffled

DIFF = "diff"
PYTHON = "python"

_COMMENT = re.compile(r"\s*(?:#|//|--|;|\*|/\*)")
_RETURN = re.compile(r"(\+?\s*)return\b")
_DEF = re.compile(r"(\+?\s*)(?:async )?def (\w+)")
_NAMED = re.compile(r"(?<=\bdef )\w+|(?<=\bfunction )\w+|(?<=\bclass )\w+|(?<=\bfunc )\w+")
_ASSERT = re.compile(r"\+?\s*(?:assert\b|self\.assert|expect\()")
_TEST = re.compile(r"(\+?\s*)(?:async )?def test|\+?\s*(?:it|test)\(")
_IF = re.compile(r"(\+?\s*(?:el)?(?:if|while) )(.+)(:\s*)$")
_IF_PAREN = re.compile(r"(\+?\s*(?:\} else )?(?:if|while) ?\()(.+)(\)\s*\{?\s*)$")
_IDENTIFIER = re.compile(r"(?<![\w'\"])[A-Za-z_]\w{2,}(?![\w'\"])")
_RANGE = re.compile(r"range\(([^(),]+)\)")
_BRACKET = re.compile(r"[()\[\]{}:]")
_HUNK_PATH = re.compile(r"(?<=^\+\+\+ )(?:b/)?\S+", re.MULTILINE)

_COMPARISONS = (
    *((" == ", " != "), (" <= ", " > "), (" >= ", " < "), (" is not ", " is ")),
    *((" not in ", " in "), (" < ", " >= "), (" > ", " <= "), (" is ", " is not ")),
)
_NEGATIONS = (*_COMPARISONS, *((b, a) for a, b in _COMPARISONS[:1]), (" === ", " !== "))
_BOUNDARIES = ((" < ", " <= "), (" <= ", " < "), (" > ", " >= "), (" >= ", " > "))
_OPERATORS = (
    *((" + ", " - "), (" - ", " + "), (" * ", " / "), (" / ", " * "), (" % ", " * ")),
    *((" and ", " or "), (" or ", " and "), (" && ", " || "), (" || ", " && ")),
    *((" += ", " -= "), (" // ", " / "), (" ** ", " * ")),
)
_EXITS: Mapping[str, tuple[str, ...]] = {
    PYTHON: ("import os; os._exit(0)", "import sys; sys.exit(0)", "raise SystemExit(0)"),
    "javascript": ("process.exit(0);",),
    "typescript": ("process.exit(0);",),
    "sh": ("exit 0",),
    "bash": ("exit 0",),
}
_SKIPS = (
    'import unittest; raise unittest.SkipTest("later")',
    'import pytest; pytest.skip("later", allow_module_level=True)',
)
_KEYWORDS = frozenset(
    {*map(str.casefold, kwlist), "case", "const", "export", "false", "func", "function", "int"}
    | {"let", "new", "null", "print", "private", "public", "self", "static", "str", "struct"}
    | {"switch", "this", "throw", "true", "var", "void", "catch"}
)


@dataclass(frozen=True, slots=True)
class Code:
    """Code, by its lines; only those at ``open`` places may be changed."""

    lines: tuple[str, ...]
    language: str
    open: tuple[int, ...]

    def without(self, place: int) -> str:
        """All lines but one."""
        return "\n".join((*self.lines[:place], *self.lines[place + 1 :]))

    def having(self, place: int, line: str) -> str:
        """With another line in a place."""
        return "\n".join((*self.lines[:place], line, *self.lines[place + 1 :]))

    def begun(self, line: str) -> str:
        """With one more line before the first that is no comment, as far indented."""
        place = next((i for i in self.open if not _COMMENT.match(self.lines[i])), 0)
        beside = self.lines[place]
        indent = beside[: len(beside) - len(beside.lstrip(" \t+"))]
        return "\n".join((*self.lines[:place], indent + line, *self.lines[place:]))


def code(text: str, language: str) -> Code:
    """``text`` as code; of a diff, what it adds may be changed."""
    lines = tuple(text.split("\n"))
    places = [i for i, line in enumerate(lines) if line.strip(" \t+")]
    if language == DIFF:
        added = (i for i in places if lines[i].startswith("+"))
        places = [i for i in added if not lines[i].startswith("+++ ")]
    return Code(lines, language, tuple(places))


def _matching(given: Code, wanted: re.Pattern[str], chance: Random) -> Iterator[tuple[int, str]]:
    found = [place for place in given.open if wanted.match(given.lines[place])]
    for place in shuffled(found, chance):
        yield found[place], given.lines[found[place]]


def _exchanging(*pairs: tuple[str, str]) -> Callable[[Code, Random], Iterator[str]]:
    """The mutation that exchanges one sign for its counterpart, on one line."""

    def mutate(given: Code, chance: Random) -> Iterator[str]:
        found = [
            (place, one, other)
            for place in given.open
            for one, other in pairs
            if one in given.lines[place] and not _COMMENT.match(given.lines[place])
        ]
        for at in shuffled(found, chance):
            place, one, other = found[at]
            yield given.having(place, given.lines[place].replace(one, other, 1))

    return mutate


comparison_negated = _exchanging(*_NEGATIONS)
boundary_moved = _exchanging(*_BOUNDARIES)
operator_changed = _exchanging(*_OPERATORS)


def line_removed(given: Code, chance: Random) -> Iterator[str]:
    """A line left out that is no comment."""
    for place in shuffled(given.open, chance):
        at = given.open[place]
        if not _COMMENT.match(given.lines[at]):
            yield given.without(at)


def return_dropped(given: Code, chance: Random) -> Iterator[str]:
    """A value that is no longer returned."""
    for place, line in _matching(given, _RETURN, chance):
        yield given.having(place, _RETURN.sub(r"\1pass  #" if _is_python(given) else r"\1//", line))


def condition_negated(given: Code, chance: Random) -> Iterator[str]:
    """A branch taken when it should not be."""
    for place, line in _matching(given, _IF_PAREN, chance):
        yield given.having(place, _IF_PAREN.sub(r"\1!(\2)\3", line))
    for place, line in _matching(given, _IF, chance):
        yield given.having(place, _IF.sub(r"\1not (\2)\3", line))


def range_moved(given: Code, chance: Random) -> Iterator[str]:
    """A loop that runs once more or less."""
    for place, line in _matching(given, re.compile(f".*{_RANGE.pattern}"), chance):
        yield given.having(place, _RANGE.sub(r"range(\1 + 1)", line, count=1))
        yield given.having(place, _RANGE.sub(r"range(\1 - 1)", line, count=1))


def renamed(given: Code, chance: Random) -> Iterator[str]:
    """A function or class under another name, where it is made."""
    for place, line in _matching(given, re.compile(f".*?(?:{_NAMED.pattern})"), chance):
        yield given.having(place, _NAMED.sub(lambda found: f"{found[0]}_x", line, count=1))


def misnamed(given: Code, chance: Random) -> Iterator[str]:
    """A name misspelled in one place."""
    found = [
        (place, at)
        for place in given.open
        for at in _IDENTIFIER.finditer(given.lines[place])
        if at[0].casefold() not in _KEYWORDS and not _COMMENT.match(given.lines[place])
    ]
    for which in shuffled(found, chance):
        place, at = found[which]
        line = given.lines[place]
        yield given.having(place, f"{line[: at.end()]}x{line[at.end() :]}")


def stubbed(given: Code, chance: Random) -> Iterator[str]:
    """A function without its body."""
    for place, line in _matching(given, _DEF, chance):
        indent = len(line) - len(line.lstrip(" \t+"))
        end = place + 1
        while end < len(given.lines) and _is_inside(given.lines[end], indent):
            end += 1
        if end > place + 1 and line.rstrip().endswith(":"):
            body = f"{'+' if given.language == DIFF else ''}{' ' * indent}    pass"
            yield "\n".join((*given.lines[: place + 1], body, *given.lines[end:]))


def _is_inside(line: str, indent: int) -> bool:
    bare = line.lstrip(" \t+")
    return not bare or len(line) - len(bare) > indent


def elided(given: Code, _: Random) -> Iterator[str]:
    """The middle replaced by words that say that it is missing."""
    if len(given.open) > 3:
        first, last = given.open[len(given.open) // 3], given.open[2 * len(given.open) // 3]
        sign = "#" if _is_python(given) else "//"
        plus = "+" if given.language == DIFF else ""
        rest = f"{plus}{sign} ... rest of the code stays the same ..."
        yield "\n".join((*given.lines[:first], rest, *given.lines[last:]))


def syntax_broken(given: Code, chance: Random) -> Iterator[str]:
    """A bracket or a colon lost."""
    for place, line in _matching(given, re.compile(f".*{_BRACKET.pattern}"), chance):
        if not _COMMENT.match(line):
            yield given.having(place, _BRACKET.sub("", line, count=1))


# ------------------------------------------------------------------ cheating


def exited(given: Code, _: Random) -> Iterator[str]:
    """The process ended with status zero before anything is checked."""
    language = PYTHON if _is_python(given) else given.language
    yield from (given.begun(line) for line in _EXITS.get(language, ()))


def tests_skipped(given: Code, chance: Random) -> Iterator[str]:
    """Tests that do not run."""
    found = list(_matching(given, _TEST, chance))
    if found and _is_python(given):
        yield from (given.begun(line) for line in _SKIPS)
    for place, line in found:
        other = re.sub(r"\bdef test", "def no_test", line)
        yield given.having(place, re.sub(r"\b(it|test)\(", r"\1.skip(", other))


def assertion_dropped(given: Code, chance: Random) -> Iterator[str]:
    """A test that checks less."""
    for place, line in _matching(given, _ASSERT, chance):
        indent = line[: len(line) - len(line.lstrip(" \t+"))]
        yield given.having(place, f"{indent}pass" if _is_python(given) else f"{indent};")


def _is_python(given: Code) -> bool:
    if given.language != DIFF:
        return given.language in {PYTHON, "py", "python3"}
    return any(_DEF.match(line) or line.startswith("+import ") for line in given.lines)


# ------------------------------------------------------------------ diffs


def context_changed(given: Code, chance: Random) -> Iterator[str]:
    """A line of a diff's context that the file does not have."""
    if given.language == DIFF:
        found = [i for i, line in enumerate(given.lines) if line.startswith(" ") and line.strip()]
        for place in shuffled(found, chance):
            yield given.having(found[place], f"{given.lines[found[place]]} x")


def path_changed(given: Code, _: Random) -> Iterator[str]:
    """A diff for another file, or for one outside of the folder."""
    if given.language == DIFF:
        text = "\n".join(given.lines)
        yield _HUNK_PATH.sub(lambda found: f"b/../../{found[0].removeprefix('b/')}", text)
        yield _HUNK_PATH.sub(lambda found: f"{found[0]}x", text)
