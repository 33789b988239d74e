"""What an answer says, its tool calls included, as one text that can be compared and hashed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rung.core.comparing import canonical, keys
from rung.core.parts import ToolCall
from rung.core.types import Answer
from rung.core.vote import Vote


def sayings(answers: Sequence[Answer], vote: Vote) -> list[str]:
    """One key an answer, in their order: equal ones say the same by the vote's comparison.

    Answers that call tools are compared as values, whatever the comparison.
    """
    texts = iter(keys([each.text for each in answers if not each.tool_calls], vote))
    return [canonical(said(each)) if each.tool_calls else next(texts) for each in answers]


def said(answer: Answer) -> str:
    """The text of an answer; with tool calls, a JSON text of both.

    Two answers whose texts are the same by `comparing.canonical` say the same: calls count by tool
    and arguments, not by their ids. Arguments that are JSON count as values.
    """
    if not answer.tool_calls:
        return answer.text
    return json.dumps({"text": answer.text, "calls": [_call(each) for each in answer.tool_calls]})


def _call(call: ToolCall) -> dict[str, Any]:
    named = {"namespace": call.namespace, "name": call.name}
    if not call.custom:
        try:
            value = json.loads(call.arguments)
            json.dumps(value)
        except (ValueError, RecursionError):
            pass
        else:
            return named | {"arguments": value}
    return named | {"text": call.arguments}
