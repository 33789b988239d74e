"""The file that an answer is meant to be which names none: as the command or its language tells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from rung.verifiers.command_words import words_of
from rung.verifiers.fenced import blocks

_FILE = re.compile(r"[\w][\w./-]{0,200}\.([A-Za-z][A-Za-z0-9]{0,5})")

_SUFFIXES = {
    "python": "py",
    "py": "py",
    "javascript": "js",
    "js": "js",
    "typescript": "ts",
    "ts": "ts",
    "tsx": "tsx",
    "jsx": "jsx",
    "json": "json",
    "yaml": "yaml",
    "yml": "yaml",
    "toml": "toml",
    "go": "go",
    "rust": "rs",
    "rs": "rs",
    "java": "java",
    "c": "c",
    "cpp": "cpp",
    "c++": "cpp",
    "csharp": "cs",
    "ruby": "rb",
    "php": "php",
    "bash": "sh",
    "sh": "sh",
    "shell": "sh",
    "sql": "sql",
    "html": "html",
    "css": "css",
    "markdown": "md",
    "md": "md",
}


def name_of(text: str, argv: tuple[str, ...], there: Mapping[str, bytes], *, alone: bool) -> str:
    """A path for the answer, "" where nothing tells.

    That is the one file which the command names and which is not ``there``, if it is of the
    language of the answer's only block. Else, where the answer stands ``alone`` without a
    workspace around it that would expect another name, ``answer`` with the suffix of that language.
    """
    found = blocks(text)
    if len(found) > 1:
        return ""
    suffix = _SUFFIXES.get(found[0].language, "") if found else ""
    wanted = {
        str(PurePosixPath(match[0])): match[1].lower()
        for word in words_of(argv)[1:]
        if (match := _FILE.fullmatch(word)) and str(PurePosixPath(match[0])) not in there
    }
    fitting = [path for path, kind in wanted.items() if suffix in {"", kind}]
    if len(fitting) == 1:
        return fitting[0]
    return f"answer.{suffix}" if suffix and alone else ""
