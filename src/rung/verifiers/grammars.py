"""The grammars that code in other languages is parsed by: rows of a table, wheels of an extra.

Each is tree-sitter's for that language. Where its wheel is not installed, such code is not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

FIX = "pip install 'rung[code]'"


@dataclass(frozen=True, slots=True)
class Grammar:
    """Where a grammar is, and how code that is no whole file may stand in one.

    ``around`` are texts before and after such a fragment, with no line of their own before it. What
    is right by ``macros``, that stand elsewhere or leave out lines, may look wrong here.
    """

    names: tuple[str, ...]
    module: str
    function: str = "language"
    around: tuple[tuple[str, str], ...] = ()
    macros: str = ""

    @property
    def told(self) -> dict[str, Any]:
        """What the child is told of it."""
        return {
            "module": self.module,
            "function": self.function,
            "around": self.around,
            "macros": self.macros,
        }


_ALWAYS = r"\A"
_DIRECTIVE = r"(?m)^[ \t]*#[ \t]*(?:if|el|endif)"

GRAMMARS: Mapping[str, Grammar] = MappingProxyType(
    {
        "javascript": Grammar(("js", "mjs", "cjs", "jsx", "node"), "tree_sitter_javascript"),
        "typescript": Grammar(
            ("ts", "mts", "cts"), "tree_sitter_typescript", "language_typescript"
        ),
        "tsx": Grammar((), "tree_sitter_typescript", "language_tsx"),
        "go": Grammar(
            ("golang",),
            "tree_sitter_go",
            around=(("package p; ", ""), ("package p; func _() { ", "\n}")),
        ),
        "rust": Grammar(("rs",), "tree_sitter_rust"),
        "java": Grammar((), "tree_sitter_java", around=(("class _ { ", "\n}"),)),
        "c": Grammar(("h",), "tree_sitter_c", macros=_ALWAYS),
        "cpp": Grammar(("c++", "cc", "cxx", "hpp", "cplusplus"), "tree_sitter_cpp", macros=_ALWAYS),
        "csharp": Grammar(
            ("cs", "c#", "c_sharp"),
            "tree_sitter_c_sharp",
            around=(("class _ { ", "\n}"),),
            macros=_DIRECTIVE,
        ),
        "ruby": Grammar(("rb",), "tree_sitter_ruby"),
        "php": Grammar((), "tree_sitter_php", "language_php"),
        "bash": Grammar(("sh",), "tree_sitter_bash"),
        "yaml": Grammar(("yml",), "tree_sitter_yaml"),
    }
)

_BARE_PHP = Grammar((), "tree_sitter_php", "language_php_only", around=(("class _ { ", "\n}"),))
"""PHP without the tag that begins it, which a template would take for text."""


def grammar_for(language: str, code: str) -> Grammar:
    """The grammar that ``code`` in ``language`` is parsed by."""
    return _BARE_PHP if language == "php" and "<?" not in code else GRAMMARS[language]


def folders(grammars: Iterable[Grammar]) -> list[str] | None:
    """Where the parser and these grammars are installed; None if any is not."""
    places = [_folder_of(module) for module in ("tree_sitter", *(each.module for each in grammars))]
    found = [place for place in places if place is not None]
    return list(dict.fromkeys(found)) if len(found) == len(places) else None


@cache
def _folder_of(module: str) -> str | None:
    spec = find_spec(module)
    return None if spec is None or spec.origin is None else str(Path(spec.origin).parent.parent)
