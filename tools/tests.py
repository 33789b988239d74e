"""All tests, in two halves side by side: most of them wait for processes and sockets.

Tests that look at what a sandbox leaves behind on the machine share one half, so that they see no
other's. The exit status is 0 when both halves pass.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTEST = (sys.executable, "-m", "pytest")
BOXED = (
    *("test_sandbox_*.py", "test_unit_test*.py", "test_behaviour_runs.py"),
    *("test_command_gate.py", "test_gateway_commands.py", "test_verify_commands.py"),
)
INTERRUPTED = 130


def main() -> int:
    """Run both halves; the second one's account is printed when it has ended."""
    boxed = sorted(str(path) for name in BOXED for path in (ROOT / "tests/integration").glob(name))
    ignored = [f"--ignore={path}" for path in boxed]
    with tempfile.TemporaryFile() as account:
        told = {"cwd": ROOT, "stdout": account, "stderr": subprocess.STDOUT}
        with subprocess.Popen((*PYTEST, "tests/unit", *boxed), **told) as other:  # type: ignore[call-overload]
            try:
                here = (*PYTEST, "tests/integration", "tests/acceptance", *ignored)
                first = subprocess.run(here, cwd=ROOT, check=False).returncode
                second = other.wait()
            except KeyboardInterrupt:
                return INTERRUPTED
        account.seek(0)
        sys.stdout.buffer.write(account.read())
    return first or second


if __name__ == "__main__":
    sys.exit(main())
