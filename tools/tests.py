"""All tests, in four lanes side by side: most of them wait for processes and sockets.

Each lane has temporary files of its own, and the tests that look at what a sandbox leaves behind on
the machine share one, so that they see no other's. The exit status is 0 when all lanes pass; the
account of each ends with its summary.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTEST = (sys.executable, "-m", "pytest", "-q")
BOXED = (
    *("test_sandbox_*.py", "test_unit_test*.py", "test_behaviour_runs.py"),
    *("test_command_gate.py", "test_gateway_commands.py", "test_verify_commands.py"),
    "test_code_gates.py",
)
MIDDLE = "test_v"
"""Where the unit tests are cut in two, by name."""

INTERRUPTED = 130


def main() -> int:
    """Run all lanes; the first is told as it goes, the others when they have ended."""
    with ExitStack() as stack:
        first, *others = lanes()
        running = []
        for lane in others:
            account = stack.enter_context(tempfile.TemporaryFile())
            told = {"cwd": ROOT, "stdout": account, "stderr": subprocess.STDOUT}
            told["env"] = _apart(stack.enter_context(tempfile.TemporaryDirectory(prefix="rung-")))
            process = stack.enter_context(subprocess.Popen((*PYTEST, *lane), **told))  # type: ignore[call-overload]
            running.append((process, account))
        try:
            statuses = [subprocess.run((*PYTEST, *first), cwd=ROOT, check=False).returncode]
            statuses += [process.wait() for process, _ in running]
        except KeyboardInterrupt:
            return INTERRUPTED
        for _, account in running:
            account.seek(0)
            sys.stdout.buffer.write(account.read())
    return max(statuses, key=abs)


def lanes() -> Iterator[Sequence[str]]:
    """What pytest is to run, lane by lane."""
    integration = set((ROOT / "tests/integration").glob("test_*.py"))
    boxed = {path for name in BOXED for path in (ROOT / "tests/integration").glob(name)}
    gateway = {path for path in integration - boxed if path.name.startswith("test_gateway_")}
    units = set((ROOT / "tests/unit").glob("test_*.py"))
    later = {path for path in units if path.name >= MIDDLE}
    yield _named(gateway)
    yield [*_named(integration - boxed - gateway), "tests/acceptance"]
    yield _named(units - later)
    yield _named(later | boxed)


def _apart(folder: str) -> dict[str, str]:
    """An environment with temporary files of its own, where all users may make some."""
    Path(folder).chmod(0o1777)
    return {**os.environ, "TMPDIR": folder}


def _named(paths: set[Path]) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in paths)


if __name__ == "__main__":
    sys.exit(main())
