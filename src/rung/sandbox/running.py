"""One started process followed from the host: fed, read, watched, ended and accounted for.

Works on any event loop: it asks for readable and writable descriptors only.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field

from rung.sandbox.shape import Ended, Limits, Ran, UnavailableError
from rung.sandbox.watch import broken, leads_namespace, too_many_files, usage

LOOK_SECONDS = 0.01
CLOSE_LOOK_SECONDS = 0.003
"""Between two looks at what a job uses, and where it uses more than half of its memory. For so long
it can exceed a limit that only rung counts; a look takes 0.1 to 1 ms."""

LAST_OUTPUT_SECONDS = 1.0
DEATH_SECONDS = 5.0
_READ_BYTES = 65_536
_READS_AT_ONCE = 16
_FIRST_PROCESS = re.compile(rb'"child-pid": (\d+)')
_EXIT_CODE = re.compile(rb'"exit-code": (\d+)')
_LAST_SIGNAL = 64


@dataclass(slots=True)
class Started:
    """A process whose three pipes are ours. ``status`` is where bubblewrap reports, if it is one.

    Each leads a process group of its own, so that one signal reaches it and what it is about to
    start.
    """

    popen: subprocess.Popen[bytes]
    status: int | None = None
    told: bytes = b""

    def kill(self) -> None:
        """End it with all that belongs to it. Returns at once."""
        if self.popen.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.popen.pid, signal.SIGKILL)
        self._kill_namespace()

    def _kill_namespace(self) -> None:
        """Kill the first process inside too.

        For about a millisecond of its start it has left the group and is not yet bound to die with
        bubblewrap. Its number was reported before that; it is sent nothing if it means another.
        """
        told = self.read_status()
        first = _FIRST_PROCESS.search(told)
        if first is not None and not _EXIT_CODE.search(told) and leads_namespace(int(first[1])):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(first[1]), signal.SIGKILL)

    def kill_tree(self) -> None:
        """As `kill`, and every descendant that can be found: there is no namespace to end."""
        for process in reversed(usage(self.popen.pid).processes[1:]):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        # The group can outlive its leader, and keeps its number until it is empty.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.popen.pid, signal.SIGKILL)

    def reap(self) -> None:
        """Wait for its death and close what is open. Blocks; never raises."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(DEATH_SECONDS)
        self._kill_namespace()
        for pipe in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        if self.status is not None:
            os.close(self.status)
            self.status = None

    def read_status(self) -> bytes:
        """Everything that bubblewrap has reported up to now."""
        if self.status is not None:
            with contextlib.suppress(BlockingIOError):
                while more := os.read(self.status, _READ_BYTES):
                    self.told += more
        return self.told


@dataclass(slots=True)
class _Output:
    """Both streams, up to a number of bytes together. What is heard at once is not kept."""

    room: int
    heard: dict[int, Callable[[bytes], None]] = field(default_factory=dict)
    chunks: dict[int, list[bytes]] = field(default_factory=dict)
    truncated: bool = False

    def add(self, stream: int, chunk: bytes) -> None:
        kept = chunk[: self.room]
        self.room -= len(kept)
        self.truncated = self.truncated or len(kept) < len(chunk)
        if stream in self.heard:
            self.heard[stream](kept)
        elif kept:
            self.chunks.setdefault(stream, []).append(kept)

    def of(self, stream: int) -> bytes:
        return b"".join(self.chunks.get(stream, ()))


