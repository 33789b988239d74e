"""Runs the attacks in a sandbox, as whoever starts this, and writes what happened as JSON lines.

    python sandbox_driver.py [warm]

The first line is about the canary. Every other is about one attack: how it ended, what it said, and
what the host saw: processes left over, memory taken, bait touched.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

from rung.sandbox import PYTHON, Job, Limits, Sandbox, UnavailableError, canary, seccomp
from rung.sandbox.host import DROPPED_ID, own_tools
from rung.sandbox.watch import own_bytes, usage
from support.sandbox_attacks import ATTACKS, PRELUDE, Attack

LIMITS = Limits(
    wall_seconds=1.5,
    cpu_seconds=5.0,
    memory_bytes=256 << 20,
    processes=24,
    file_bytes=8 << 20,
    output_bytes=200_000,
    open_files=128,
    tmp_bytes=16 << 20,
)
SETTINGS = ("/proc/sys/kernel/core_pattern", "/proc/sys/vm/overcommit_memory")


class Host:
    """The bait, and what has become of it."""

    def __init__(self, stack: ExitStack) -> None:
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rung-attack-")))
        self.folder.chmod(0o755)
        self.secret = self.folder / "secret"
        self.secret.write_text("canary-secret", "utf-8")
        self.secret.chmod(0o666)
        self.victim = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
        stack.callback(self._end_victim)
        self.abstract = f"rung-attack-{os.getpid()}"
        self.tcp = self._listen(stack, socket.AF_INET, ("127.0.0.1", 0))
        self.udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.udp.bind(("127.0.0.1", 0))
        self.udp.settimeout(0)
        self.unix = self._listen(stack, socket.AF_UNIX, str(self.folder / "unix"))
        (self.folder / "unix").chmod(0o777)
        self.hidden = self._listen(stack, socket.AF_UNIX, f"\0{self.abstract}")
        self.settings = [Path(path).read_text("utf-8") for path in SETTINGS]

    def told(self, shown: tuple[Path, ...]) -> dict[str, object]:
        column = list(seccomp.ARCHITECTURES).index(platform.machine())
        rows = {**seccomp.DENIED, **seccomp.LOOKED_INTO, "clone3": seccomp.CLONE3}
        return {
            "secret": str(self.secret),
            "tcp": self.tcp.getsockname()[1],
            "udp": self.udp.getsockname()[1],
            "unix": str(self.folder / "unix"),
            "abstract": self.abstract,
            "host": os.getpid(),
            "victim": self.victim.pid,
            "processes": LIMITS.processes,
            "memory": LIMITS.memory_bytes,
            "tmp": LIMITS.tmp_bytes,
            "file": LIMITS.file_bytes,
            "open": LIMITS.open_files,
            "ways": canary.ways(shown),
            "calls": {name: row[column] for name, row in rows.items() if row[column] is not None},
        }

    def touched(self) -> list[str]:
        """What of the host was reached or changed."""
        found = [
            name
            for name, listener in (
                ("tcp", self.tcp),
                ("unix", self.unix),
                ("abstract", self.hidden),
            )
            if _accepted(listener)
        ]
        try:
            self.udp.recv(10)
            found.append("udp")
        except BlockingIOError:
            pass
        if self.victim.poll() is not None:
            found.append("victim")
        if self.secret.read_text("utf-8") != "canary-secret":
            found.append("secret")
        if self.settings != [Path(path).read_text("utf-8") for path in SETTINGS]:
            found.append("settings")
        if sorted(path.name for path in self.folder.iterdir()) != ["secret", "unix"]:
            found.append("folder")
        return found

    def _end_victim(self) -> None:
        self.victim.kill()
        self.victim.wait()

    @staticmethod
    def _listen(stack: ExitStack, family: int, address: object) -> socket.socket:
        listening = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        listening.bind(address)
        listening.listen(1)
        listening.settimeout(0)
        return listening


def _accepted(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def left_over(user: int, spared: set[int]) -> list[int]:
    """Processes of ``user`` that should not be there any more."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) not in spared:
            try:
                owned = entry.stat().st_uid == user
                # A zombie waits for its new parent, outside all of this, to notice.
                alive = b"State:\tZ" not in (entry / "status").read_bytes()
            except OSError:
                continue
            if owned and alive:
                found.append(int(entry.name))
    return found


def spared(host: Host, warm: int) -> set[int]:
    """Processes that are meant to be there. What has lost its parent is never among them."""
    waiting = usage(os.getpid()).processes if warm else ()
    return {os.getpid(), host.victim.pid, *waiting}


class Peak:
    """The most memory that this process's children held at once."""

    def __init__(self) -> None:
        self.bytes = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(0.02):
            children = usage(os.getpid())
            if children.memory_bytes > 64 << 20:
                self.bytes = max(self.bytes, own_bytes(children.processes[1:]))

    def stop(self) -> int:
        self._over.set()
        self._thread.join()
        return self.bytes


async def attempt(box: Sandbox, host: Host, attack: Attack, warm: int) -> dict[str, object]:
    peak = Peak()
    began = time.monotonic()
    ran = await box.run(
        Job(
            argv=(PYTHON, "main.py"),
            files={"main.py": (PRELUDE + attack.code).encode()},
            stdin=json.dumps(host.told(box._host.reads)).encode() + b"\n" + attack.stdin,
        ),
        replace(LIMITS, **attack.limits),
    )
    took = time.monotonic() - began
    left = await unexpected(host, warm)
    said = asdict(ran)
    said.update(
        name=attack.name,
        stdout=ran.stdout[:5000].decode("latin-1"),
        stderr=ran.stderr[-2000:].decode("latin-1"),
        output=len(ran.stdout) + len(ran.stderr),
        peak=peak.stop(),
        took=took,
        left=left,
        touched=host.touched(),
    )
    return said


async def main(warm: int) -> None:
    os.environ["RUNG_CANARY_KEY"] = "sk-canary"
    before = folders()
    with ExitStack() as stack:
        host = Host(stack)
        # Where slots are kept, jobs see rung's own tools as well, as the gateway's commands do.
        box = Sandbox(LIMITS, warm=warm, reads=own_tools() if warm else ())
        try:
            proof = await box.prove()
            write({"checks": len(proof.checks), "held": proof.held})
            for attack in ATTACKS:
                write(await attempt(box, host, attack, warm))
        except UnavailableError as error:
            write({"unavailable": str(error)})
        finally:
            await box.close()
        write({"left": await unexpected(host, 0), "folders": sorted(folders() - before)})


def folders() -> set[str]:
    return {str(path) for path in Path(tempfile.gettempdir()).glob("rung-sandbox-*")}


async def unexpected(host: Host, warm: int) -> list[int]:
    """What is left over two seconds after a job: its end reaches its processes one by one."""
    user = DROPPED_ID if os.geteuid() == 0 else os.geteuid()
    deadline = time.monotonic() + 2
    # Nothing tells of the end of processes that are not ours.
    while left := left_over(user, spared(host, warm)):
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(0.005)
    return left


def write(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
