"""The mock provider of `upstream`, which streams in the Messages dialect too."""

from __future__ import annotations

import argparse
import asyncio
import json

import uvloop
from upstream import STREAM_HEAD, TOKENS, Upstream


def _event(payload: dict[str, object]) -> bytes:
    data = f"event: {payload['type']}\ndata: {json.dumps(payload)}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "mock",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 256, "output_tokens": 1},
}
BEGIN = _event({"type": "message_start", "message": MESSAGE}) + _event(
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
)
WORD = _event(
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": " fox"},
    }
)
END = (
    _event({"type": "content_block_stop", "index": 0})
    + _event(
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 64},
        }
    )
    + _event({"type": "message_stop"})
    + b"0\r\n\r\n"
)


class Bilingual(Upstream):
    """One connection. What is asked at `/v1/messages` is answered in that dialect."""

    def _answer(self, head: bytes, body: bytes) -> None:
        if not head.startswith(b"POST /v1/messages"):
            super()._answer(head, body)
            return
        allowed = TOKENS.search(body)
        self._transport.write(STREAM_HEAD + BEGIN)
        self._say(1 if allowed is None else int(allowed[1]), asyncio.get_running_loop().time())

    def _say(self, left: int, due: float) -> None:
        """As chunks of a chat: each at its pace, the last with the end."""
        if left == 1:
            self._transport.write(WORD + END)
            return
        self._transport.write(WORD)
        due += self._pace
        self._timer = asyncio.get_running_loop().call_at(due, self._say, left - 1, due)


async def _serve(port: int, pace_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Bilingual(pace_seconds), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pace-seconds", type=float, required=True)
    given = parser.parse_args()
    uvloop.run(_serve(given.port, given.pace_seconds))
