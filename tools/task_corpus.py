r"""The labelled requests that recognition of tasks is trained on: `tools/task_corpus/*.txt`.

A line is a code, a blank and a request. The code is a letter for the category, one for the
difficulty, and one where more comes with it: `a` an agent's tools, `x` a schema, `l` a schema with
labels, `n` a tool that must be called. An application's own prompt stands in brackets behind it.
`\n` is a line's end, `{kind}` a piece of `materials.txt`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rung.core.cues import Category, Difficulty
from rung.core.parts import Choice, Message, Role, Text, Tool, ToolChoice
from rung.core.types import Request, SchemaRequest

FOLDER = Path(__file__).with_name("task_corpus")

CATEGORIES = dict(
    zip(
        "DFSECKMRTH",
        (each for each in Category if each is not Category.AGENT_STEP),
        strict=True,
    )
)
DIFFICULTIES = {each.value[0]: each for each in Difficulty}
LINE = re.compile(r"([DFSECKMRTH])([smh])([axln]?)(?:\[([^\]]*)\])? (.+)")
TOOLS = (Tool("bash", "Run a command.", b"{}"), Tool("read", "Read a file.", b"{}"))
SCHEMA = {"properties": {"name": {"type": "string"}, "rows": {"type": "array"}}}
LABELS = {"properties": {"label": {"type": "string", "enum": ["a", "b", "c"]}}}
WITH: dict[str, dict[str, Any]] = {
    "a": {"tools": TOOLS},
    "x": {"schema": SchemaRequest(SCHEMA)},
    "l": {"schema": SchemaRequest(LABELS)},
    "n": {
        "tools": (Tool("record", "Record it.", b"{}"),),
        "tool_choice": ToolChoice(Choice.NAMED, "record"),
    },
}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A request with what it asks for; ``style`` is the file it is from, ``line`` stands there."""

    style: str
    line: str
    category: Category
    difficulty: Difficulty
    request: Request


def materials() -> dict[str, list[str]]:
    """The pieces by their kind."""
    found: dict[str, list[str]] = {}
    for piece in (FOLDER / "materials.txt").read_text(encoding="utf-8").split("\n== ")[1:]:
        kind, _, text = piece.partition("\n")
        found.setdefault(kind, []).append(text.strip("\n"))
    return found


def corpus(turns: int = 1) -> Iterator[Labelled]:
    """Every line; one with pasted material ``turns`` times, with other pieces each time."""
    pieces = materials()
    for file in sorted(FOLDER.glob("*.txt")):
        if file.name == "materials.txt":
            continue
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
            if not line or line.startswith("#"):
                continue
            for turn in range(turns if "{" in line else 1):
                yield labelled(file.stem, line, number + turn, pieces)


def labelled(style: str, line: str, draw: int, pieces: dict[str, list[str]]) -> Labelled:
    """Read a line. Raises ValueError where it is none."""
    found = LINE.fullmatch(line)
    if found is None:
        raise ValueError(f"{style}: no line of the corpus: {line}")
    category, difficulty, more, prompt, text = found.groups()
    system = (Message(Role.SYSTEM, (Text(prompt),)),) if prompt else ()
    return Labelled(
        style,
        line,
        CATEGORIES[category],
        DIFFICULTIES[difficulty],
        Request(
            id="r",
            dialect="chat",
            messages=(*system, Message(Role.USER, (Text(_filled(text, draw, pieces)),))),
            **WITH.get(more, {}),
        ),
    )


def _filled(text: str, draw: int, pieces: dict[str, list[str]]) -> str:
    def piece(found: re.Match[str]) -> str:
        kind = pieces.get(found[1])
        return found[0] if kind is None else kind[draw % len(kind)]

    plain = text.replace("\\\\", "\0").replace("\\n", "\n").replace("\0", "\\")
    return re.sub(r"\{([a-z0-9]+)\}", piece, plain)
