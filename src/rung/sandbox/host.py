"""What this machine offers a sandbox: the programs, the filter, the user to drop to, a Python.

Every question has an answer or raises UnavailableError with the fix; nothing is made do with.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from rung.sandbox import seccomp
from rung.sandbox.bubble import SEARCHED, Programs
from rung.sandbox.shape import UnavailableError

OLDEST = (0, 8)
"""The first bubblewrap that can forbid further user namespaces and size its tmpfs."""

DROPPED_ID = 60_999
"""The user and group that jobs run as where rung is root: of a range that nothing hands out, so
that nobody on the machine has its files or processes. Source: systemd's UIDS-GIDS."""

_ASK_SECONDS = 10
INSTALL = "install bubblewrap: `apt-get install bubblewrap`, `dnf install bubblewrap`, or the like"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom to become before anything is started, or nobody else."""

    user: int | None = None

    @property
    def group(self) -> int | None:
        return self.user


@dataclass(frozen=True, slots=True)
class Host:
    """What sandboxes on this machine are made with. ``reads`` are shown to every job."""

    programs: Programs
    identity: Identity
    filter: bytes
    python: str
    reads: tuple[Path, ...]
    version: str


def examine(python: str | None, reads: tuple[Path, ...]) -> Host:
    """Everything a sandbox needs, found and checked, but for the sandbox itself. Blocks."""
    if not sys.platform.startswith("linux"):
        raise UnavailableError(
            f"there is no bubblewrap for {sys.platform}",
            fix="run rung on Linux (a virtual machine or WSL 2 will do), or set allow_unsandboxed",
        )
    program = seccomp.filter_for()
    if program is None:
        raise UnavailableError(
            f"there is no system call filter for {os.uname().machine}",
            fix="use an x86-64 or AArch64 machine, or set allow_unsandboxed",
        )
    programs = _programs()
    identity = whom_to_become()
    found, prefixes = _python(python, identity)
    return Host(
        programs=programs,
        identity=identity,
        filter=program,
        python=found,
        reads=tuple(dict.fromkeys((*prefixes, *map(_readable, reads)))),
        version=_version(programs.bwrap),
    )


def whom_to_become() -> Identity:
    """Never root: inside a user namespace root would keep rights over the kernel's settings."""
    if os.geteuid() != 0:
        return Identity()
    try:
        known = pwd.getpwuid(DROPPED_ID).pw_name
    except KeyError:
        known = None
    if known is not None:
        raise UnavailableError(
            f"user id {DROPPED_ID}, which jobs would run as, belongs to {known}",
            fix="run rung as a user of its own rather than as root",
        )
    try:
        subprocess.run(  # noqa: S603 - found in the system's own folders
            [find("true")],
            check=True,
            timeout=_ASK_SECONDS,
            user=DROPPED_ID,
            group=DROPPED_ID,
            extra_groups=[],
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise UnavailableError(
            f"rung is root and cannot become user {DROPPED_ID}: {error}",
            fix="run rung as a user of its own rather than as root",
        ) from None
    return Identity(DROPPED_ID)


def find(name: str) -> str:
    """Where a program of the system is, by its name."""
    found = shutil.which(name, path=SEARCHED)
    if found is None:
        raise UnavailableError(
            f"{name} is not installed",
            fix=INSTALL if name == "bwrap" else f"install {name} from the system's packages",
        )
    return found


def _programs() -> Programs:
    return Programs(bwrap=find("bwrap"), prlimit=find("prlimit"), shell=find("sh"), copy=find("cp"))


def _version(bwrap: str) -> str:
    try:
        said = subprocess.run(  # noqa: S603 - found in the system's own folders
            [bwrap, "--version"], capture_output=True, check=True, timeout=_ASK_SECONDS
        ).stdout.decode("utf-8", "replace")
    except (OSError, subprocess.SubprocessError) as error:
        raise UnavailableError(f"{bwrap} cannot be run: {error}", fix=INSTALL) from None
    numbers = re.search(r"(\d+)\.(\d+)(\.\d+)?", said)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise UnavailableError(
            f"bubblewrap is older than {wanted}: {said.strip()[:60]}",
            fix=f"install bubblewrap {wanted} or newer",
        )
    return numbers[0]


def _python(asked: str | None, identity: Identity) -> tuple[str, tuple[Path, ...]]:
    """An interpreter that jobs can reach, and the folders it needs besides /usr."""
    candidates = [asked] if asked else [sys.executable, os.path.realpath(sys.executable)]
    for candidate in [*candidates, *(() if asked else ("/usr/bin/python3",))]:
        folders = _needed_by(Path(candidate))
        places = (Path(candidate).resolve(), *folders)
        if all(reachable(place, identity.user) for place in places):
            return candidate, folders
    raise UnavailableError(
        f"no Python that jobs can reach: tried {', '.join(candidates)}",
        fix="install python3 from the system's packages",
    )


def _needed_by(python: Path) -> tuple[Path, ...]:
    """The interpreter's own folder, and the one it was made from if it is a virtual environment."""
    homes = [python.parent.parent, python.resolve().parent.parent]
    return tuple(
        _readable(home) for home in dict.fromkeys(homes) if not home.is_relative_to("/usr")
    )


_MORE_THAN_PROGRAMS = ("/", "/etc", "/home", "/proc", "/root", "/run", "/sys", "/tmp", "/var")  # noqa: S108


def _readable(folder: Path) -> Path:
    """Refuse to show what holds more than programs."""
    folder = Path.cwd() / folder
    kept = set(map(Path, _MORE_THAN_PROGRAMS))
    with contextlib.suppress(KeyError):
        kept.add(Path(pwd.getpwuid(os.getuid()).pw_dir))
    if ".." in folder.parts or not kept.isdisjoint((folder, folder.resolve())):
        raise UnavailableError(
            f"{folder} cannot be shown to jobs: it holds more than programs",
            fix="name a folder below it",
        )
    return folder


def reachable(place: Path, user: int | None) -> bool:
    """Whether ``user``, who owns nothing and is in no group, can read ``place``."""
    if user is None:
        return os.access(place, os.R_OK | os.X_OK)
    try:
        steps = [step.stat().st_mode for step in (place, *place.resolve().parents)]
    except OSError:
        return False
    return all(mode & stat.S_IXOTH for mode in steps) and bool(steps[0] & stat.S_IROTH)
