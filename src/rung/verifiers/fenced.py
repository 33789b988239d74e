"""The fenced code blocks of a text, as CommonMark has them, and the paths that stand beside them.

Blocks inside lists may be indented; a block that is never closed ends with the text. Time is in
proportion to the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,})[ \t]*(.*)")
_PATH = re.compile(r"(?:\./)?[\w@+.-]+(?:/[\w@+.-]+)*")
_EXTENSION = re.compile(r"\.\w{1,10}$")
_ATTRIBUTE = re.compile(r"(?:title|file|filename|path|name)=[\"']?([^\"'\s]+)")
_LABEL = re.compile(r"^(?:file(?:name)?|path)\s*:\s*|:$", re.IGNORECASE)
_COMMENT = re.compile(r"\s*(?:#|//|--|;|/\*|<!--)\s*(\S+)\s*(?:\*/|-->)?\s*")
_BARE_NAMES = {"Makefile", "Dockerfile", "Gemfile", "Rakefile", "Procfile", "LICENSE"}
_LONGEST_LINE = 500


@dataclass(frozen=True, slots=True)
class Block:
    """One block: its ``language`` in small letters, the whole ``info`` string, its text.

    ``line`` is the number of its first line of text, from 1; ``lead`` the last line before its
    fence that is not blank.
    """

    language: str
    info: str
    text: str
    line: int
    lead: str = ""

    @property
    def path(self) -> str:
        """The path that the block is labelled with, empty where it has none."""
        return next(filter(None, (*_paths_of_info(self.info), _plain_path(self.lead))), "") or (
            _path_of_comment(self.text)
        )


def blocks(text: str) -> list[Block]:
    """All fenced blocks, in order."""
    if "```" not in text and "~~~" not in text:
        return []
    return list(_read(text.split("\n")))


def _read(lines: list[str]) -> Iterator[Block]:
    lead, at = "", 0
    while at < len(lines):
        opening = _opening(lines[at])
        if opening is None:
            lead = lines[at] if lines[at].strip() else lead
            at += 1
            continue
        indent, fence, info = opening
        first = at = at + 1
        while at < len(lines) and not _closes(lines[at], fence):
            at += 1
        inside = [_outdented(line, indent) for line in lines[first:at]]
        word = info.split(maxsplit=1)[0] if info else ""
        language = word.split(":")[0].strip("{}.").casefold()
        yield Block(language, info, "\n".join(inside), first + 1, lead.strip())
        lead, at = "", at + 1


def _opening(line: str) -> tuple[int, str, str] | None:
    head = line.lstrip(" \t")[:3]
    found = _FENCE.match(line) if head in {"```", "~~~"} else None
    if found is None or (found[2][0] == "`" and "`" in found[3]):
        return None
    return len(found[1]), found[2], found[3].strip()


def _closes(line: str, fence: str) -> bool:
    bare = line.strip()
    return len(bare) >= len(fence) and bare.startswith(fence) and not bare.strip(fence[0])


def _outdented(line: str, indent: int) -> str:
    return line[indent:] if indent and not line[:indent].strip() else line


# ------------------------------------------------------------------ paths


def _paths_of_info(info: str) -> Iterator[str]:
    short = info[:_LONGEST_LINE]
    named = _ATTRIBUTE.search(short)
    if named is not None:
        yield named[1]
    for word in short.split():
        yield _path(word.rpartition(":")[2])


def _plain_path(line: str) -> str:
    """The path that a line of prose is, but for its markup ("### `src/app.py`:")."""
    bare = line[:_LONGEST_LINE].strip().strip("#*`_ ")
    return _path(_LABEL.sub("", bare).strip("*`_ "))


def _path_of_comment(text: str) -> str:
    found = _COMMENT.fullmatch(text.partition("\n")[0][:_LONGEST_LINE])
    return "" if found is None else _path(found[1])


def _path(word: str) -> str:
    if not _PATH.fullmatch(word):
        return ""
    is_path = "/" in word or _EXTENSION.search(word) is not None or word in _BARE_NAMES
    return word.removeprefix("./") if is_path else ""
