"""The work folder of one job on the host: made file by file, never through a link, never shared.

Folders belong to rung, so that a job that runs as another user cannot change them even where the
mount is writable by mistake; that user gets in by its group.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Base:
    """The folder of one sandbox's work folders, locked while it is in use.

    ``shared``: another user passes through it. Folders of this user that nobody locks were left by
    a process that was killed, and are removed first.
    """

    def __init__(self, parent: Path | None, *, shared: bool) -> None:
        parent = parent or Path(tempfile.gettempdir())
        _sweep(parent)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent)).resolve()
        self._lock = os.open(self.path, _FOLDER)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.path.chmod(0o711 if shared else 0o700)

    def remove(self) -> None:
        """Remove it with everything that is left in it."""
        remove(self.path)
        os.close(self._lock)


_PREFIX = "rung-sandbox-"
_YOUNG_SECONDS = 60.0
"""A folder this new may be one that is about to be locked."""


def _sweep(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            held = os.open(folder, _FOLDER)
            try:
                about = os.fstat(held)
                if about.st_uid == os.geteuid() and time.time() - about.st_mtime > _YOUNG_SECONDS:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    remove(folder)
            finally:
                os.close(held)


def make_work(base: Path, group: int | None) -> Path:
    """An empty work folder that ``group`` can read, or only this user."""
    work = Path(tempfile.mkdtemp(prefix="job-", dir=base))
    if group is not None:
        os.chown(work, -1, group)
        work.chmod(0o750)
    return work


def lay_out(work: Path, files: Mapping[str, bytes]) -> None:
    """Write ``files``, whose paths have been checked, below ``work``.

    Modes are set afterwards: this process's umask must not decide what a job can read.
    """
    root = os.open(work, _FOLDER)
    folders: dict[PurePosixPath, int] = {}
    try:
        for path, content in files.items():
            place = PurePosixPath(path)
            folder = _folder(root, place.parent, folders)
            _write(folder, place.name, content)
            if len(folders) > _MOST_OPEN:
                _close(folders)
    finally:
        _close(folders)
        os.close(root)


def give_away(work: Path, user: int, group: int) -> None:
    """Let ``user`` own a work folder that was just laid out and that nobody else has seen."""
    os.chown(work, user, group)
    for folder, folders, files in os.walk(work):
        for name in (*folders, *files):
            os.chown(Path(folder, name), user, group, follow_symlinks=False)


def remove(work: Path) -> None:
    """Remove a work folder whatever a job has left in it."""
    shutil.rmtree(work, ignore_errors=True)


_MOST_OPEN = 64


def _folder(root: int, place: PurePosixPath, opened: dict[PurePosixPath, int]) -> int:
    if place in opened:
        return opened[place]
    if not place.parts:
        return root
    parent = _folder(root, place.parent, opened)
    with contextlib.suppress(FileExistsError):
        os.mkdir(place.name, 0o700, dir_fd=parent)
    opened[place] = os.open(place.name, _FOLDER, dir_fd=parent)
    os.fchmod(opened[place], 0o755)
    return opened[place]


def _write(folder: int, name: str, content: bytes) -> None:
    descriptor = os.open(name, _NEW_FILE, 0o600, dir_fd=folder)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        os.fchmod(descriptor, 0o755 if content.startswith(b"#!") else 0o644)
        rest = memoryview(content)
        while rest:
            rest = rest[file.write(rest) or 0 :]


def _close(folders: dict[PurePosixPath, int]) -> None:
    for descriptor in folders.values():
        os.close(descriptor)
    folders.clear()
