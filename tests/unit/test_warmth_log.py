"""What is logged of a model that cannot be loaded."""

import asyncio
from types import SimpleNamespace

import pytest

from rung.core.types import Failure, Fault, Phase
from rung.providers.base import CallError
from rung.warmth import Warmth


class Fails:
    """Raises what it is given when it is to load."""

    def __init__(self, error):
        self.error = error
        self.tried = asyncio.Event()

    async def warm(self):
        self.tried.set()
        raise self.error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("bad header: sk-canary"), "RuntimeError"),
        (CallError(Failure(Fault.CONNECT, "nothing listens there"), Phase.CONNECT), "nothing"),
    ],
)
async def test_an_unknown_errors_words_do_not_reach_the_log(caplog, error, said):
    provider = Fails(error)
    task = asyncio.ensure_future(Warmth({"a": SimpleNamespace(provider=provider)}, {}, ["a"]).run())
    async with asyncio.timeout(5):
        await provider.tried.wait()
        await asyncio.sleep(0)  # the one step from the error to the log
    task.cancel()
    await asyncio.wait({task})
    assert said in caplog.text
    assert "canary" not in caplog.text
