"""How much shorter does tool output get, what does that take, and is what was needed still there?

First each output by itself (tests/support/tool_outputs.py: made line for line as tools write them),
its size before and after, the time of one look, and whether every line that a reader needs is in
what is left. Then a conversation of an agent, each of whose turns runs one of these tools: what
shortening costs a request, and how many tokens it keeps off, by how long the conversation is.

    python benchmarks/compression.py [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from rung.compression import Shortening
from rung.core.features import estimate_tokens
from rung.core.shrinking import shrunk
from rung.core.types import Directions, Request
from rung.wire import messages
from rung.wire.front import Arrival
from support.tool_outputs import EXACT, OUTPUTS, Output

CALLS = 15
TURNS = (1, 5, 20)


def microseconds(call: Callable[[], Any]) -> float:
    took = []
    for _ in range(CALLS):
        began = perf_counter()
        call()
        took.append((perf_counter() - began) * 1e6)
    return median(took)


def looked(output: Output) -> dict[str, Any]:
    told = shrunk(output.text)
    left = output.text if told is None else told
    return {
        "tokens_before": estimate_tokens(output.text),
        "tokens_after": estimate_tokens(left),
        "left": round(len(left) / len(output.text), 3),
        "needed_lines_there": sum(one in left for one in output.needed),
        "needed_lines": len(output.needed),
        "us_per_kb": round(microseconds(lambda: shrunk(output.text)) / len(output.text) * 1000, 1),
    }


def conversation(turns: int) -> Request:
    """An agent's request after so many turns, one tool's output each, as Claude Code sends it."""
    said: list[dict[str, Any]] = [{"role": "user", "content": "Make the build pass."}]
    for number in range(turns):
        call, output = f"toolu_{number}", OUTPUTS[number % len(OUTPUTS)]
        used = {"type": "tool_use", "id": call, "name": "Bash", "input": {"command": output.name}}
        result = {"type": "tool_result", "tool_use_id": call, "content": output.text}
        said += [{"role": "assistant", "content": [used]}, {"role": "user", "content": [result]}]
    body = json.dumps({"model": "m", "max_tokens": 999, "messages": said}).encode()
    read = messages.FRONT.decode_request(body, Arrival("r", Directions(), {}))
    return replace(read, conversation="c")


def request_costs(turns: int) -> dict[str, Any]:
    """What the last of so many turns costs, and what the whole conversation does not send."""
    spared = 0
    shortening = Shortening()
    for number in range(1, turns + 1):
        spared += shortening.of(conversation(number)).spared_tokens
    last = conversation(turns)
    unknown = replace(last, conversation="")
    return {
        "body_bytes": len(last.body),
        "tokens_not_sent_in_all": spared,
        "us_a_request": round(microseconds(lambda: shortening.of(last))),
        "us_outside_of_a_conversation": round(microseconds(lambda: shortening.of(unknown)), 1),
    }


def figures() -> dict[str, Any]:
    return {
        "outputs": {one.name: looked(one) for one in OUTPUTS if one.kind != EXACT},
        "left as they are": {one.name: looked(one) for one in OUTPUTS if one.kind == EXACT},
        "conversations": {f"{turns} turns": request_costs(turns) for turns in TURNS},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one document instead of tables")
    found = figures()
    if parser.parse_args().json:
        print(json.dumps(found, indent=2))
        return
    for part, rows in found.items():
        print(f"\n{part}\n  {'':34} {'  '.join(next(iter(rows.values())))}")
        for name, row in rows.items():
            print(f"  {name:34} {'  '.join(f'{value:>{len(key)}}' for key, value in row.items())}")


if __name__ == "__main__":
    main()
