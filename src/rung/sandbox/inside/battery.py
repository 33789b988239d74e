"""Runs inside a sandbox: tries what must fail and what must work, and says what happened.

Reads a JSON object from stdin: ``nonce``, ``host_pid``, ``tcp_port`` and ``udp_port`` of listeners
of the host on 127.0.0.1, ``unix`` and ``abstract`` addresses of such sockets, ``secret`` (a file of
the host), ``folders`` (of the host), ``ways`` (names by folder, of what leads to what is shown),
``processes`` (the limit), ``calls`` (numbers of system calls by name). Writes ``nonce`` and
``checks``, a list of [name, held, seen].
"""

import ctypes
import errno
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

Tried = Callable[[], object]
_NONSENSE = (-1,) * 6
"""Arguments with which none of the calls that are tried does anything."""

_DEVICE = "/tmp/device"  # noqa: S108 - the sandbox's own, as is that below
_MINE = "/tmp/mine"  # noqa: S108
_libc = ctypes.CDLL(None, use_errno=True)


class _RefusedError(Exception):
    """It failed, as it must, without an OSError."""


def _call(number: int, *arguments: int) -> str:
    ctypes.set_errno(0)
    given = _libc.syscall(ctypes.c_long(number), *(ctypes.c_long(word) for word in arguments))
    wrong = ctypes.get_errno()
    # Any other error is the kernel's answer to the arguments: the call itself was let through.
    if given == -1 and wrong in {errno.EPERM, errno.ENOSYS}:
        raise OSError(wrong, os.strerror(wrong))
    return f"gave {given}, {os.strerror(wrong)}"


def _read(path: str) -> str:
    with Path(path).open("rb") as file:
        read = file.read(100)
    if not read:
        raise _RefusedError("empty")
    return f"read {len(read)} bytes"


def _write(path: str, content: bytes = b"1") -> str:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        return f"wrote {os.write(descriptor, content)} bytes"
    finally:
        os.close(descriptor)


def _create(path: str) -> str:
    with Path(path).open("wb") as file:
        return f"wrote {file.write(b'x')} bytes"


def _reach(family: int, kind: int, address: tuple[str, int] | str) -> str:
    with socket.socket(family, kind) as connection:
        connection.settimeout(1)
        connection.connect(address)
        connection.send(b"x")
        return "connected"


def _socket(family: str) -> socket.socket:
    return socket.socket(getattr(socket, family), socket.SOCK_DGRAM, 0)


def _listed(path: str) -> str:
    names = list(Path(path).iterdir())
    if not names:
        raise _RefusedError("empty")
    return f"listed {len(names)} names"


def _kill_host(process: int) -> str:
    if Path(f"/proc/{process}/environ").exists() and process > 100:
        return "the host's process can be seen"
    os.kill(process + 1_000_000, 0)
    return "signalled"


def _shared_memory() -> str:
    return f"mapped {len(mmap.mmap(-1, 1 << 20))} shared bytes"


