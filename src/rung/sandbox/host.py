"""What this machine offers a sandbox: the programs, the filter, the user to drop to, a Python.

Every question has an answer or raises UnavailableError with the fix; nothing is made do with.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from rung.sandbox import seccomp, tools
from rung.sandbox.bridge import Bridge
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
    """What sandboxes on this machine are made with.

    ``reads`` are shown to every job, over ``bridge`` where only root reaches them; ``emptied`` are
    files below them that jobs find empty.
    """

    programs: Programs
    identity: Identity
    filter: bytes
    python: str
    reads: tuple[Path, ...]
    version: str
    emptied: tuple[Path, ...] = ()
    bridge: Bridge = field(default_factory=Bridge)


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
    found, parts = _python(python, identity)
    named = tuple(part for folder in reads for part in tools.parts_of(Path.cwd() / folder))
    shown = tuple(dict.fromkeys((*parts, *named)))
    return Host(
        programs=programs,
        identity=identity,
        filter=program,
        python=found,
        reads=shown,
        version=_version(programs.bwrap),
        emptied=tools.emptied(shown),
        bridge=_bridge(shown, identity),
    )


def own_tools() -> tuple[Path, ...]:
    """The Python environment that rung runs in, where jobs can be shown it. Blocks."""
    folder = tools.own_environment()
    try:
        parts = tools.parts_of(folder)
        _bridge(parts, whom_to_become())
    except UnavailableError:
        return ()
    return (folder,) if parts else ()


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
    """The programs and packages of the interpreter, and of what it was made from."""
    return tuple(part for home in tools.homes(python) for part in tools.parts_of_home(home))


def _bridge(shown: tuple[Path, ...], identity: Identity) -> Bridge:
    """The way to what the jobs' user cannot walk to. Raises UnavailableError if there is none."""
    missing = next((place for place in shown if not place.exists()), None)
    if missing is not None:
        said = f"{missing}, which jobs are to be shown, is not there"
        raise UnavailableError(said, fix="correct the path")
    closed = [place for place in shown if not reachable(place, identity.user)]
    if not closed or identity.user is None:
        if closed:
            said = f"{closed[0]}, which jobs are to be shown, cannot be read"
            raise UnavailableError(said, fix="let rung's user read it")
        return Bridge()
    shut = next((place for place in closed if not _open_itself(place)), None)
    if shut is not None:
        said = f"{shut} is closed to the user that jobs run as"
        raise UnavailableError(said, fix=f"chmod o+rx {shut}, or run rung as a user of its own")
    bridge = Bridge(
        unshare=find("unshare"),
        shell=find("sh"),
        mount=find("mount"),
        bare=find("env"),
        become=find("setpriv"),
        user=identity.user,
        places=tuple(closed),
    )
    with tempfile.TemporaryDirectory(prefix="rung-bridge-") as base:
        if bridge.holds(Path(base), find("true")):
            return bridge
    raise UnavailableError(
        f"{closed[0]} cannot be reached by user {identity.user}, whom jobs run as",
        fix="install the tool where all users can read it, or run rung as a user of its own",
    )


def _open_itself(place: Path) -> bool:
    """Whether everybody may read what is at ``place``, once there."""
    mode = place.stat().st_mode
    wanted = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) else 0)
    return mode & wanted == wanted


def reachable(place: Path, user: int | None) -> bool:
    """Whether ``user``, who owns nothing and is in no group, can read ``place``."""
    if user is None:
        return os.access(place, os.R_OK | (os.X_OK if place.is_dir() else 0))
    try:
        steps = [step.stat().st_mode for step in (place, *place.resolve().parents)]
    except OSError:
        return False
    passed = steps if stat.S_ISDIR(steps[0]) or steps[0] & stat.S_IXOTH else steps[1:]
    return all(mode & stat.S_IXOTH for mode in passed) and bool(steps[0] & stat.S_IROTH)
