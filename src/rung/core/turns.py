"""What the user says in the last turn that is really the user's, apart from what is pasted in it.

Clients put words of their own into the user's mouth: reminders, the state of a terminal, results of
tools. Those are no request. Of any text only both ends are read, so that what a look costs has a
bound.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from rung.core.parts import Message, Role, Text, ToolResult
from rung.core.types import Request

END_CHARS = 2_000
"""Characters that are read at each end of a text."""

MOST_MESSAGES = 200
"""How far back the user's turn is looked for: behind that are results of tools and nothing else."""

MOST_PASTED = 40
"""Tags and fences that are looked into in one turn."""

MOST_PARTS = 8
"""Texts of one turn that are read, counted from its end."""

PROMPT_CHARS = 600
"""Characters that are read of an application's own prompt."""

WRAPPERS = (
    "system-reminder",
    "environment_context",
    "user_instructions",
    "skills_instructions",
    "permissions instructions",
    "turn_aborted",
    "command-name",
    "command-message",
    "local-command-stdout",
    "local-command-caveat",
)
"""Tags in which Claude Code and Codex put their own words into the user's turn."""

NOTICES = ("# AGENTS.md instructions", "[Request interrupted by user", "Caveat: The messages below")
"""How texts begin that are the client's as a whole."""


class Material(StrEnum):
    """What kind of thing was pasted."""

    CODE = "code"
    DATA = "data"
    DIFF = "diff"
    LOG = "log"
    PROSE = "prose"


@dataclass(frozen=True, slots=True)
class Turn:
    """The user's own words, and what came with them.

    ``text`` is without wrappers, fences and quotations, and holds at most both ends of what was
    said; ``chars`` counts all of it. ``results`` says that tool results came after it, ``prompt``
    is the beginning of an application's own instructions.
    """

    text: str = ""
    chars: int = 0
    material: frozenset[Material] = frozenset()
    results: bool = False
    prompt: str = ""


def last_turn(request: Request) -> Turn:
    """Read the last turn of the user's. Without one, the application's prompt stands for it."""
    results, said = False, []
    messages = request.messages
    for message in messages[: -MOST_MESSAGES - 1 : -1]:
        own = _own(message)
        if own:
            said.append(own)
        elif said and message.role is not Role.USER:
            break
        results = results or (not said and _is_result(message))
    texts = [text for own in reversed(said) for text in own][-MOST_PARTS:]
    # The long prompts of agents tell of all they can do, not of what is asked for.
    prompt = "" if said and request.tools else _prompt(messages)
    if not said:
        return _turn([prompt], results=results, prompt="") if prompt else Turn(results=results)
    return _turn(texts, results=results, prompt=prompt)


def _own(message: Message) -> list[str]:
    """What a user says in a message, each text by itself; nothing where it is the client's."""
    if message.role is not Role.USER:
        return []
    texts = [part.text for part in message.parts[-MOST_PARTS:] if isinstance(part, Text)]
    return [_behind_wrappers(text) for text in texts if not _is_wrapped(text)]


def _behind_wrappers(text: str) -> str:
    """The text without the wrappers it begins with, however long they are."""
    for _ in range(MOST_PARTS):
        opened = _OPENS.match(text)
        close = f"</{opened[1]}>" if opened else ""
        end = text.find(close) if close else -1
        if end == -1:
            break
        text = text[end + len(close) :].lstrip()
    return text


def _is_result(message: Message) -> bool:
    return message.role is Role.TOOL or any(
        isinstance(part, ToolResult) for part in message.parts[:MOST_PARTS]
    )


_NAMES = "|".join(map(re.escape, WRAPPERS))
_OPENS = re.compile(rf"\s{{0,20}}<({_NAMES})>")


def _is_wrapped(text: str) -> bool:
    """Whether a text is nothing but one wrapper, or nothing at all."""
    opened = _OPENS.match(text)
    if text.startswith(NOTICES):
        return True
    if opened is None:
        return not text[:END_CHARS].strip()
    close = f"</{opened[1]}>"
    end = text.rfind(close, -END_CHARS) if len(text) > END_CHARS else text.rfind(close)
    return end != -1 and not text[end + len(close) :].strip()


def _prompt(messages: tuple[Message, ...]) -> str:
    if not messages or messages[0].role is not Role.SYSTEM:
        return ""
    for part in messages[0].parts[:MOST_PARTS]:
        if isinstance(part, Text):
            return part.text[:PROMPT_CHARS]
    return ""


# ------------------------------------------------------------------ words and material

MARKS: Mapping[Material, tuple[str, ...]] = MappingProxyType(
    {
        Material.LOG: (
            "Traceback (most recent call last)",
            "panicked at",
            "Error: ",
            "Exception: ",
            "[ERROR]",
            "error[E",
            "Segmentation fault",
        ),
        Material.DIFF: ("diff --git ", "<<<<<<< "),
        Material.CODE: ("#include <", "=> {", "();\n"),
        Material.DATA: ('{"', '": {', '": "', "[{", "</"),
    }
)
"""What gives material away, wherever it stands."""