def must_fail(told: dict[str, Any]) -> Iterator[tuple[str, Tried]]:
    """What has to be refused, by name."""
    for path in ("/etc/shadow", "/etc/hostname", "/proc/1/root/etc/shadow", "/proc/1/environ"):
        yield f"read {path}", partial(_read, path)
    yield "read a file of the host", lambda: _read(told["secret"])
    yield "read the kernel's log", lambda: _read("/proc/kmsg")
    for path in told["folders"]:
        yield f"look into {path}", partial(_listed, path)
    for path in ("kernel/core_pattern", "vm/overcommit_memory", "kernel/hostname", "fs/file-max"):
        yield f"write /proc/sys/{path}", partial(_write, f"/proc/sys/{path}")
    yield "write /proc/sysrq-trigger", lambda: _write("/proc/sysrq-trigger", b"h")
    for folder in ("/usr", "/job", "/dev", "", "/etc"):
        yield f"create a file in {folder or '/'}", partial(_create, f"{folder}/created")
    port = ("127.0.0.1", told["tcp_port"])
    yield "TCP", lambda: _reach(socket.AF_INET, socket.SOCK_STREAM, port)
    yield "UDP", lambda: _reach(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", told["udp_port"]))
    yield "IPv6", lambda: _reach(socket.AF_INET6, socket.SOCK_STREAM, ("::1", told["tcp_port"]))
    yield "raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
    for family in ("AF_NETLINK", "AF_PACKET", "AF_VSOCK", "AF_ALG"):
        yield family, partial(_socket, family)
    yield "unix socket", lambda: _reach(socket.AF_UNIX, socket.SOCK_STREAM, told["unix"])
    yield (
        "abstract socket",
        lambda: _reach(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + told["abstract"]),
    )
    yield "signal the host", lambda: _kill_host(told["host_pid"])
    yield "shared memory that nobody counts", _shared_memory
    yield "become root", lambda: os.setuid(0)
    yield "make a device", lambda: os.mknod(_DEVICE, 0o60666, os.makedev(8, 0))
    yield "raise a limit", _raise_limit
    yield "set the clock", lambda: time.clock_settime(time.CLOCK_REALTIME, time.time())
    for name, number in told["calls"].items():
        yield name, partial(_call, number, *_NONSENSE)


def _raise_limit() -> None:
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    resource.setrlimit(resource.RLIMIT_NPROC, (hard + 1, hard + 1))


def must_hold(told: dict[str, Any]) -> Iterator[tuple[str, Tried]]:
    """What has to be in folders that lead to what is shown; each gives None if it is."""
    for folder, names in told["ways"].items():
        yield f"what is shown in {folder}", partial(_holds, folder, names)


def _holds(folder: str, names: list[str]) -> str | None:
    return _wanted(sorted(path.name for path in Path(folder).iterdir()), names)


def must_work() -> Iterator[tuple[str, Tried]]:
    """What has to be possible; each gives None if it is."""
    yield "arithmetic", lambda: _wanted(sum(range(10)), 45)
    yield "JSON", lambda: _wanted(json.loads(json.dumps({"a": [1]})), {"a": [1]})
    yield "write /tmp", lambda: _wanted(_create(_MINE), "wrote 1 bytes")
    yield "a child", lambda: _wanted(subprocess.run(["/usr/bin/env"], check=False).returncode, 0)
    yield "a thread", _thread
    yield "randomness", lambda: _wanted(len(os.urandom(8)), 8)
    yield "a socket pair", lambda: _wanted(len(socket.socketpair()), 2)


def must_be(told: dict[str, Any]) -> Iterator[tuple[str, Tried]]:
    """What has to be so; each gives None if it is."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    yield "no capabilities", lambda: _wanted(int(status["CapEff"], 16), 0)
    yield "no bounding capabilities", lambda: _wanted(int(status["CapBnd"], 16), 0)
    yield "no new privileges", lambda: _wanted(status["NoNewPrivs"].strip(), "1")
    yield "a system call filter", lambda: _wanted(status["Seccomp"].strip(), "2")
    yield "not root", lambda: _wanted((os.getuid(), os.getgid(), os.getgroups()), _NOBODY)
    yield "a namespace of processes", lambda: _wanted(os.getpid() < 100, True)  # noqa: FBT003
    yield "no other descriptors", _descriptors
    yield "no other environment", _environment
    yield "a limit on processes", lambda: _processes(told["processes"])


_NOBODY: tuple[int, int, list[int]] = (65534, 65534, [])
_KNOWN = {"HOME", "LANG", "LOGNAME", "PATH", "PWD", "PYTHONDONTWRITEBYTECODE", "TMPDIR", "TZ"}


def _wanted(seen: object, wanted: object) -> str | None:
    return None if seen == wanted else f"{seen!r}, not {wanted!r}"


def _thread() -> str | None:
    seen: list[int] = []
    thread = threading.Thread(target=seen.append, args=(1,))
    thread.start()
    thread.join()
    return _wanted(seen, [1])


def _descriptors() -> str | None:
    opened = []
    for descriptor in range(3, 256):
        try:
            os.fstat(descriptor)
        except OSError:
            continue
        opened.append(descriptor)
    return _wanted(opened, [])


def _environment() -> str | None:
    return _wanted(sorted(set(os.environ) - _KNOWN - {"USER", "LC_CTYPE"}), [])


def _processes(limit: int) -> str | None:
    children: list[int] = []
    try:
        while len(children) <= limit + 8:
            child = os.fork()
            if child == 0:
                signal.pause()
                os._exit(0)
            children.append(child)
    except OSError:
        return None
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return f"{len(children)} children where {limit} are allowed"


def _refused(tried: Tried) -> tuple[bool, str]:
    try:
        got = tried()
    except (OSError, _RefusedError, ValueError, AttributeError) as error:
        return True, f"{type(error).__name__}: {error}"[:100]
    return False, f"{got!r}"[:100]


def _worked(tried: Tried) -> tuple[bool, str]:
    try:
        wrong = tried()
    except Exception as error:  # noqa: BLE001 - whatever goes wrong here is the finding
        return False, f"{type(error).__name__}: {error}"[:100]
    return wrong is None, str(wrong or "as it must be")[:100]


def main() -> None:
    """Try everything, and say what happened."""
    told = json.load(sys.stdin)
    checks: list[tuple[str, bool, str]] = []
    # What nobody has written to yet is looked into first.
    checks += [(f"sees only {name}", *_worked(tried)) for name, tried in must_hold(told)]
    checks += [(f"cannot {name}", *_refused(tried)) for name, tried in must_fail(told)]
    checks += [(f"can do: {name}", *_worked(tried)) for name, tried in must_work()]
    checks += [(f"has {name}", *_worked(tried)) for name, tried in must_be(told)]
    sys.stdout.write("\n" + json.dumps({"nonce": told["nonce"], "checks": checks}) + "\n")


if __name__ == "__main__":
    main()
