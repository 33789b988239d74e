"""Which folders of the host jobs see, and how: Python environments without what is not a program.

An environment is shown as its programs and packages alone, with the interpreter it was made from.
Whatever else lies in its folder, which may be a whole project, stays outside.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import sys
from collections.abc import Iterator
from pathlib import Path

from rung.sandbox.shape import UnavailableError

_PARTS = ("bin", "lib", "lib64", "pyvenv.cfg")
_SCRIPTS = "*[aA]ctivate*"
"""Scripts that people put their keys into: no tool reads them."""

_MORE_THAN_PROGRAMS = (
    *("/", "/etc", "/home", "/root", "/tmp", "/var"),  # noqa: S108 - refused, not used
    *("/proc", "/sys", "/dev", "/run", "/job", "/original"),
)
_NEVER_BELOW = ("/proc", "/sys", "/dev", "/run", "/job", "/original")
_KEYS = frozenset({".ssh", ".aws", ".azure", ".config", ".docker", ".gnupg", ".kube"})
_MOST_LINKS = 16

_PROGRAMS = {"bin": "", "node_modules": ".bin"}
"""Where a folder of that name keeps its programs."""


def parts_of(folder: Path) -> tuple[Path, ...]:
    """What of ``folder`` jobs are shown: all of it, or what a Python environment needs."""
    if not _is_environment(folder):
        return () if checked(folder).is_relative_to("/usr") else (folder,)
    return tuple(part for home in homes(folder / "bin" / "python3") for part in parts_of_home(home))


def parts_of_home(home: Path) -> tuple[Path, ...]:
    """The programs and packages of one installation of Python. Raises UnavailableError."""
    if checked(home).is_relative_to("/usr"):
        return ()
    return tuple(part for name in _PARTS if (part := home / name).exists())


def homes(python: Path) -> tuple[Path, ...]:
    """The installation of an interpreter, and those that it leads to, link by link."""
    found = [python.parent.parent]
    for _ in range(_MOST_LINKS):
        if not python.is_symlink():
            break
        python = Path(os.path.normpath(python.parent / python.readlink()))
        found.append(python.parent.parent)
    return tuple(dict.fromkeys((*found, python.resolve().parent.parent)))


def emptied(shown: tuple[Path, ...]) -> tuple[Path, ...]:
    """Files below what is shown that jobs find empty."""
    programs = (part for part in shown if part.name == "bin")
    return tuple(path for part in programs for path in sorted(part.glob(_SCRIPTS)))


def searched(folders: tuple[Path, ...]) -> Iterator[str]:
    """Where in ``folders`` programs are looked for."""
    for folder in folders:
        inner = _PROGRAMS.get(folder.name, "bin")
        yield str(folder / inner if inner else folder)


def own_environment() -> Path:
    """The Python environment that rung runs in."""
    return Path(sys.prefix)


def checked(folder: Path) -> Path:
    """``folder`` itself. Raises UnavailableError where it holds more than programs."""
    folder = Path.cwd() / folder
    kept = set(map(Path, _MORE_THAN_PROGRAMS))
    with contextlib.suppress(KeyError):
        kept.add(Path(pwd.getpwuid(os.getuid()).pw_dir))
    places = {folder, folder.resolve()}
    below = any(place.is_relative_to(above) for place in places for above in _NEVER_BELOW)
    keys = any(not _KEYS.isdisjoint(place.parts) for place in places)
    if below or keys or ".." in folder.parts or not kept.isdisjoint(places):
        raise UnavailableError(
            f"{folder} cannot be shown to jobs: it holds more than programs",
            fix="name a folder below it",
        )
    return folder


def _is_environment(folder: Path) -> bool:
    return (folder / "bin" / "python3").exists() and (folder / "lib").is_dir()
