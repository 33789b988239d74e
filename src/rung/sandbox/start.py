"""Starts processes: a sandbox with bubblewrap, or the bare command where that was allowed.

All of this blocks for milliseconds and runs in a thread that outlives what it starts: the kernel
kills a sandbox when the thread that started it ends.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from rung.sandbox import bubble
from rung.sandbox.bubble import Descriptors, Inside
from rung.sandbox.host import Host, Identity
from rung.sandbox.running import Started
from rung.sandbox.shape import PYTHON, Job, Limits
from rung.sandbox.workdir import give_away, lay_out, make_work, remove

_SLOT = Path(__file__).with_name("inside") / "slot.py"


@dataclass(frozen=True, slots=True)
class Laid:
    """A started process and its work folder, which is to be removed after it.

    ``there`` is what the folder of a slot holds already.
    """

    started: Started
    work: Path
    there: Mapping[str, bytes] = field(default_factory=dict)

    def clear(self) -> None:
        """Blocks until the process is reaped."""
        self.started.kill()
        self.started.reap()
        remove(self.work)


def environment_of(job: Job) -> dict[str, str]:
    """All that ``job`` finds in its environment."""
    return {**bubble.ENVIRONMENT, **job.environment}


def start_job(host: Host, base: Path, job: Job, limits: Limits) -> Laid:
    """Lay out ``job`` and start it in a sandbox. Raises OSError."""
    argv = [host.python, "-s", *job.argv[1:]] if job.argv[0] == PYTHON else list(job.argv)
    work = make_work(base, host.identity.group)
    try:
        lay_out(work, job.files)
        return Laid(_bubble(host, limits, work, job, argv), work)
    except BaseException:
        remove(work)
        raise


def start_slot(host: Host, base: Path, limits: Limits, there: Mapping[str, bytes]) -> Laid:
    """Start a Python that warms up and then waits for a job, in a sandbox of its own.

    It finds ``there``, modules that it imports meanwhile, and nothing else.
    """
    work = make_work(base, host.identity.group)
    job = Job(argv=(host.python,))
    modules = [path.removesuffix(".py").replace("/", ".") for path in there]
    argv = [host.python, "-I", "-c", _SLOT.read_text("utf-8"), *modules]
    try:
        lay_out(work, there)
        return Laid(_bubble(host, limits, work, job, argv), work, there)
    except BaseException:
        remove(work)
        raise


def _bubble(host: Host, limits: Limits, work: Path, job: Job, argv: list[str]) -> Started:
    with ExitStack() as passed, ExitStack() as kept:
        status, status_end = os.pipe2(os.O_CLOEXEC)
        kept.callback(os.close, status)
        passed.callback(os.close, status_end)
        seccomp = _pipe_with(host.filter, passed)
        users = _pipe_with(bubble.USERS, passed)
        descriptors = Descriptors(seccomp, users, status_end)
        bridge = host.bridge.over(work.parent)
        inside = Inside(limits, work, host.reads, environment_of(job), job.writable)
        inside = replace(inside, emptied=host.emptied, source=bridge.source)
        words = [*bridge.words, *bubble.command(host.programs, descriptors, inside), *argv]
        os.set_blocking(status, False)
        # A bridge is built by root, and is left as the jobs' user.
        identity = Identity() if bridge.words else host.identity
        popen = _popen(words, identity, descriptors.all, Path("/"))
        kept.pop_all()
        return Started(popen, status)


def start_bare(
    shell: str, identity: Identity, base: Path, job: Job, limits: Limits, python: str
) -> Laid:
    """Start ``job`` with nothing around it but its process's own limits."""
    argv = [python, "-s", *job.argv[1:]] if job.argv[0] == PYTHON else list(job.argv)
    work = make_work(base, identity.group)
    try:
        lay_out(work, job.files)
        if job.writable and identity.user is not None:
            give_away(work, identity.user, identity.user)
        # Only what every shell knows; each limit that this system lacks is left out.
        sets = (
            f"ulimit -c 0; ulimit -t {int(limits.cpu_seconds) + 1};"
            f" ulimit -n {limits.open_files}; ulimit -f {limits.file_bytes // 512};"
            f" ulimit -d {limits.memory_bytes // 1024} 2>/dev/null; "
        )
        environment = {**environment_of(job), "HOME": str(work)}
        words = [shell, "-c", sets + 'exec "$@"', "job", *argv]
        return Laid(Started(_popen(words, identity, (), work, environment)), work)
    except BaseException:
        remove(work)
        raise


def _popen(
    words: list[str],
    identity: Identity,
    passed: tuple[int, ...],
    folder: Path,
    environment: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - running what others wrote is what this is for
        words,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=environment or {},
        pass_fds=passed,
        start_new_session=True,
        user=identity.user,
        group=identity.group,
        extra_groups=None if identity.user is None else [],
    )


def _pipe_with(content: bytes, stack: ExitStack) -> int:
    """A descriptor to read ``content`` from, which fits into a pipe."""
    assert len(content) <= 65_536
    end, start = os.pipe2(os.O_CLOEXEC)
    stack.callback(os.close, end)
    os.write(start, content)
    os.close(start)
    return end
