"""Callers who leave a tier that is heard to its end: the ledger has what it says it used."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from rung.core.types import EndedBy, UsageSource
from support.gateway import Gateway, Upstream, Wire, ask, chat, request, toml
from support.openai_server import (
    DONE,
    STREAM_END,
    STREAM_HEAD,
    USAGE,
    Call,
    Pause,
    Step,
    chunk,
    event,
    usage_chunk,
)

DRAINS = 'on_disconnect = "drain"'


class Slow(Upstream):
    """A stream that goes on once it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.say(self._slow)

    def _slow(self, call: Call) -> Iterator[Step]:
        yield STREAM_HEAD
        yield event(chunk({"role": "assistant", "content": "so far "}))
        while not self.free.is_set():
            yield Pause(0.01)
        yield event(chunk({"content": "so good"}))
        yield event(chunk({}, "stop"))
        yield event(usage_chunk(USAGE))
        yield DONE
        yield STREAM_END


@pytest.mark.parametrize("held", ["pass", "hold"])
def test_a_tier_is_heard_out_after_its_caller_has_left(tmp_path, held):
    with Slow() as upstream:
        config = toml(upstream.base_url, tier=DRAINS, ladder=f'stream = "{held}"')
        with Gateway(tmp_path, config) as gateway:
            with Wire(gateway.port) as wire:
                wire.send(request(body=chat(stream=True)))
                (call,) = upstream.wait_for_calls(1)
                if held == "pass":
                    wire.until(b"so far")
                wire.reset()
            assert not call.left.wait(0.2)
            assert gateway.outcomes() == []
            upstream.free.set()
            (outcome,) = gateway.booked(1)
    (attempt,) = outcome.history
    assert (attempt.drained, attempt.usage.source) == (True, UsageSource.PROVIDER)
    assert attempt.usage.input_tokens == USAGE["prompt_tokens"]
    assert (outcome.served, outcome.ended_by) == (None, EndedBy.CLIENT)


def test_a_gateway_that_is_told_to_end_books_what_it_was_hearing_out(tmp_path):
    with Slow() as upstream:
        gateway = Gateway(tmp_path, toml(upstream.base_url, tier=DRAINS)).start()
        with Wire(gateway.port) as wire:
            wire.send(request(body=chat(stream=True))).until(b"so far")
            wire.reset()
        gateway.process.child.terminate()
        while ask(gateway.port, request("GET", "/healthz")).status == 200:
            pass
        gateway.process.child.terminate()
        assert gateway.process.wait() == 0
        (outcome,) = gateway.outcomes()
        upstream.free.set()
    (attempt,) = outcome.history
    assert (attempt.drained, attempt.usage.source) == (False, UsageSource.ESTIMATED)
