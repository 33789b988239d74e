"""The sandbox as its callers use it: jobs, limits, warm slots, ending, and doing without."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from rung.sandbox import (
    PYTHON,
    Check,
    Ended,
    Job,
    Limits,
    Sandbox,
    UnavailableError,
    Unsandboxed,
    bubble,
    canary,
    host,
    seccomp,
    start,
)
from rung.sandbox.host import DROPPED_ID, Identity

LIMITS = Limits(wall_seconds=10, cpu_seconds=5, memory_bytes=256 << 20, output_bytes=100_000)

OPEN_FOLDER = Path("/var/tmp")
"""Pytest's own folders are closed to the user that jobs run as."""


@pytest_asyncio.fixture
async def box() -> AsyncIterator[Sandbox]:
    made = Sandbox(LIMITS)
    try:
        await proved(made)
        yield made
    finally:
        await made.close()


async def proved(made: Sandbox) -> None:
    try:
        await made.prove()
    except UnavailableError as error:
        pytest.skip(str(error))


def python(code: str, **said: object) -> Job:
    return Job(argv=(PYTHON, "main.py"), files={"main.py": code.encode()}, **said)  # type: ignore[arg-type]


class TestJobs:
    async def test_a_job_finds_its_files_input_and_environment_and_nothing_else(
        self, box: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("RUNG_CANARY_KEY", "sk-canary")
        ran = await box.run(
            Job(
                argv=("sh", "-c", "cat; cat deep/er/file; echo $GIVEN; env; ls -A; id -u"),
                files={"deep/er/file": b"content "},
                stdin=b"input ",
                environment={"GIVEN": "given"},
            )
        )
        assert ran.status == 0
        assert ran.stdout.startswith(b"input content given\n")
        assert ran.stdout.endswith(b"\ndeep\n65534\n")
        assert b"canary" not in ran.stdout

    @pytest.mark.parametrize(
        ("argv", "status", "signal_"),
        [
            (("true",), 0, None),
            (("sh", "-c", "exit 7"), 7, None),
            (("sh", "-c", "exit 255"), 255, None),
            (("sh", "-c", "kill -11 $$"), None, 11),
            (("no-such-tool",), 127, None),
            (("./main.txt",), 126, None),
            (("./run.sh", "a b", ""), 3, None),
        ],
    )
    async def test_how_it_ended_is_told(
        self, box: Sandbox, argv: tuple[str, ...], status: int | None, signal_: int | None
    ) -> None:
        files = {"main.txt": b"x", "run.sh": b'#!/bin/sh\n[ "$1" = "a b" ] && exit $(($# + 1))\n'}
        ran = await box.run(Job(argv=argv, files=files))
        assert (ran.status, ran.signal, ran.ended_by) == (status, signal_, Ended.EXIT)

    async def test_a_writable_job_works_on_a_bounded_copy(self, box: Sandbox) -> None:
        job = Job(
            argv=("sh", "-c", "echo more >> file && mkdir new && cat file; cat /dev/urandom > big"),
            files={"file": b"one\n"},
            writable=True,
        )
        ran = await box.run(job, replace(LIMITS, file_bytes=1 << 30, tmp_bytes=4 << 20))
        assert ran.stdout == b"one\nmore\n"
        assert ran.status != 0

    async def test_two_jobs_share_no_tmp(self, box: Sandbox) -> None:
        await box.run(Job(argv=("touch", "/tmp/mine")))
        ran = await box.run(Job(argv=("ls", "-A", "/tmp")))
        assert ran.stdout == b""

    async def test_output_at_the_limit_is_whole_and_one_byte_more_is_not(
        self, box: Sandbox
    ) -> None:
        whole = await box.run(python("print('x' * 999)"), replace(LIMITS, output_bytes=1000))
        assert (whole.ended_by, whole.truncated, len(whole.stdout)) == (Ended.EXIT, False, 1000)
        more = await box.run(python("print('x' * 1000)"), replace(LIMITS, output_bytes=1000))
        assert (more.ended_by, more.truncated, len(more.stdout)) == (Ended.OUTPUT, True, 1000)
        assert more.status is None

    async def test_large_input_reaches_a_slow_reader_whole(self, box: Sandbox) -> None:
        ran = await box.run(Job(argv=("sh", "-c", "sleep 0.1; wc -c"), stdin=b"x" * 3_000_000))
        assert ran.stdout.split() == [b"3000000"]

    async def test_a_machine_that_is_full_has_no_sandbox_to_give(
        self, box: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = open_descriptors()

        def full(*_words: object, **_said: object) -> None:
            raise OSError(28, "No space left on device")

        for module, name in ((start, "lay_out"), (start, "_popen")):
            with monkeypatch.context() as patch:
                patch.setattr(module, name, full)
                with pytest.raises(UnavailableError, match="No space left"):
                    await box.run(Job(argv=("true",)))
        assert open_descriptors() == before
        assert list(folder_of(box).iterdir()) == []
        assert (await box.run(Job(argv=("true",)))).status == 0

    async def test_no_more_jobs_run_at_once_than_allowed(self) -> None:
        made = Sandbox(LIMITS, at_once=2)
        try:
            await proved(made)
            nap = Job(argv=("sleep", "0.2"))
            began = asyncio.get_running_loop().time()
            ran = await asyncio.gather(*(made.run(nap) for _ in range(4)))
            assert asyncio.get_running_loop().time() - began >= 0.4
            assert all(one.status == 0 for one in ran)
        finally:
            await made.close()

    async def test_fifty_runs_leave_no_descriptor_and_no_folder(self) -> None:
        made = Sandbox(LIMITS, folder=OPEN_FOLDER)
        try:
            await proved(made)
            before = open_descriptors()
            await asyncio.gather(*(made.run(Job(argv=("true",))) for _ in range(50)))
            assert open_descriptors() <= before
            base = folder_of(made)
            assert list(base.iterdir()) == []
        finally:
            await made.close()
        assert not base.exists()

    def test_it_runs_on_uvloop_as_well(self) -> None:
        uvloop = pytest.importorskip("uvloop")

        async def main() -> bytes:
            made = Sandbox(LIMITS, warm=1)
            try:
                await proved(made)
                await made.warmed()
                ran = await made.run(python("print(input() * 2)", stdin=b"ab\n"))
                assert ran.warm
                flood = await made.run(python("while True: print('x' * 1000)"))
                assert flood.ended_by is Ended.OUTPUT
                return ran.stdout
            finally:
                await made.close()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            assert runner.run(main()) == b"abab\n"


class TestProof:
    async def test_nothing_runs_unproved(self) -> None:
        for made in (Sandbox(), Unsandboxed()):
            try:
                with pytest.raises(UnavailableError, match="proved"):
                    await made.run(Job(argv=("true",)))
            finally:
                await made.close()

    @pytest.mark.parametrize("program", ["bwrap", "prlimit"])
    async def test_a_missing_program_is_named_with_the_fix(
        self, program: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        which = shutil.which
        monkeypatch.setattr(
            host.shutil,
            "which",
            lambda name, **said: None if name == program else which(name, **said),
        )
        await self._is_unavailable(f"{program} is not installed", "install")

    async def test_a_machine_without_a_filter_is_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(seccomp.platform, "machine", lambda: "riscv64")
        await self._is_unavailable("filter", "x86-64")

    async def test_an_old_bubblewrap_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(host, "OLDEST", (99, 0))
        await self._is_unavailable("older", "99.0")

    async def test_a_system_other_than_linux_is_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "platform", "darwin")
        await self._is_unavailable("darwin", "Linux")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root has a user to drop to")
    async def test_root_that_cannot_drop_its_user_is_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_words: object, **_said: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(host.subprocess, "run", refuse)
        await self._is_unavailable("cannot become user", "user of its own")

    async def test_a_python_that_jobs_cannot_reach_is_refused(self) -> None:
        made = Sandbox(python="/root/absent/bin/python3")
        try:
            with pytest.raises(UnavailableError, match="no Python"):
                await made.prove()
        finally:
            await made.close()

    @pytest.mark.parametrize("folder", ["/", "/root", "/home", "/etc", "/usr/../etc"])
    async def test_folders_that_hold_more_than_programs_are_not_shown(self, folder: str) -> None:
        made = Sandbox(reads=(Path(folder),))
        try:
            with pytest.raises(UnavailableError, match="more than programs"):
                await made.prove()
        finally:
            await made.close()

    @pytest.mark.parametrize("leak", ["network", "filter", "host files", "user"])
    async def test_a_sandbox_with_a_hole_is_found_out(
        self, leak: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = bubble.command

        def holed(*words: object) -> list[str]:
            said = whole(*words)  # type: ignore[arg-type]
            if leak == "network":
                said.remove("--unshare-net")
            elif leak == "filter":
                at = said.index("--seccomp")
                del said[at : at + 2]
            elif leak == "host files":
                at = said.index("--seccomp")
                said[at:at] = ["--ro-bind", "/etc", "/etc"]
            else:
                said[said.index("--uid") + 1] = "0"
            return said

        monkeypatch.setattr(start.bubble, "command", holed)
        made = Sandbox()
        try:
            with pytest.raises(UnavailableError, match="does not hold"):
                await made.prove()
            with pytest.raises(UnavailableError, match="proved"):
                await made.run(Job(argv=("true",)))
        finally:
            await made.close()

    async def test_a_proof_says_what_was_tried(self, box: Sandbox) -> None:
        proof = await box.prove()
        assert proof.held
        assert proof.sandboxed
        assert {check.name for check in proof.checks} >= {"cannot TCP", "cannot read /etc/shadow"}

    async def test_a_check_that_did_not_hold_makes_the_proof_fail(
        self, box: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def broken(*_words: object) -> list[Check]:
            return [Check("cannot fly", held=False, seen="flew")]

        monkeypatch.setattr(canary, "_flood", broken)
        with pytest.raises(UnavailableError, match="cannot fly: flew"):
            await box.prove()
        with pytest.raises(UnavailableError, match="proved"):
            await box.run(Job(argv=("true",)))

    async def _is_unavailable(self, message: str, fix: str) -> None:
        made = Sandbox()
        try:
            with pytest.raises(UnavailableError, match=message) as caught:
                await made.prove()
            assert caught.value.fix is not None
            assert fix in caught.value.fix
        finally:
            await made.close()


class TestWarmSlots:
    async def test_each_slot_is_used_once(self) -> None:
        made = Sandbox(LIMITS, warm=2)
        try:
            await proved(made)
            await made.warmed()
            job = python(
                "import os, sys\nprint(os.listdir('/tmp'), 'x' in vars(sys))\n"
                "sys.x = 1\nopen('/tmp/mine', 'w')"
            )
            for _ in range(4):
                ran = await made.run(job)
                assert ran.warm
                assert ran.stdout == b"[] False\n"
                await made.warmed()
        finally:
            await made.close()

    async def test_a_warm_job_sees_what_a_cold_one_sees(self) -> None:
        code = (
            "import json, os, sys, helper\n"
            "said = dict(os.environ); said.pop('LC_CTYPE', None)\n"
            "print(json.dumps([sys.argv, said, os.getcwd(), sorted(os.listdir()), sys.path[0],"
            " __name__, __file__, helper.x, sys.stdin.read()]))\nsys.exit(4)"
        )
        job = Job(
            argv=(PYTHON, "sub/main.py", "-x", "ü"),
            files={"sub/main.py": code.encode(), "sub/helper.py": b"x = 3", "data": b""},
            stdin=b"whole input",
            environment={"A": "b"},
        )
        made = Sandbox(LIMITS, warm=1)
        try:
            await proved(made)
            await made.warmed()
            warm = await made.run(job)
            cold = await made.run(job, replace(LIMITS, tmp_bytes=1 << 20))
        finally:
            await made.close()
        assert (warm.warm, cold.warm) == (True, False)
        assert (warm.status, cold.status) == (4, 4)
        seen, wanted = json.loads(warm.stdout), json.loads(cold.stdout)
        seen[6], wanted[6] = Path(seen[6]).name, Path(wanted[6]).name
        assert seen == wanted

    async def test_a_slot_that_died_is_replaced(self) -> None:
        made = Sandbox(LIMITS, warm=1)
        try:
            await proved(made)
            await made.warmed()
            started = made._pool._ready[0].started
            started.kill()
            started.popen.wait(5)
            first = await made.run(python("print(1)"))
            assert (first.stdout, first.warm) == (b"1\n", False)
            await made.warmed()
            assert (await made.run(python("print(2)"))).warm
        finally:
            await made.close()


class TestEnding:
    async def test_a_cancelled_job_is_gone_at_once(self, box: Sandbox) -> None:
        running = asyncio.create_task(box.run(Job(argv=("sleep", "7654321"))))
        await until(lambda: bool(processes("7654321")))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await until(lambda: not processes("7654321"))

    async def test_cancelling_at_any_moment_leaves_nothing(self, box: Sandbox) -> None:
        for delay in range(40):
            running = asyncio.create_task(box.run(Job(argv=("sleep", "7654322"))))
            await asyncio.sleep(delay / 2000)
            running.cancel()
            await asyncio.wait([running])
        await until(lambda: not processes("7654322"))
        await until(lambda: not list(folder_of(box).iterdir()))

    async def test_closing_ends_what_runs(self) -> None:
        made = Sandbox(LIMITS, warm=1)
        await proved(made)
        running = asyncio.create_task(made.run(Job(argv=("sleep", "7654323"))))
        await until(lambda: bool(processes("7654323")))
        base = folder_of(made)
        await made.close()
        assert running.cancelled()
        await until(lambda: not processes("7654323"))
        assert not base.exists()

    async def test_nothing_outlives_a_gateway_that_is_killed(self, box: Sandbox) -> None:
        code = (
            "import asyncio\nfrom rung.sandbox import *\n"
            "async def main():\n"
            "    box = Sandbox(warm=1)\n"
            "    await box.prove()\n"
            "    await box.warmed()\n"
            "    await box.run(Job(argv=('sh', '-c', 'setsid sleep 7654324 & sleep 7654324')))\n"
            "asyncio.run(main())\n"
        )
        gateway = subprocess.Popen([sys.executable, "-c", code])  # noqa: ASYNC220
        try:
            await until(lambda: len(processes("7654324")) >= 2)
            slots = children(gateway.pid)
            assert len(slots) >= 2
        finally:
            gateway.kill()
            gateway.wait(5)
        await until(lambda: not processes("7654324"))
        await until(lambda: not any(Path(f"/proc/{slot}/exe").exists() for slot in slots))


class TestUnsandboxed:
    @pytest_asyncio.fixture
    async def bare(self) -> AsyncIterator[Unsandboxed]:
        made = Unsandboxed(LIMITS, python="/usr/bin/python3")
        try:
            await made.prove()
            yield made
        finally:
            await made.close()

    async def test_it_says_what_it_is(self, bare: Unsandboxed) -> None:
        assert bare.sandboxed is False
        assert (await bare.prove()).sandboxed is False
        ran = await bare.run(python("print(open('main.py').read())"))
        assert ran.sandboxed is False
        assert b"main.py" in ran.stdout

    @pytest.mark.parametrize(
        ("code", "limits", "ended"),
        [
            ("import time; time.sleep(60)", {"wall_seconds": 0.3}, Ended.WALL),
            ("while True: pass", {"cpu_seconds": 0.3}, Ended.CPU),
            ("while True: print('x' * 1000)", {}, Ended.OUTPUT),
            (
                "import os, time\nfor _ in range(4): os.fork()\ntime.sleep(60)",
                {"processes": 6},
                Ended.PROCESSES,
            ),
            (
                "import os, time\nfor _ in 'abc': os.fork()\nx = b'x' * 60_000_000\ntime.sleep(9)",
                {},
                Ended.MEMORY,
            ),
        ],
    )
    async def test_limits_hold_all_the_same(
        self, bare: Unsandboxed, code: str, limits: dict[str, float], ended: Ended
    ) -> None:
        ran = await bare.run(python(code), replace(LIMITS, **limits))  # type: ignore[arg-type]
        assert (ran.ended_by, ran.status) == (ended, None)

    async def test_no_key_of_ours_is_in_its_environment(
        self, bare: Unsandboxed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("RUNG_CANARY_KEY", "sk-canary")
        assert b"canary" not in (await bare.run(Job(argv=("env",)))).stdout

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root has a user to drop to")
    async def test_root_is_dropped_here_too(self, bare: Unsandboxed) -> None:
        assert (await bare.run(Job(argv=("id", "-u")))).stdout == b"%d\n" % DROPPED_ID
        ran = await bare.run(Job(argv=("touch", "mine"), writable=True))
        assert ran.status == 0
        assert (await bare.run(Job(argv=("touch", "mine")))).status != 0

    async def test_children_in_sessions_of_their_own_are_ended_too(self, bare: Unsandboxed) -> None:
        job = Job(argv=("sh", "-c", "setsid sleep 7654325 & sleep 7654325"))
        ran = await bare.run(job, replace(LIMITS, wall_seconds=0.4))
        assert ran.ended_by is Ended.WALL
        await until(lambda: not processes("7654325"))


def test_a_plain_user_stays_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.os, "geteuid", lambda: 1000)
    assert host.whom_to_become() == Identity(None)


def folder_of(made: Sandbox) -> Path:
    assert made._shop.folder is not None
    return made._shop.folder.path


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - nothing tells of another process's end
            await asyncio.sleep(0.005)


def processes(word: str) -> list[int]:
    """Living processes, anywhere on the machine, with ``word`` as an argument."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if word.encode() in words:
                found.append(int(entry.name))
    return found


def children(parent: int) -> list[int]:
    threads = Path(f"/proc/{parent}/task").iterdir()
    return [int(word) for thread in threads for word in (thread / "children").read_text().split()]
