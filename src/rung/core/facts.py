"""What can be seen of a request besides its words: sums, choices, pasted code, a schema, tools."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from rung.core.parts import Choice
from rung.core.turns import Material, Turn
from rung.core.types import Request

FILE_ENDINGS = "py|js|ts|tsx|jsx|go|rs|java|c|cc|cpp|h|rb|php|sql|sh|cs|kt|swift"


@dataclass(frozen=True, slots=True)
class Fact:
    """Something to be seen in the words of who asks: ``pattern``, at least ``times``.

    Without ``mark`` in the text it need not be looked for.
    """

    name: str
    pattern: re.Pattern[str]
    times: int = 1
    mark: str = ""


FACTS = (
    Fact(
        "a sum",
        re.compile(
            r"\d\s{0,3}[*+^\u00d7\u00f7=<>]\s{0,3}\(?[\dx]|\d\s[-/]\s\(?[\dx]"
            r"|\d\s?% (?:of|de|di|von|van)\b|\d (?:squared|cubed|plus|minus|times|mal|fois)\b"
            r"|\d[xy]\b"
        ),
    ),
    Fact(
        "mathematical symbols",
        re.compile(r"\\(?:frac|int|sum|sqrt)|\^\d|\([xyn]\)|>= ?[a-z0-9]\b"),
    ),
    Fact("a source file", re.compile(rf"\.(?:{FILE_ENDINGS})\b"), mark="."),
    Fact("a name as in code", re.compile(r"_[a-z]{2}|\(\)|[a-z]{2}[A-Z][a-z]{2}")),
    Fact("an error's name", re.compile(r"[a-z](?:Error|Exception)\b|(?:[Ee]rror|ERROR|fatal):")),
    Fact("labels in quotes", re.compile(r"'[^'\n]{2,24}'(?:,| or| and|\.|:|/)"), 2, "'"),
    Fact("a choice of two words", re.compile(r" or (?:a |an )?\w{2,20}\s?\?"), mark=" or "),
)
"""Looked for in the words as they are, in the paragraphs that ask and where those end."""

FEWEST_CHOICES = 2

_CHOICES = re.compile(r"\n {0,4}\(?[A-D1-4][).:] ?\S")
_NUMBER = re.compile(r"\d+")
_AMOUNT = re.compile(
    r"how (?:many|much|long|far|old|fast|tall|big)|in total|altogether|left\?|when does"
    r"|what is the (?:total|number|value|area|cost|ratio)|what percent"
    r"|wie ?viele?|combien|cu\u00e1nt|quant[oaei]\b|hoeveel"
)
_QUESTION = re.compile(
    r"(?:who|when|where|which|how (?:many|much|long)|what (?:was|were|did))\b[^\n]{0,200}\?"
)

_TOOL_NAMES = (
    "bash shell edit write exec_command apply_patch multiedit read grep glob str_replace_editor "
    "read_file write_file edit_file run_terminal_cmd local_shell execute_command"
)
CODING_TOOLS = frozenset(_TOOL_NAMES.split())
"""Tools that are offered by agents who work on code."""

_MOST_TOOLS = 12
_MOST_PROPERTIES = 8


def facts(request: Request, turn: Turn, asked: str, words: int) -> Iterator[str]:
    """The names of what is there; ``asked`` are the paragraphs in which the user asks."""
    yield from (fact.name for fact in FACTS if _times(fact, asked))
    if len(_CHOICES.findall(turn.text)) >= FEWEST_CHOICES:
        yield "choices to pick from"
    yield from _of_questions(turn, asked)
    yield from (_PASTED[kind] for kind in _PASTED if kind in turn.material)
    if turn.material and words < 3:
        yield "nothing but material"
    yield from _of_request(request)


_PASTED: Mapping[Material, str] = {
    Material.CODE: "code",
    Material.DIFF: "a diff",
    Material.LOG: "an error's trace",
    Material.DATA: "data",
    Material.PROSE: "a quoted text",
}


def _times(fact: Fact, text: str) -> bool:
    if fact.mark not in text or fact.pattern.search(text) is None:
        return False
    return fact.times == 1 or len(fact.pattern.findall(text)) >= fact.times


def _of_questions(turn: Turn, asked: str) -> Iterator[str]:
    if "?" not in asked:
        return
    yield "a question"
    text = asked.lower()
    numbers = len(_NUMBER.findall(text)) >= 2
    first = text.partition("\n")[0]
    if turn.chars > 2 * len(first) > 40 and _QUESTION.match(text) is not None:
        yield "a question about something pasted"
    elif numbers and _AMOUNT.search(text) is not None:
        yield "an amount is asked for, with numbers"
    elif numbers and text.endswith("?"):
        yield "a question with numbers"


def _of_request(request: Request) -> Iterator[str]:
    if any(
        getattr(tool, "name", "").lower() in CODING_TOOLS
        for tool in islice(request.tools, _MOST_TOOLS)
    ):
        yield "tools for work on code"
    if request.schema is not None:
        yield "a schema with labels" if _has_labels(request.schema.schema) else "a schema"
    elif request.tool_choice.mode is Choice.NAMED:
        yield "one tool must be called"


def _has_labels(schema: Any) -> bool:
    """Whether few fields are asked for and one of them is a choice among labels."""
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(properties, Mapping) or len(properties) > _MOST_PROPERTIES:
        return False
    return any(
        isinstance(field, Mapping) and ("enum" in field or field.get("type") == "boolean")
        for field in properties.values()
    ) and not any(
        isinstance(field, Mapping) and field.get("type") in ("array", "object")
        for field in properties.values()
    )
