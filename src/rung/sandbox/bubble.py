"""The command line of bubblewrap for one job: what is inside, as a table.

Inside there is: /usr read-only, a private /proc, six harmless devices, three small tmpfs, and the
work folder. There is no network, no host file, no right, no way to another namespace.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rung.sandbox.shape import Limits

SEARCHED = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
WORK = "/job"
_ORIGINAL = "/original"
_INSIDE_ID = "65534"

ENVIRONMENT = {
    "HOME": "/tmp",  # noqa: S108 - the sandbox's own, empty and private
    "LANG": "C.UTF-8",
    "LOGNAME": "nobody",
    "PATH": SEARCHED,
    "PYTHONDONTWRITEBYTECODE": "1",
    "TMPDIR": "/tmp",  # noqa: S108 - as above
    "TZ": "UTC",
    "USER": "nobody",
}

_NAMESPACES = (
    *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"),
    *("--unshare-cgroup-try", "--disable-userns", "--die-with-parent", "--new-session"),
    *("--clearenv", "--cap-drop", "ALL", "--uid", _INSIDE_ID, "--gid", _INSIDE_ID),
    *("--hostname", "sandbox"),
)
USERS = (
    b"root:x:0:0::/nonexistent:/usr/sbin/nologin\nnobody:x:65534:65534::/tmp:/usr/sbin/nologin\n"
)
"""/etc/passwd inside: programs that ask who they are get an answer."""

_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SETTINGS = ("/etc/ld.so.cache", "/etc/alternatives")
"""All of /etc that is shown: without it, programs that the system links to are not found."""

_DEVICES = ("/dev/null", "/dev/full", "/dev/random", "/dev/urandom")
"""Not /dev/zero: shared mappings of it are memory that cannot be counted. No terminals either."""

_LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
}
_HIDDEN = ("/proc/kallsyms", "/proc/keys", "/proc/key-users", "/proc/timer_list", "/proc/config.gz")
"""What /proc tells of the machine and nothing that runs here needs."""

_SHARED_MEMORY_BYTES = 8 << 20
_OWN_PROCESSES = 2
"""bubblewrap's own in the sandbox's process namespace, which the kernel counts too."""


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs of the host that a sandbox is made with."""

    bwrap: str
    prlimit: str
    shell: str
    copy: str


@dataclass(frozen=True, slots=True)
class Descriptors:
    """What bubblewrap reads its filter and users from, and writes its status to."""

    seccomp: int
    users: int
    status: int

    @property
    def all(self) -> tuple[int, int, int]:
        return (self.seccomp, self.users, self.status)


@dataclass(frozen=True, slots=True)
class Inside:
    """What differs between jobs: limits, environment, the work folder and other folders to read.

    ``source`` tells where the host has what jobs see at a place; ``emptied`` files are shown empty.
    """

    limits: Limits
    work: Path
    reads: tuple[Path, ...]
    environment: Mapping[str, str]
    writable: bool = False
    emptied: tuple[Path, ...] = ()
    source: Callable[[Path], Path] = field(default=lambda place: place)


def command(programs: Programs, descriptors: Descriptors, inside: Inside) -> list[str]:
    """The whole command but for the job's own words."""
    return [
        programs.bwrap,
        *_NAMESPACES,
        *_environment(inside.environment),
        *_system(),
        *_kernel_files(descriptors),
        *_tmpfs("/tmp", inside.limits.tmp_bytes),  # noqa: S108 - the sandbox's own
        *_shown(inside),
        *_work_folder(inside),
        *("--seccomp", str(descriptors.seccomp), "--json-status-fd", str(descriptors.status)),
        *("--remount-ro", "/dev", "--remount-ro", "/", "--"),
        *_limited(programs, inside.limits),
        *(_copying(programs) if inside.writable else ()),
    ]


def _environment(environment: Mapping[str, str]) -> list[str]:
    return [word for name, value in environment.items() for word in ("--setenv", name, value)]


def _work_folder(inside: Inside) -> list[str]:
    if not inside.writable:
        return ["--ro-bind", str(inside.work), WORK, "--chdir", WORK]
    copy = _tmpfs(WORK, inside.limits.tmp_bytes)
    return ["--ro-bind", str(inside.work), _ORIGINAL, *copy, "--chdir", WORK]


def _copying(programs: Programs) -> list[str]:
    """What a job writes goes to a bounded copy: the host's disk cannot be filled."""
    return [programs.shell, "-c", f'{programs.copy} -R {_ORIGINAL}/. {WORK}/ && exec "$@"', "job"]


def _system() -> list[str]:
    words = ["--ro-bind", "/usr", "/usr"]
    for place in map(Path, _SYSTEM):
        if place.is_symlink():
            words += ["--symlink", str(place.readlink()), str(place)]
        elif place.is_dir():
            words += ["--ro-bind", str(place), str(place)]
    for setting in _SETTINGS:
        words += ["--ro-bind-try", setting, setting]
    return words


def _shown(inside: Inside) -> list[str]:
    """After the tmpfs, which would cover what is below /tmp."""
    words: list[str] = []
    for read in inside.reads:
        words += ["--ro-bind", str(inside.source(read)), str(read)]
    for path in inside.emptied:
        words += ["--ro-bind", "/dev/null", str(path)]
    return words


def _kernel_files(descriptors: Descriptors) -> list[str]:
    words = ["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys"]
    for place in _HIDDEN:
        if Path(place).exists():
            words += ["--ro-bind", "/dev/null", place]
    words += ["--tmpfs", "/dev"]
    for device in _DEVICES:
        words += ["--dev-bind", device, device]
    for link, target in _LINKS.items():
        words += ["--symlink", target, link]
    words += _tmpfs("/dev/shm", _SHARED_MEMORY_BYTES)  # noqa: S108 - the sandbox's own
    return [*words, "--ro-bind-data", str(descriptors.users), "/etc/passwd"]


def _tmpfs(place: str, size: int) -> list[str]:
    return ["--perms", "1777", "--size", str(size), "--tmpfs", place]


def _limited(programs: Programs, limits: Limits) -> list[str]:
    """Set inside: the kernel counts processes by user namespace, so they are the job's alone.

    What one process may allocate is bounded by its data, not by its addresses: JavaScript, Go and
    Java reserve far more than they use.
    """
    return [
        programs.prlimit,
        f"--nproc={limits.processes + _OWN_PROCESSES}",
        f"--data={limits.memory_bytes}",
        f"--fsize={limits.file_bytes}",
        f"--nofile={limits.open_files}",
        f"--cpu={math.ceil(limits.cpu_seconds) + 1}",
        f"--stack={8 << 20}",
        "--core=0",
        "--memlock=0",
        "--msgqueue=0",
        "--",
    ]
