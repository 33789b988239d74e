"""The canary: proof, before anything is run, that this machine's sandbox holds.

A battery runs inside against real bait of the host's: a secret file, listening sockets. Then a
flood and a sleeper have to be ended from outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import secrets
import socket
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from rung.sandbox import seccomp
from rung.sandbox.host import Host
from rung.sandbox.shape import PYTHON, Check, Ended, Job, Limits, Proof, Ran, UnavailableError

_BATTERY = Path(__file__).with_name("inside") / "battery.py"
_LIMITS = Limits(wall_seconds=20.0, cpu_seconds=10.0, processes=16, tmp_bytes=4 << 20)
_TRIED_CALLS = (
    *("ptrace", "process_vm_readv", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup"),
    *("keyctl", "add_key", "mount", "unshare", "setns", "pivot_root", "open_tree", "fsopen"),
    *("memfd_create", "shmget", "mq_open", "open_by_handle_at", "kexec_load", "init_module"),
)
"""System calls the battery makes, with arguments that do nothing where a call is let through."""

_FOLDERS = ("/root", "/home", "/sys", "/run", "/var", "/tmp", "/opt", "/srv", "/mnt")  # noqa: S108
"""Folders that must be empty or absent, but for what jobs are meant to read."""

Run = Callable[[Job, Limits], Awaitable[Ran]]


async def prove(run: Run, host: Host) -> Proof:
    """Run everything; what it finds is in the proof, also where the sandbox does not hold.

    Raises UnavailableError if there was no finding at all.
    """
    began = time.monotonic()
    parts = (_battery(run, host.reads), _flood(run), _sleeper(run))
    found = await asyncio.gather(*parts, return_exceptions=True)
    checks: list[Check] = []
    for part in found:
        if isinstance(part, BaseException):
            raise part
        checks += part
    return Proof(
        sandboxed=True, checks=tuple(checks), version=host.version, seconds=time.monotonic() - began
    )


async def _battery(run: Run, reads: tuple[Path, ...]) -> list[Check]:
    with _bait() as told:
        told["ways"] = ways(reads)
        told["folders"] = [
            folder for folder in _FOLDERS if not any(read.is_relative_to(folder) for read in reads)
        ]
        ran = await run(
            Job(
                argv=(PYTHON, "battery.py"),
                files={"battery.py": _BATTERY.read_bytes()},
                stdin=json.dumps(told).encode(),
            ),
            _LIMITS,
        )
        try:
            said: dict[str, Any] = json.loads(ran.stdout.rpartition(b"\n{")[2].join((b"{", b"")))
            checks = [Check(name, held is True, str(seen)) for name, held, seen in said["checks"]]
        except (ValueError, KeyError, TypeError):
            said, checks = {}, []
        if said.get("nonce") != told["nonce"] or ran.ended_by is not Ended.EXIT or not checks:
            words = ran.stderr[-300:].decode("utf-8", "replace").strip()
            raise UnavailableError(
                f"the canary gave no answer ({ran.ended_by}, status {ran.status}): {words}",
                fix="see that the system's python3 works, then run `rung doctor`",
            )
        return checks


def ways(reads: tuple[Path, ...]) -> dict[str, list[str]]:
    """What each folder on the way to what is shown must hold, and nothing else."""
    names: dict[Path, set[str]] = {}
    for read in reads:
        if not any(read.is_relative_to(other) for other in reads if other != read):
            for step, above in zip((read, *read.parents), read.parents, strict=False):
                names.setdefault(above, set()).add(step.name)
    return {str(folder): sorted(held) for folder, held in names.items() if folder.name}


async def _flood(run: Run) -> list[Check]:
    words = "import sys\nwhile True: sys.stdout.write('x' * 65536)"
    ran = await run(_python(words), replace(_LIMITS, output_bytes=100_000))
    held = ran.ended_by is Ended.OUTPUT and len(ran.stdout) == 100_000
    return [Check("is ended when it floods", held, f"{ran.ended_by} after {len(ran.stdout)} bytes")]


async def _sleeper(run: Run) -> list[Check]:
    words = "import signal\nsignal.pause()"
    ran = await run(_python(words), replace(_LIMITS, wall_seconds=0.3))
    held = ran.ended_by is Ended.WALL
    return [Check("is ended when it sleeps", held, f"{ran.ended_by} after {ran.seconds:.2f} s")]


def _python(words: str) -> Job:
    return Job(argv=(PYTHON, "main.py"), files={"main.py": words.encode()})


@contextlib.contextmanager
def _bait() -> Iterator[dict[str, Any]]:
    """A secret file and sockets that anything outside the sandbox could reach."""
    column = list(seccomp.ARCHITECTURES).index(platform.machine())
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rung-bait-")))
        folder.chmod(0o755)
        secret = folder / "secret"
        secret.write_text("secret", "utf-8")
        secret.chmod(0o644)
        abstract = f"rung-{secrets.token_hex(8)}"
        tcp = _listener(stack, socket.AF_INET, ("127.0.0.1", 0))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        _listener(stack, socket.AF_UNIX, str(folder / "socket"))
        _listener(stack, socket.AF_UNIX, f"\0{abstract}")
        (folder / "socket").chmod(0o777)
        yield {
            "nonce": secrets.token_hex(16),
            "host_pid": os.getpid(),
            "tcp_port": tcp.getsockname()[1],
            "udp_port": udp.getsockname()[1],
            "unix": str(folder / "socket"),
            "abstract": abstract,
            "secret": str(secret),
            "processes": _LIMITS.processes,
            "calls": {name: seccomp.DENIED[name][column] for name in _TRIED_CALLS},
        }


def _listener(stack: contextlib.ExitStack, family: int, address: Any) -> socket.socket:
    listening = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
    listening.bind(address)
    listening.listen(1)
    return listening
