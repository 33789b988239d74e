"""The processes under measurement: started on a core of their own, read through the kernel."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

HERE = Path(__file__).parent
RUNG = str(Path(sys.executable).with_name("rung"))
START_SECONDS = 20.0

_open = build_opener(ProxyHandler({})).open


class Process:
    """A running server. ``port`` is where it listens."""

    def __init__(self, command: Sequence[str], port: int, folder: Path) -> None:
        self.port = port
        # Nothing of the caller's configuration, keys or proxies may change what is measured.
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "BENCH_KEY": "none"}
        self._process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)

    def healthy(self, path: str) -> None:
        """Wait for a 200 at ``path``."""
        until = time.perf_counter() + START_SECONDS
        while time.perf_counter() < until:
            if self._process.poll() is not None:
                told = b"" if self._process.stderr is None else self._process.stderr.read()
                raise RuntimeError(told.decode("utf-8", "replace"))
            try:
                with _open(f"http://127.0.0.1:{self.port}{path}", timeout=5):
                    return
            except (URLError, OSError):
                time.sleep(0.002)
        raise TimeoutError(f"no answer at port {self.port}")

    def cpu_seconds(self) -> float:
        """CPU time of all threads, dead ones included, in nanosecond steps.

        The same count as utime + stime of /proc/PID/stat, which has steps of 10 ms.
        """
        return time.clock_gettime(~self._process.pid << 3 | 2)

    def resident_mb(self) -> float:
        """Resident memory (VmRSS)."""
        status = Path(f"/proc/{self._process.pid}/status").read_text("ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()


class Bystanders:
    """How much of the machine others take while something is measured."""

    def __init__(self, *ours: Process) -> None:
        self._ours = ours
        self._began = (time.perf_counter(), _machine_seconds(), self._own_seconds())

    def share(self) -> float:
        """CPU time of everything but this process and ``ours``, of all there was since the start.

        The kernel's own work for the disk counts as others'.
        """
        began, busy, own = self._began
        there_was = (time.perf_counter() - began) * (os.cpu_count() or 1)
        others = (_machine_seconds() - busy) - (self._own_seconds() - own)
        return max(0.0, others / there_was)

    def _own_seconds(self) -> float:
        return time.process_time() + sum(process.cpu_seconds() for process in self._ours)


def _machine_seconds() -> float:
    """CPU time that was not idle, all cores, what the host took away included."""
    first = Path("/proc/stat").read_text("ascii").partition("\n")[0]
    user, nice, system, _, _, *rest = map(int, first.split()[1:9])
    return float(user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cores() -> tuple[set[int], set[int]]:
    """Where the gateways run, and where load and upstream run; the same where there is but one."""
    allowed = sorted(os.sched_getaffinity(0))
    return {allowed[0]}, {allowed[-1]}


@contextmanager
def on(where: set[int]) -> Iterator[None]:
    """Processes started inside run on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, where)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def rung(stack: ExitStack, folder: Path, upstream: int, ledger: Path) -> Process:
    """A gateway with a plain ladder and one whose first tier breaks schemas."""
    port = free_port()
    config = folder / f"rung-{port}.toml"
    config.write_text(
        f"""\
ledger = "{ledger}"

[tiers.bad]
provider = "openai_compatible"
model = "mock"
base_url = "http://127.0.0.1:{upstream}/bad/v1"
price = "free"
repairs = 0

[tiers.good]
provider = "openai_compatible"
model = "mock"
base_url = "http://127.0.0.1:{upstream}/v1"
price = {{ input_usd_per_mtok = 0.15, output_usd_per_mtok = 0.60 }}

[ladders.plain]
tiers = ["good"]

[ladders.climb]
tiers = ["bad", "good"]
""",
        "utf-8",
    )
    command = [RUNG, "serve", "--port", str(port), "--config", str(config)]
    return _started(stack, Process(command, port, folder), "/healthz")


def mock_upstream(stack: ExitStack, folder: Path, pace_seconds: float) -> Process:
    """The mock provider."""
    port = free_port()
    options = ["--port", port, "--pace-seconds", pace_seconds]
    command = [sys.executable, str(HERE / "upstream.py"), *map(str, options)]
    return _started(stack, Process(command, port, folder), "/v1/models")


def bare_proxy(stack: ExitStack, folder: Path, upstream: int) -> Process:
    """aiohttp in, aiohttp out."""
    port = free_port()
    options = ["--port", str(port), "--upstream", f"http://127.0.0.1:{upstream}"]
    command = [sys.executable, str(HERE / "bare_proxy.py"), *options]
    return _started(stack, Process(command, port, folder), "/v1/models")


def _started(stack: ExitStack, process: Process, path: str) -> Process:
    stack.callback(process.stop)
    process.healthy(path)
    return process
