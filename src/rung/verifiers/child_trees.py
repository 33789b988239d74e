"""What a child process does to parse code by tree-sitter's grammars. Imports nothing of rung."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from typing import Any

FIRM, DOUBTFUL = "firm", "doubtful"
"""How sure a fault is: a macro can make right code look wrong, but leaves its brackets closed."""

_LONGEST_SAID = 80
_NOT_CODE = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*'""",
    re.VERBOSE | re.DOTALL,
)
_PAIRS = {")": "(", "]": "[", "}": "{"}


def treed(work: dict[str, Any]) -> list[Any]:
    """For each of ``blocks`` (grammar, text): ``None``, or a fault's line, what it is, how sure."""
    sys.path += work["packages"]
    made: dict[tuple[str, str], Callable[[str], Any]] = {}
    return [_fault(made, grammar, text) for grammar, text in work["blocks"]]


def _fault(
    made: dict[tuple[str, str], Callable[[str], Any]], grammar: dict[str, Any], text: str
) -> list[Any] | None:
    parse = _parser(made, grammar)
    root = parse(text)
    if not root.has_error:
        return None
    if any(not parse(f"{before}{text}{after}").has_error for before, after in grammar["around"]):
        return None
    line, said = _first(root)
    macros = grammar["macros"] and re.search(grammar["macros"], text)
    return [line, said, DOUBTFUL if macros and _closed(text) else FIRM]


def _parser(
    made: dict[tuple[str, str], Callable[[str], Any]], grammar: dict[str, Any]
) -> Callable[[str], Any]:
    import tree_sitter

    key = (grammar["module"], grammar["function"])
    if key not in made:
        language = getattr(importlib.import_module(key[0]), key[1])()
        parser = tree_sitter.Parser(tree_sitter.Language(language))
        made[key] = lambda text: parser.parse(text.encode("utf-8", "replace")).root_node
    return made[key]


def _first(root: Any) -> tuple[int, str]:
    """The line of the first fault, and what the grammar makes of it."""
    node = root
    while not (node.is_error or node.is_missing):
        inner = next((child for child in node.children if child.has_error), None)
        if inner is None:
            break
        node = inner
    wanted = f"{node.type!r} is missing" if node.is_missing else "it is not expected"
    return node.start_point[0] + 1, wanted[:_LONGEST_SAID]


def _closed(text: str) -> bool:
    """Whether every bracket and quote outside of comments and strings is closed."""
    bare = _NOT_CODE.sub(" ", text)
    opened: list[str] = []
    for mark in re.findall(r"[()\[\]{}]", bare):
        if mark not in _PAIRS:
            opened.append(mark)
        elif not opened or opened.pop() != _PAIRS[mark]:
            return False
    return not opened and '"' not in bare
