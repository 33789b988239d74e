"""The files that an answer is: what its blocks, its diff or its whole text put into a folder.

A block is a file if a path is in its info string, on the line before it, or in a comment on its
first line; of two with one path the later counts. A unified diff is applied to the files that are
there already. Every path comes from a model: one that leads out of the folder is refused, and
nothing here touches a disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType

from rung.verifiers.base import shown
from rung.verifiers.fenced import Block, blocks
from rung.verifiers.unified_diff import NOWHERE, DiffError, FileDiff, TooLargeError, applied, parsed

MOST_BLOCKS = 2_000
MOST_FILES = 500
LONGEST_PATH = 200
LONGEST_NAME_BYTES = 200
DEEPEST = 16
MOST_WORK = 5_000_000
"""Hunks times lines of their files: some seconds."""

_NOTHING: Mapping[str, bytes] = MappingProxyType({})
_DIFFS = {"diff", "patch", "udiff", "git"}
_NO_LANGUAGE = {"", "text", "txt", "plaintext"}
_MARKS = ("--- ", "+++ ", "@@ -")
_LINK_MODE = re.compile(r"(?:new file mode|new mode|old mode|deleted file mode) 120000")
_NOT_TEXT = ("rename from ", "copy from ", "GIT binary patch", "Binary files ")
_SAID_PATH = re.compile(
    r"\s*(?:#|//|--|;|/\*|<!--)\s*(?:file ?name|file|path)\s*[:=]\s*[\"'`]?([^\s\"'`]+)",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(r"(?:/|~/|\\\\|[A-Za-z]:[\\/])[^\s\"'`{}]+")
_LONGEST_LINE = 500


class LayoutError(ValueError):
    """The answer cannot be laid out, and the message says why, in words to repair it by."""


@dataclass(frozen=True, slots=True)
class Laid:
    """What an answer changes: contents by path, ``None`` for a file that it deletes.

    ``whole`` is the text of an answer that names no file: what a command may have as its input.
    """

    changes: Mapping[str, bytes | None] = field(default_factory=dict)
    whole: str | None = None


def laid_out(text: str, there: Mapping[str, bytes] = _NOTHING, file: str = "") -> Laid:
    """The files of an answer, laid over those that are ``there``.

    An answer that names none is the content of ``file``, where that is given: its only block, or
    the whole of it. Raises LayoutError, and TooLargeError where a diff would take too long.
    """
    found = blocks(text)
    if len(found) > MOST_BLOCKS:
        raise LayoutError(f"the answer has more than {MOST_BLOCKS:,} blocks")
    diffs = [each for each in found if _diffs(each)]
    files = _named([each for each in found if not _diffs(each)])
    changes: dict[str, bytes | None] = {path: _bytes(body) for path, body in files.items()}
    diff = "\n".join(each.text for each in diffs)
    if not found and _is_diff(text):
        diff = text
    if diff:
        changed = _patched(diff, there)
        twice = sorted(changed.keys() & changes.keys())
        if twice:
            raise LayoutError(f"{_told(twice[0])} is both in a diff and in a block: write one")
        changes |= changed
    if not changes and file:
        changes = {file: _bytes(_only(found, text, file))}
    _check_places(changes, there)
    return Laid(changes, None if changes else text)


def safe_path(path: str) -> str:
    """``path`` in its plain form. Raises LayoutError where it may lead out of the folder."""
    place = PurePosixPath(path)
    parts = place.parts
    faults = (
        (not path or not parts or path.endswith("/"), "names no file"),
        (not path.isprintable() or "\\" in path, "holds what no path may"),
        (place.is_absolute() or path[:1] == "~" or ":" in path, "leads out of the folder"),
        (".." in parts, "leads out of the folder"),
        (any(part.casefold() == ".git" for part in parts), "is git's own"),
        (len(path) > LONGEST_PATH or len(parts) > DEEPEST, "is too long"),
        (any(len(_bytes(part)) > LONGEST_NAME_BYTES for part in parts), "is too long"),
    )
    said = next((fault for wrong, fault in faults if wrong), None)
    if said is not None:
        raise LayoutError(f"the path {_told(path)} {said}: write a path like src/app.py")
    return str(place)


def over(there: Mapping[str, bytes], changes: Mapping[str, bytes | None]) -> dict[str, bytes]:
    """The files that are ``there`` with ``changes`` made."""
    both = {**there, **changes}
    return {path: content for path, content in both.items() if content is not None}


# ------------------------------------------------------------------ blocks


def _named(found: list[Block]) -> dict[str, str]:
    files: dict[str, str] = {}
    for each in found:
        path = _path_of(each)
        if path:
            files[safe_path(path)] = f"{each.text}\n" if each.text else ""
        if len(files) > MOST_FILES:
            raise LayoutError(f"the answer has more than {MOST_FILES} files")
    return files


def _path_of(block: Block) -> str:
    """The path that a block claims, a dangerous one too: it is to be refused, not passed over."""
    first = block.text.partition("\n")[0][:_LONGEST_LINE]
    said = _SAID_PATH.match(first)
    if said is not None:
        return said[1]
    words = block.info[:_LONGEST_LINE].split()[:20]
    claims = [word for word in (*words, *(_after_language(word) for word in words)) if word]
    elsewhere = next(filter(_ELSEWHERE.fullmatch, claims), None)
    return block.path if elsewhere is None else elsewhere


def _after_language(word: str) -> str:
    """What stands behind the colon of "python:src/app.py"."""
    language, _, path = word.partition(":")
    return path if len(language) > 1 else ""


def _only(found: list[Block], text: str, file: str) -> str:
    if not text.strip():
        raise LayoutError(f"the answer is empty: write the content of {_told(file)}")
    if not found:
        return text
    if len(found) > 1:
        said = f"the answer has {len(found):,} blocks: write one, with all of {_told(file)} in it"
        raise LayoutError(said)
    return found[0].text + "\n"


# ------------------------------------------------------------------ diffs


def _diffs(block: Block) -> bool:
    """A file of some language may hold what looks like a diff; a path alone may stand over one."""
    if block.language in _DIFFS:
        return True
    return (block.language in _NO_LANGUAGE or not _path_of(block)) and _is_diff(block.text)


def _is_diff(text: str) -> bool:
    return all(text.startswith(mark) or f"\n{mark}" in text for mark in _MARKS)


def _patched(diff: str, there: Mapping[str, bytes]) -> dict[str, bytes | None]:
    for line in diff.split("\n"):
        if _LINK_MODE.match(line):
            raise LayoutError("the diff makes a symbolic link: write a file")
        if line.startswith(_NOT_TEXT):
            said = f"the diff says {_told(line)}, which cannot be applied: write the whole file"
            raise LayoutError(said)
    try:
        files = parsed(diff)
        if len(files) > MOST_FILES:
            raise LayoutError(f"the diff is to more than {MOST_FILES} files")
        texts = _texts(files, there)
        _check_work(files, texts, diff.count("\n"))
        changed = applied(files, texts)
    except DiffError as error:
        raise LayoutError(f"the diff does not apply: {error}") from None
    return {
        safe_path(path): None if body is None else _bytes(body) for path, body in changed.items()
    }


def _texts(files: list[FileDiff], there: Mapping[str, bytes]) -> dict[str, str]:
    """The texts that a diff starts from."""
    texts: dict[str, str] = {}
    made: set[str] = set()
    for each in files:
        for path in {each.old, each.new} - {NOWHERE}:
            if path in there and path not in texts:
                texts[path] = _text(path, there[path])
        if each.old not in {NOWHERE, *texts, *made}:
            have = ", ".join(_told(path) for path in sorted(there)[:5]) or "none"
            raise LayoutError(
                f"the diff is to {_told(each.old)}, which is not there (there: {have})"
            )
        made.add(each.new)
    return texts


def _check_work(files: list[FileDiff], texts: Mapping[str, str], written: int) -> None:
    """Every hunk may look at every line of its file, which an earlier part may have written."""
    work = sum(len(each.hunks) * texts.get(each.old, "").count("\n") for each in files)
    again = len(files) - len({each.new for each in files})
    if again:
        work += sum(len(each.hunks) for each in files) * written
    if work > MOST_WORK:
        raise TooLargeError


def _text(path: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise LayoutError(f"{_told(path)} is no text that a diff can be applied to") from None


# ------------------------------------------------------------------ places


def _check_places(changes: Mapping[str, bytes | None], there: Mapping[str, bytes]) -> None:
    """No file where a folder is, no folder where a file is."""
    after = over(there, changes)
    folders = _folders(after)
    both = sorted(folders & after.keys())
    if both:
        raise LayoutError(f"{_told(both[0])} is both a file and a folder")


def _folders(paths: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for path in paths:
        at = path.rfind("/")
        while at > 0 and path[:at] not in found:
            found.add(path[:at])
            at = path.rfind("/", 0, at)
    return found


def _bytes(text: str) -> bytes:
    """Half of a surrogate pair, which no file can hold, becomes a question mark."""
    return text.encode("utf-8", "replace")


def _told(path: str) -> str:
    return f'"{shown(path, 80)}"'
