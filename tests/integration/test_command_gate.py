"""Commands as gates in a real sandbox: honest answers are judged, dishonest ones prove nothing."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from rung.core.verdicts import Status
from rung.sandbox import Limits, Sandbox, UnavailableError, Unsandboxed
from rung.verifiers.base import LONGEST_REASON
from rung.verifiers.command import command
from support.command_boxes import Errands
from support.gates import verdict

LIMITS = Limits(cpu_seconds=20, memory_bytes=256 << 20, output_bytes=200_000)
TESTS = """import unittest

import app


class TestDouble(unittest.TestCase):
    def test_two(self):
        self.assertEqual(app.double(2), 4)

    def test_three(self):
        self.assertEqual(app.double(3), 6)
"""
RIGHT = "def double(n):\n    return 2 * n"
UNITTEST = "python3 -m unittest -q tests.test_app"


@pytest_asyncio.fixture
async def box() -> AsyncIterator[Errands]:
    made = Sandbox(LIMITS)
    try:
        await made.prove()
        yield Errands(made, LIMITS)
    except UnavailableError as error:
        pytest.skip(str(error))
    finally:
        await made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text("def double(n):\n    return n\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_app.py").write_text(TESTS)
    (tmp_path / "check.sh").write_text("#!/bin/sh\ngrep -q double app.py\n")
    return tmp_path


def app(code: str) -> str:
    return f"Here you are.\n\n```python app.py\n{code}\n```\n"


async def judged(box, folder, answer, run=UNITTEST, **options):
    gate = command({"run": run, "workspace": str(folder), **options}, box)
    return await verdict(gate, answer)


async def test_the_right_answer_passes_its_tests(box, folder):
    found = await judged(box, folder, app(RIGHT))
    assert (found.status, "2 tests ran" in found.reason) == (Status.PASSED, True), found.reason


async def test_the_right_diff_passes_and_the_wrong_one_fails_with_what_was_printed(box, folder):
    head = "--- a/app.py\n+++ b/app.py\n@@ -1,2 +1,2 @@\n"
    diff = head + " def double(n):\n-    return n\n+    return {}\n"
    right = await judged(box, folder, diff.format("n + n"))
    assert right.status is Status.PASSED, right.reason
    wrong = await judged(box, folder, diff.format("n + 1"))
    assert wrong.status is Status.FAILED
    assert "AssertionError: 4 != 6" in wrong.reason or "AssertionError: 3 != 4" in wrong.reason


async def test_a_script_of_the_workspace_runs(box, folder):
    assert (await judged(box, folder, app(RIGHT), "./check.sh")).status is Status.PASSED
    assert (await judged(box, folder, app("x = 1"), "./check.sh")).status is Status.FAILED


async def test_input_reaches_a_command_that_reads_it(box):
    gate = command({"run": "grep -q good"}, box)
    assert (await verdict(gate, "a good answer")).status is Status.PASSED
    assert (await verdict(gate, "a bad answer")).status is Status.FAILED


async def test_a_tool_that_is_missing_abstains(box, folder):
    for run in ("no-such-tool .", "sh -c 'no-such-tool .'", "python3 -m no_such_module"):
        found = await judged(box, folder, app(RIGHT), run)
        assert (found.status, "not found" in found.reason) == (Status.ABSTAINED, True), found.reason


HOSTILE = {
    "exits with zero while it is imported": "import os\nos._exit(0)",
    "exits with zero when it is called": "import os\ndef double(n):\n    os._exit(0)",
    "leaves by SystemExit": "raise SystemExit(0)",
    "says that all is well": "import os\nos.write(1, b'OK\\nVERDICT: PASS\\n')\nos._exit(0)",
    "kills its parent": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nos._exit(0)",
    "kills everyone": "import os\nos.kill(-1, 9)\nos.kill(os.getpid(), 9)",
    "floods and exits with zero": "import os\nwhile os.write(1, b'1 passed in 1s\\n' * 99): pass",
    "writes one line without end": "import os\nwhile os.write(2, b'x' * 65536): pass",
    "writes one long line": "import os\nos.write(1, b'x' * 150_000)\nos._exit(0)",
    "forks without end": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "eats memory": "x = bytearray()\nwhile True: x += bytes(1 << 20)",
    "hangs": "import time\ntime.sleep(1000)",
    "ignores signals and spins": "import signal\nsignal.signal(15, 1)\nwhile True: pass",
    "rewrites the tests": (
        "from pathlib import Path\nimport os\n"
        "Path('tests/test_app.py').write_text('import unittest')\nos._exit(0)"
    ),
    "skips the tests": "import unittest\nraise unittest.SkipTest('not today')",
    "writes outside": "import os\nopen('{}/x', 'w').write('x')\nos._exit(0)",
    "does not parse": "def double(n:",
}


@pytest.mark.parametrize("how", HOSTILE)
async def test_an_answer_that_cheats_or_breaks_never_passes(box, folder, how):
    before = sorted(path.name for path in folder.rglob("*"))
    code = HOSTILE[how].replace("{}", str(folder))
    found = await judged(box, folder, app(code), timeout_seconds=2)
    assert found.status is not Status.PASSED, found.reason
    assert found.seconds < 15
    assert len(found.reason) <= LONGEST_REASON
    assert found.reason.isprintable()
    assert sorted(path.name for path in folder.rglob("*")) == before


async def test_a_hang_is_a_failure_where_the_time_was_set(box, folder):
    found = await judged(box, folder, app(HOSTILE["hangs"]), timeout_seconds=1)
    assert (found.status, "within 1 s" in found.reason) == (Status.FAILED, True), found.reason


async def test_the_folder_can_be_written_only_where_that_was_allowed(box, folder):
    run = "sh -c 'echo y > out.txt'"
    assert (await judged(box, folder, app(RIGHT), run)).status is Status.FAILED
    allowed = {"writable": True, "protected": []}
    assert (await judged(box, folder, app(RIGHT), run, **allowed)).status is Status.PASSED
    assert not (folder / "out.txt").exists()


async def test_nothing_of_the_gateways_environment_is_seen(box, folder, monkeypatch):
    monkeypatch.setenv("RUNG_CANARY_KEY", "sk-canary")
    found = await judged(box, folder, app(RIGHT), "sh -c 'env; exit 1'", environment={"CI": "yes"})
    assert "CI=yes" in found.reason
    assert "canary" not in found.reason


async def test_without_a_sandbox_the_verdict_says_so(folder):
    made = Unsandboxed(LIMITS, python=sys.executable)
    try:
        await made.prove()
        bare = Errands(made, LIMITS)
        found = await judged(bare, folder, app(RIGHT), "sh -c 'grep -q 2 app.py'")
        assert (found.status, found.reason[:14]) == (Status.PASSED, "not sandboxed:"), found.reason
    finally:
        await made.close()


async def test_a_box_that_was_never_proved_abstains(folder):
    made = Sandbox(LIMITS)
    found = await judged(Errands(made, LIMITS), folder, app(RIGHT))
    assert (found.status, "cannot be run" in found.reason) == (Status.ABSTAINED, True)
    await made.close()
