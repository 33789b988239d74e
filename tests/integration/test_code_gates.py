"""Tools as people type them, in the sandbox of a configuration: right, wrong and missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from rung import checks
from rung.boxes import CommandRoom, room_for
from rung.core.errors import RungError
from rung.core.verdicts import Status, Verdict
from rung.sandbox import Limits, UnavailableError
from rung.sandbox.host import own_tools
from rung.verifiers.command import command
from rung.verifiers.kit import Errand, Kit
from support.gates import verdict

LIMITS = Limits()
GOOD = "```python app.py\ndef double(n: int) -> int:\n    return 2 * n\n```"
WRONG = "```python app.py\nimport os\n\n\ndef double(n: int) -> str:\n    return n\n```"
PLAIN = "import app\n\n\ndef test_two() -> None:\n    assert app.double(2) == 4\n"
UNIT = """import unittest

import app


class T(unittest.TestCase):
    def test_two(self) -> None:
        self.assertEqual(app.double(2), 4)
"""


@pytest_asyncio.fixture
async def room() -> AsyncIterator[CommandRoom]:
    made = room_for(LIMITS)
    try:
        await made.prove()
        yield made
    except UnavailableError as error:
        pytest.skip(str(error))
    finally:
        await made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "__init__.py").write_text("")
    (tmp_path / "app.py").write_text("def double(n: int) -> int:\n    return n\n")
    (tmp_path / "tests" / "test_app.py").write_text(PLAIN)
    (tmp_path / "tests" / "test_unit.py").write_text(UNIT)
    (tmp_path / "check.sh").write_text(
        "#!/bin/sh\npython3 -c 'import app; assert app.double(2) == 4'\n"
    )
    (tmp_path / "Makefile").write_text("test:\n\t@python3 -m unittest -q\n")
    return tmp_path


def needs(tool: str) -> None:
    there = Path(sys.prefix, "bin", tool).exists() and own_tools()
    if not (there or shutil.which(tool, path="/usr/local/bin:/usr/bin:/bin")):
        pytest.skip(f"{tool} is not where commands can see it")


@pytest.mark.parametrize(
    "run",
    [
        *("pytest -q", "python3 -m pytest", "ruff check .", "ruff format --check . && ruff check"),
        *("mypy .", "python3 -m unittest", "./check.sh", "make test"),
    ],
)
async def test_a_command_as_it_is_typed_passes_what_is_right_and_fails_what_is_wrong(
    room: CommandRoom, folder: Path, run: str
) -> None:
    tool = next(
        word for word in ("pytest", "ruff", "mypy", "make", "python3") if word in run + "python3"
    )
    needs(tool)
    gate = command({"run": run, "workspace": str(folder)}, room)
    right = await verdict(gate, GOOD)
    assert right.status is Status.PASSED, right.reason
    wrong = await verdict(gate, WRONG)
    assert wrong.status is Status.FAILED, wrong.reason


@pytest.mark.parametrize("run", ["no-such-tool .", "python3 -m no_such_tool", "npx no-such-tool ."])
async def test_a_tool_that_is_missing_abstains_and_says_where_it_was_looked_for(
    room: CommandRoom, folder: Path, run: str
) -> None:
    if run.startswith("npx"):
        needs("npx")
    gate = command({"run": run, "workspace": str(folder), "timeout_seconds": 20}, room)
    found = await verdict(gate, GOOD)
    assert found.status is Status.ABSTAINED, found.reason
    assert "was not found" in found.reason
    assert "[sandbox] reads" in found.reason


async def test_a_tool_in_a_folder_that_is_named_is_found_and_others_are_not_seen(
    tmp_path: Path,
) -> None:
    tool = Path("/var/tmp") / f"rung-tool-{os.getpid()}"
    shut = tool / "home"
    program = shut / "linter" / "bin" / "lint-it"
    program.parent.mkdir(parents=True)
    try:
        program.write_text("#!/bin/sh\ngrep -q double app.py\n")
        program.chmod(0o755)
        (shut / "secret").write_text("secret")
        shut.chmod(0o700)
        room = room_for(LIMITS, (shut / "linter",))
        try:
            await room.prove()
        except UnavailableError as error:
            pytest.skip(str(error))
        try:
            gate = command({"run": "lint-it", "file": "app.py"}, room)
            assert (await verdict(gate, GOOD)).status is Status.PASSED
            assert (await verdict(gate, "```python\nx = 1\n```")).status is Status.FAILED
            ran = await room.run(Errand(("ls", "-A", str(shut)), {}, b"", 5.0))
            assert ran.stdout == b"linter\n"
        finally:
            await room.close()
    finally:
        shutil.rmtree(tool)


async def test_a_folder_that_is_closed_or_gone_is_said_and_nothing_runs() -> None:
    shut = Path("/var/tmp") / f"rung-shut-{os.getpid()}"
    shut.mkdir(mode=0o700)
    try:
        for folder, said in ((shut, "closed to the user"), (shut / "gone", "is not there")):
            if folder == shut and os.geteuid() != 0:
                continue
            room = room_for(LIMITS, (folder,))
            with pytest.raises(RungError, match=f"{said}|not installed|namespace"):
                await room.run(Errand(("true",), {}, b"", 5.0))
            await room.close()
    finally:
        shut.rmdir()


async def test_limits_of_the_configuration_hold() -> None:
    room = room_for(Limits(memory_bytes=64 << 20, processes=8))
    try:
        await room.prove()
    except UnavailableError as error:
        pytest.skip(str(error))
    try:
        eat = ("python3", "-c", "x = bytearray(200 << 20)")
        assert (await room.run(Errand(eat, {}, b"", 5.0))).status != 0
        fork = ("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1 & done; wait")
        assert b"fork" in (await room.run(Errand(fork, {}, b"", 5.0))).stderr
    finally:
        await room.close()


# ------------------------------------------------------------------ ruff


async def judged(room: CommandRoom, answer: str, **options: object) -> Verdict:
    needs("ruff")
    gate = checks.ruff(**options).equipped(Kit(room, None))  # type: ignore[arg-type, attr-defined]
    return await verdict(gate, answer)


async def test_ruff_passes_clean_code_and_fails_with_the_line_what_is_not(
    room: CommandRoom,
) -> None:
    good = await judged(room, "```python\ndef f(a):\n    return a\n```", format=True)
    assert good.status is Status.PASSED, good.reason
    bad = await judged(room, "So:\n\n```python\nimport os\n\nx = y\n```")
    assert bad.status is Status.FAILED
    assert "line 4 of the answer: F401" in bad.reason
    assert "line 6 of the answer: F821" in bad.reason


SILENCING = [
    "```python\n# ruff: noqa\nimport os\n```",
    "```python\nimport os  # noqa\n```",
    "```python\nimport os  # noqa: F401\n```",
    "```python\n# flake8: noqa\nimport os\n```",
    "```python\nimport os  # ruff: ignore[F401]\n```",
    "```python\n# ruff: disable[F401]\nimport os\n# ruff: enable[F401]\n```",
    "```toml ruff.toml\nlint.ignore = ['ALL']\n```\n```python a.py\nimport os\n```",
    "```toml pyproject.toml\n[tool.ruff]\nexclude = ['*']\n```\n```python a.py\nimport os\n```",
    "```text .gitignore\n*\n```\n```python a.py\nimport os\n```",
    "```python build/a.py\nimport os\n```",
    "```python .venv/a.py\nimport os\n```",
    "```python --fix.py\nimport os\n```",
    "```python a.py\nimport os\n```\n```python b.py\nx = 1\n```",
]


@pytest.mark.parametrize("answer", SILENCING)
async def test_an_answer_cannot_silence_ruff(room: CommandRoom, answer: str) -> None:
    found = await judged(room, answer)
    assert found.status is Status.FAILED, found.reason
    assert "F401" in found.reason


async def test_formatting_is_judged_where_it_is_asked_for(room: CommandRoom) -> None:
    for answer in ("x   = 1", "# fmt: off\nx   = 1\n# fmt: on", "x   = 1  # fmt: skip"):
        assert (await judged(room, answer)).status is Status.PASSED
        found = await judged(room, answer, format=True)
        assert (found.status, "not formatted" in found.reason) == (Status.FAILED, True), answer


@pytest.mark.parametrize(
    "answer",
    [
        "import os\n" * 100_000,
        "x = " + "(" * 100_000 + ")" * 100_000,
        "a\0b",
        "x = '\ud800'",
        "é" * 9,
    ],
)
async def test_code_made_to_break_ruff_ends_within_its_limits(
    room: CommandRoom, answer: str
) -> None:
    found = await judged(room, answer)
    assert found.status in set(Status)
    assert found.seconds < 20


async def test_a_rule_that_ruff_does_not_know_abstains_with_what_it_says(room: CommandRoom) -> None:
    found = await judged(room, "x = 1", select=["NOPE1"])
    assert (found.status, "NOPE1" in found.reason) == (Status.ABSTAINED, True), found.reason


def test_a_mount_for_a_job_is_seen_by_nobody_else() -> None:
    mounts = subprocess.run(["cat", "/proc/self/mounts"], capture_output=True, check=True).stdout
    assert b"shown-" not in mounts