_LINES: Mapping[Material, str] = {
    Material.LOG: r" {2,8}at \w|ERROR |WARN",
    Material.DIFF: r"@@ -|--- a/",
    Material.CODE: r" {0,8}(?:def |return |import |func |fn |public |const |let |function )"
    r"|class \w{1,60}[:({]|#include",
    Material.DATA: r"---\n|\w{1,40},\w{1,40},[^ \n]",
}
_STARTS = {kind: re.compile(rf"\n(?:{lines})") for kind, lines in _LINES.items()}
"""What gives material away at the start of a line."""

TAGS: Mapping[str, Material] = MappingProxyType(
    {
        "diff": Material.DIFF,
        "patch": Material.DIFF,
        "log": Material.LOG,
        **dict.fromkeys(("json", "csv", "xml", "yaml", "yml", "toml", "html"), Material.DATA),
    }
)
"""What a fence says of its inside. Any other tag is that of a programming language."""

_FENCE = "```"
_TAG = re.compile(rf"<({_NAMES}|[a-z_]{{1,30}}(?=>\n))>")
_CLOSING = re.compile(f"</(?:{_NAMES})>")
_QUOTES = (
    ('"', re.compile(r'"[^"\n]{12,600}"')),
    ("\u201c", re.compile("\u201c[^\u201d\n]{12,600}\u201d")),
    ("\u00ab", re.compile("\u00ab[^\u00bb\n]{12,600}\u00bb")),
    ("\n>", re.compile(r"\n>[^\n]*")),
)


def _turn(texts: list[str], *, results: bool, prompt: str) -> Turn:
    material: set[Material] = set()
    pieces = [_without_tags("\n\n".join(_ends(text)), material) for text in texts]
    whole = "\n\n".join(text for text, _ in pieces)
    prose = "\n\n".join([_without_fences(piece, material) for piece in _ends(whole)])
    material |= _kinds(prose)
    if "`" in prose:
        prose = prose.replace("`", " ")
    bare = "\n" + prose
    for mark, pattern in _QUOTES:
        if mark in bare:
            bare = pattern.sub(" ", bare)
            material.add(Material.PROSE)
    # A client may quote the whole of what its user said.
    said = bare.strip() or prose.replace('"', " ").strip()
    chars = sum(map(len, texts)) - sum(wrapped for _, wrapped in pieces)
    return Turn(said, max(0, chars), frozenset(material), results, prompt)


def _ends(text: str) -> tuple[str, ...]:
    if len(text) <= 2 * END_CHARS:
        return (text,)
    head, tail = text[:END_CHARS], text[-END_CHARS:]
    if tail.count(_FENCE) % 2:
        tail = _FENCE + tail
    closed = _CLOSING.search(tail)
    if closed is not None and "<" + closed[0][2:] not in tail[: closed.start()]:
        tail = tail[closed.end() :]
    return head, tail


def _without_tags(text: str, material: set[Material]) -> tuple[str, int]:
    """The text without what stands in tags: the words of clients, and what users paste in tags.

    A client's tag that does not end takes the rest with it. Also how many characters were a
    client's.
    """
    opened = _TAG.search(text) if "<" in text else None
    kept: list[str] = []
    place = looks = wrapped = 0
    while opened is not None and looks < MOST_PASTED:
        looks += 1
        name, start = opened[1], opened.end()
        end = text.find(f"</{name}>", start)
        if end != -1 or name in WRAPPERS:
            kept.append(text[place : opened.start()])
            if name not in WRAPPERS:
                material.add(Material.PROSE)
            start = place = end + len(name) + 3 if end != -1 else len(text)
            wrapped += (place - opened.start()) if name in WRAPPERS else 0
        opened = _TAG.search(text, start)
    return (" ".join((*kept, text[place:])) if kept else text), wrapped


def _without_fences(text: str, material: set[Material]) -> str:
    """The text outside its fences; what is inside of them is sorted into ``material``."""
    if _FENCE not in text:
        return text
    pieces = text.split(_FENCE, MOST_PASTED)
    for inside in pieces[1::2]:
        tag, _, body = inside.partition("\n")
        tag = tag.strip().lower()
        known = TAGS.get(tag)
        material |= {known} if known else _kinds(body) or {Material.CODE}
        if tag and not known:
            material.add(Material.CODE)
    return "\n\n".join(pieces[::2])


def _kinds(text: str) -> set[Material]:
    lines = "\n" + text
    return {
        kind
        for kind, marks in MARKS.items()
        if any(mark in text for mark in marks) or _STARTS[kind].search(lines) is not None
    }
