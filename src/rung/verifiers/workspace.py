"""The files of a folder of the operator's, read for a check to work on a copy; and which are kept.

Symbolic links are left out, as is what other tools keep for themselves.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

MOST_FILES = 5_000
MOST_BYTES = 24 << 20
MOST_FOLDERS = 5_000

LEFT_OUT = frozenset(
    {
        *(".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", "target"),
        *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox", ".nox", ".idea", ".vscode"),
    }
)

SETTINGS = (
    *("conftest.py", "pytest.ini", ".pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml"),
    *("sitecustomize.py", "usercustomize.py", "*.pth", ".coveragerc", "ruff.toml", ".ruff.toml"),
    *("mypy.ini", ".mypy.ini", ".flake8", ".pylintrc", "pyrightconfig.json", "noxfile.py"),
    *("tsconfig*.json", "package.json", ".eslintrc*", ".eslintignore", "eslint.config.*"),
    *("jest.config.*", "vitest.config.*", ".mocharc*", "biome.json", "Makefile", "build.rs"),
    *(".gitignore", ".ignore", "node_modules", ".venv", "venv"),
    *("Cargo.toml", ".cargo", "go.mod", ".golangci.*"),
)
"""Files that tell tools what to check, or are tools: an answer that brings one could tell them to
check nothing. Patterns are those of `matcher`."""

TESTS = (
    *("tests", "test", "__tests__", "test_*.py", "*_test.py", "*_test.go"),
    *("*.test.*", "*.spec.*"),
)


class WorkspaceError(Exception):
    """The folder cannot be read, or is too large; the message says why, and what helps."""


def read(folder: Path) -> dict[str, bytes]:
    """All files below ``folder`` by their paths within it. Blocks. Raises WorkspaceError."""
    if not folder.is_dir():
        raise WorkspaceError(f"the workspace {folder} is no folder that can be read")
    files: dict[str, bytes] = {}
    room = MOST_BYTES
    for path in _found(folder):
        content = _content(path, room)
        if content is None:
            continue
        room -= len(content)
        files[path.relative_to(folder).as_posix()] = content
        if room < 0 or len(files) > MOST_FILES:
            raise _too_large(folder)
    return files


def hashes(files: Mapping[str, bytes], kept: Iterable[str]) -> dict[str, str]:
    """SHA-256, by path, of those of ``files`` that match ``kept``."""
    wanted = matcher(tuple(kept))
    return {p: sha256(body).hexdigest() for p, body in files.items() if wanted.fullmatch(p)}


@lru_cache(maxsize=64)
def matcher(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Matches, in full, paths of patterns as in .gitignore: ``*`` in a name, ``**`` over folders.

    One without a slash matches at any depth; one that matches a folder matches all in it. Case does
    not count: it does not in all file systems.
    """
    return re.compile("|".join(map(_translated, patterns)) or r"(?!)", re.IGNORECASE)


def _translated(pattern: str) -> str:
    bare = pattern.strip("/")
    anywhere = "" if "/" in bare else "(?:[^\n]*/)?"
    words = re.split(r"(\*\*/|\*\*|\*|\?)", bare)
    wild = {"**/": "(?:[^\n]*/)?", "**": "[^\n]*", "*": "[^/\n]*", "?": "[^/\n]"}
    body = "".join(wild.get(word) or re.escape(word) for word in words)
    return rf"{anywhere}{body}(?:/[^\n]*)?"


def _found(folder: Path) -> Iterator[Path]:
    for seen, (place, folders, names) in enumerate(os.walk(folder, onerror=_unreadable)):
        if seen > MOST_FOLDERS:
            raise _too_large(folder)
        folders[:] = sorted(set(folders) - LEFT_OUT)
        yield from (Path(place, name) for name in sorted(names))


def _unreadable(error: OSError) -> None:
    raise WorkspaceError(f"{error.filename} of the workspace cannot be read: {error.strerror}")


def _content(path: Path, room: int) -> bytes | None:
    """The content of a plain file; not more than one byte above ``room``, so that it shows."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return None
        # It may be another one by now: neither follow a link nor wait for the writer of a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(room + 1)
    except OSError as error:
        raise WorkspaceError(f"{path} of the workspace cannot be read: {error.strerror}") from None


def _too_large(folder: Path) -> WorkspaceError:
    most = f"{MOST_FILES:,} files or {MOST_BYTES >> 20} MiB"
    return WorkspaceError(f"the workspace {folder} has more than {most}: name a smaller folder")
