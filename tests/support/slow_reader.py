"""A server that reads prompts at a speed of its own, for requests that cannot wait.

    with SlowReader(tokens_per_second=5000) as server: ...

It tells its usage as OpenAI-compatible servers do; reading is all that takes it time.
"""

from __future__ import annotations

from collections.abc import Iterable

from support.openai_server import Call, OpenAIServer, Pause, Step, text

ANSWER = "Slow and steady."
LETTERS_PER_TOKEN = 4


class SlowReader(OpenAIServer):
    """``model`` is how it calls itself, whatever model it is asked for."""

    def __init__(self, tokens_per_second: float, *, model: str = "scripted-1") -> None:
        super().__init__(self._read)
        self.tokens_per_second = tokens_per_second
        self._model = model

    def _read(self, call: Call) -> Iterable[Step]:
        said = "".join(str(message["content"]) for message in call.json["messages"])
        tokens = len(said) // LETTERS_PER_TOKEN
        usage = {"prompt_tokens": tokens, "completion_tokens": 5, "total_tokens": tokens + 5}
        yield Pause(tokens / self.tokens_per_second)
        for step in text(ANSWER, usage=usage)(call):
            # The two names have the same length, so that no length that was told changes.
            yield (
                step.replace(b"scripted-1", self._model.encode())
                if isinstance(step, bytes)
                else step
            )