class Running:
    """Follows one started process to its end, once."""

    def __init__(self, started: Started, limits: Limits, *, sandboxed: bool) -> None:
        self._started = started
        self._limits = limits
        self.sandboxed = sandboxed
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Ended] = self._loop.create_future()
        self._drained = asyncio.Event()
        self._dead = asyncio.Event()
        self._output = _Output(limits.output_bytes)
        popen = started.popen
        assert popen.stdin is not None
        assert popen.stdout is not None
        assert popen.stderr is not None
        self._stdin, self._stdout, self._stderr = popen.stdin, popen.stdout, popen.stderr
        self._reading = {self._stdout.fileno(), self._stderr.fileno()}
        self._pidfd: int | None = None
        self._unsent = bytearray()
        self._more = False

    async def finish(self, stdin: bytes) -> Ran:
        """Feed it, and return when it has ended or was ended. Cancelled, it is killed.

        Raises UnavailableError if bubblewrap failed before there was a job.
        """
        self._unsent += stdin
        return await self._followed()

    async def converse(self, hear: Callable[[bytes], None]) -> Ran:
        """As `finish`, but its input stays open for `say`, and ``hear`` gets what it writes."""
        self._more = True
        self._output.heard[self._stdout.fileno()] = hear
        return await self._followed()

    def say(self, words: bytes) -> None:
        """Feed it more. What it does not read is kept until it has ended."""
        self._unsent += words
        if self._more:
            self._write()

    def end(self, why: Ended) -> None:
        """Let it be killed, for this reason unless it has ended already."""
        if not self._ended.done():
            self._ended.set_result(why)

    async def _followed(self) -> Ran:
        began = self._loop.time()
        timer = self._loop.call_later(self._limits.wall_seconds, self.end, Ended.WALL)
        looking = asyncio.create_task(self._look())
        try:
            self._attach()
            ended = await self._ended
            seconds = self._loop.time() - began
            if ended is not Ended.EXIT:
                self.kill()
            await _within(self._dead, DEATH_SECONDS)
            await _within(self._drained, LAST_OUTPUT_SECONDS)
        finally:
            timer.cancel()
            looking.cancel()
            self.kill()
            self._detach()
        return self._account(ended, seconds)

    def _attach(self) -> None:
        for pipe in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(pipe.fileno(), False)
        for stream in tuple(self._reading):
            self._loop.add_reader(stream, self._read, stream)
        self._write()
        # Absent outside Linux, and in a process that may open no more files: `_look` asks as well.
        with contextlib.suppress(AttributeError, OSError):
            self._pidfd = os.pidfd_open(self._started.popen.pid)
            self._loop.add_reader(self._pidfd, self._ask_whether_dead)

    def _detach(self) -> None:
        self._more = False
        for stream in tuple(self._reading):
            self._loop.remove_reader(stream)
        if not self._stdin.closed:
            self._loop.remove_writer(self._stdin.fileno())
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def kill(self) -> None:
        """End it with all that belongs to it. Returns at once."""
        if self.sandboxed:
            self._started.kill()
        else:
            self._started.kill_tree()

    def _read(self, stream: int) -> None:
        for _ in range(_READS_AT_ONCE):
            try:
                chunk = os.read(stream, _READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                chunk = b""
            if not chunk:
                self._stop_reading(stream)
                return
            self._output.add(stream, chunk)
            if self._output.truncated:
                self.end(Ended.OUTPUT)
                self._stop_reading(stream)
                return

    def _stop_reading(self, stream: int) -> None:
        self._loop.remove_reader(stream)
        self._reading.discard(stream)
        if not self._reading:
            self._drained.set()

    def _write(self) -> None:
        descriptor = self._stdin.fileno()
        try:
            del self._unsent[: os.write(descriptor, self._unsent[:_READ_BYTES])]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            # A job that does not read what it is given is none the worse for it.
            self._unsent.clear()
            self._more = False
        self._loop.remove_writer(descriptor)
        if self._unsent:
            self._loop.add_writer(descriptor, self._write)
        elif not self._more:
            self._stdin.close()

    def _ask_whether_dead(self) -> None:
        if self._started.popen.poll() is not None:
            if self._pidfd is not None:
                self._loop.remove_reader(self._pidfd)
            self._dead.set()
            self.end(Ended.EXIT)

    async def _look(self) -> None:
        used = usage(self._started.popen.pid)
        before = used.cpu_seconds
        while not self._dead.is_set():
            close = used.memory_bytes > self._limits.memory_bytes / 2
            await asyncio.sleep(CLOSE_LOOK_SECONDS if close else LOOK_SECONDS)
            self._ask_whether_dead()
            used = usage(self._started.popen.pid)
            why = broken(used, self._limits, before)
            if why is None and self.sandboxed:
                why = self._storage()
            if why is not None:
                self.end(why)

    def _storage(self) -> Ended | None:
        first = _FIRST_PROCESS.search(self._started.read_status())
        if first is not None and too_many_files(int(first[1]), self._limits):
            return Ended.STORAGE
        return None

    def _account(self, ended: Ended, seconds: float) -> Ran:
        # What ended first, a flood or the job that made it, is chance; the verdict must not be.
        ended = Ended.OUTPUT if self._output.truncated else ended
        stderr = self._output.of(self._stderr.fileno())
        status, killed_by = self._how(ended, stderr)
        return Ran(
            status=status,
            signal=killed_by,
            stdout=self._output.of(self._stdout.fileno()),
            stderr=stderr,
            seconds=seconds,
            ended_by=ended,
            truncated=self._output.truncated,
            sandboxed=self.sandboxed,
        )

    def _how(self, ended: Ended, stderr: bytes) -> tuple[int | None, int | None]:
        """Exit status and signal; bubblewrap tells of a signal as shells do."""
        if ended is not Ended.EXIT:
            return None, int(signal.SIGKILL)
        code = self._started.popen.returncode
        if self.sandboxed:
            told = _EXIT_CODE.search(self._started.read_status())
            if told is None:
                raise setup_failure(stderr)
            code = int(told[1])
            code = 128 - code if 128 < code <= 128 + _LAST_SIGNAL else code
        return (None, -code) if code < 0 else (code, None)


async def _within(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


_CAUSES = {
    b"proc": "in a container, run it with `--security-opt systempaths=unconfined`, or set"
    " allow_unsandboxed",
    b"uid map": "on Ubuntu, let bwrap make user namespaces: an AppArmor profile for it, or"
    " `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`",
    b"amespace": "allow user namespaces: `sudo sysctl user.max_user_namespaces=15000` (older"
    " Debian: kernel.unprivileged_userns_clone=1); in a container, a seccomp profile that does",
}


def setup_failure(stderr: bytes) -> UnavailableError:
    """Why bubblewrap could not make a sandbox, from what it said, and what helps."""
    said = stderr[:300].decode("utf-8", "replace").strip() or "it ended without a word"
    said = " ".join("".join(char if char.isprintable() else " " for char in said).split())
    fix = next((fix for mark, fix in _CAUSES.items() if mark in stderr), "run `rung doctor`")
    return UnavailableError(f"bubblewrap could not make a sandbox: {said}", fix=fix)
