"""Jobs that frames are exchanged with: under the limits of any job, and gone when left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from rung.sandbox import PYTHON, Ended, Job, JobError, Limits, Sandbox, UnavailableError
from rung.sandbox.talk import LONGEST_FRAME

LIMITS = Limits(wall_seconds=10, cpu_seconds=5, memory_bytes=256 << 20, output_bytes=20 << 20)

ECHO = """
import os
def exactly(size):
    read = b""
    while len(read) < size:
        more = os.read(0, size - len(read))
        if not more: raise SystemExit(7)
        read += more
    return read
def receive(): return exactly(int.from_bytes(exactly(4), "big"))
def send(frame):
    rest = len(frame).to_bytes(4, "big") + frame
    while rest: rest = rest[os.write(1, rest):]
"""


def echo(*lines: str) -> Job:
    code = "\n".join([ECHO, *lines])
    return Job(argv=(PYTHON, "main.py"), files={"main.py": code.encode()})


ANSWERING = echo("while True: send(receive().upper())")


@pytest_asyncio.fixture
async def box() -> AsyncIterator[Sandbox]:
    made = Sandbox(LIMITS)
    try:
        await made.prove()
        yield made
    except UnavailableError as error:
        pytest.skip(str(error))
    finally:
        await made.close()


async def test_frames_go_to_and_fro_whatever_their_length(box: Sandbox) -> None:
    async with box.talk([(ANSWERING, LIMITS)]) as (talk,):
        for frame in (b"a", b"", b"b" * 300_000, b"c"):
            talk.send(frame)
            assert await talk.receive() == frame.upper()
        assert talk.ran is None
        assert talk.sandboxed


async def test_two_jobs_talk_at_a_time_and_none_is_left(box: Sandbox) -> None:
    async with box.talk([(ANSWERING, LIMITS)] * 2) as (one, other):
        one.send(b"one")
        other.send(b"other")
        assert await other.receive() == b"OTHER"
        assert await one.receive() == b"ONE"
        folders = list(box._shop.base(shared=False).iterdir())
        assert len(folders) == 2
    assert list(box._shop.base(shared=False).iterdir()) == []


async def test_a_job_that_ends_is_told_of_after_its_last_frame(box: Sandbox) -> None:
    job = echo("send(b'last')", "raise SystemExit(3)")
    async with box.talk([(job, LIMITS)]) as (talk,):
        assert await talk.receive() == b"last"
        assert await talk.receive() is None
        assert talk.ran is not None
        assert (talk.ran.ended_by, talk.ran.status) == (Ended.EXIT, 3)
        talk.send(b"into the void" * 100_000)
        assert await talk.receive() is None


@pytest.mark.parametrize(
    ("line", "limits", "ended"),
    [
        ("import time; time.sleep(60)", {"wall_seconds": 0.5}, Ended.WALL),
        ("while True: pass", {"cpu_seconds": 0.3}, Ended.CPU),
        ("while True: os.write(1, b'x' * 65536)", {}, Ended.OUTPUT),
        ("os.write(1, b'\\xff' * 4); receive()", {}, Ended.OUTPUT),
        ("while True: os.write(2, b'x' * 65536)", {"output_bytes": 100_000}, Ended.OUTPUT),
    ],
)
async def test_the_limits_are_those_of_any_job(
    box: Sandbox, line: str, limits: dict[str, float], ended: Ended
) -> None:
    given = replace(LIMITS, **{"output_bytes": 1 << 20, **limits})  # type: ignore[arg-type]
    async with box.talk([(echo(line), given)]) as (talk,):
        while await talk.receive() is not None:
            pass
        assert talk.ran is not None
        assert talk.ran.ended_by is ended


async def test_half_a_frame_is_never_heard(box: Sandbox) -> None:
    job = echo("os.write(1, (100).to_bytes(4, 'big') + b'half')")
    async with box.talk([(job, LIMITS)]) as (talk,):
        assert await talk.receive() is None


async def test_a_frame_that_is_too_long_is_not_sent(box: Sandbox) -> None:
    async with box.talk([(ANSWERING, LIMITS)]) as (talk,):
        with pytest.raises(ValueError, match="longer than is allowed"):
            talk.send(b"x" * (LONGEST_FRAME + 1))


async def test_warm_slots_are_kept_from_then_on_and_used(box: Sandbox) -> None:
    modules = {"own/__init__.py": b"", "own/module.py": b"import os\nPID = os.getpid()\n"}
    code = [ECHO, "import sys", "known = 'own.module' in sys.modules", "from own import module"]
    code += ["send(str((known, sorted(os.listdir('.')))).encode())"]
    code += ["while True: send(receive().upper())"]
    job = Job((PYTHON, "main.py"), {"main.py": "\n".join(code).encode(), **modules})
    box.keep_warm(2, modules)
    await box.warmed()
    (pool,) = box._ready.values()
    slots = [slot.started.popen.pid for slot in pool._ready]
    longer = replace(LIMITS, wall_seconds=30.0, cpu_seconds=30.0)
    async with box.talk([(job, longer)] * 2) as talks:
        for talk in talks:
            assert await talk.receive() == b"(True, ['main.py', 'own'])"
            talk.send(b"warm")
            assert await talk.receive() == b"WARM"
        assert not any(slot.started.popen.pid in slots for slot in pool._ready)
    assert len(slots) == 2


async def test_a_slot_that_holds_modules_becomes_no_job_that_does_not_bring_them(
    box: Sandbox,
) -> None:
    box.keep_warm(1, {"own.py": b""})
    await box.warmed()
    listing = Job((PYTHON, "main.py"), {"main.py": b"import os; print(os.listdir('.'))"})
    ran = await box.run(listing)
    assert (ran.stdout, ran.warm) == (b"['main.py']\n", False)
    other = Job((PYTHON, "main.py"), {**listing.files, "own.py": b"other"})
    assert (await box.run(other)).warm is False
    assert (await box.run(Job(listing.argv, {**listing.files, "own.py": b""}))).warm is True


async def test_nothing_talks_unproved_and_no_path_leads_out() -> None:
    with pytest.raises(UnavailableError):
        Sandbox(LIMITS).talk([(ANSWERING, LIMITS)])
    with pytest.raises(JobError):
        Job(argv=(PYTHON, "main.py"), files={"../main.py": b""})


async def test_closing_the_box_ends_who_is_talking(box: Sandbox) -> None:
    entered = asyncio.Event()

    async def talking() -> None:
        async with box.talk([(ANSWERING, LIMITS)]) as (talk,):
            entered.set()
            await talk.receive()

    task = asyncio.create_task(talking())
    await entered.wait()
    await box.close()
    assert task.cancelled()
