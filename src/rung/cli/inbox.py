"""`rung inbox list|show`: what no tier passed and waits for a human."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rung.cli.output import console, one_line, plain, print_json, sign, table
from rung.cli.settings import ConfigPath, Json, load, open_ledger
from rung.core.types import Status

OPEN = "open"


def list(*, path: ConfigPath = None, json: Json = False) -> None:  # noqa: A001 the word people type
    """List what waits, oldest first."""
    with open_ledger(load(path, parts=False)) as ledger:
        items = [item for item in ledger.inbox_items() if item.state == OPEN]
    if json:
        print_json([asdict(item) for item in items])
        return
    to = console()
    if not items:
        to.print("The inbox is empty.")
        return
    shown = table(f"{len(items)} waiting", [("id", "left"), ("since", "left")])
    for item in items:
        shown.add_row(item.request_id, _when(item.created_unix))
    to.print(shown)
    to.print("\n[dim]rung inbox show ID, rung explain ID[/]")


def show(id: str = "last", /, *, path: ConfigPath = None, json: Json = False) -> None:  # noqa: A002 the word people type
    """Show one request with every answer and what was wrong with it.

    Args:
        id: The request's id or the beginning of it; `last` is the newest request.
    """
    with open_ledger(load(path, parts=False)) as ledger:
        entry = ledger.inbox_entry(id)
    if json:
        print_json(asdict(entry))
        return
    to = console()
    to.print(f"[bold]{entry.item.request_id}[/] since {_when(entry.item.created_unix)}")
    for message in entry.request["messages"]:
        to.print(f"[dim]{one_line(message['role'])}[/]  {plain(_text(message))}")
    for answer in entry.answers:
        to.print(f"\n[bold]{one_line(answer['tier'])}[/]  {plain(answer['text'], 2000)}")
        for call in answer["tool_calls"]:
            to.print(f"  calls {plain(_call(call), 2000)}")
        for verdict in answer["verdicts"]:
            if verdict["status"] != Status.PASSED:
                said = one_line(verdict["reason"], 300)
                shown = sign(Status(verdict["status"]))
                to.print(f"  {shown} {one_line(verdict['verifier'])}: {said}")


def _text(message: dict[str, Any]) -> str:
    return "\n".join(_part(part) for part in message["parts"])


def _part(part: dict[str, Any]) -> str:
    """One part for people. What it is shows in its fields: rows name no types."""
    if "text" in part:
        return str(part["text"])
    if "arguments" in part:
        return f"calls {_call(part)}"
    if "parts" in part:
        return f"result: {_text(part)}"
    return f"({part.get('kind') or part.get('media_type') or 'a file'})"


def _call(call: Any) -> str:
    """A tool call as one would write it. Older rows hold whatever the provider sent for one."""
    match call:
        case {"function": {"name": name, "arguments": arguments}}:
            return f"{name}({arguments})"
        case {"namespace": str(namespace), "name": name, "arguments": arguments}:
            return f"{namespace}.{name}({arguments})" if namespace else f"{name}({arguments})"
        case _:
            return str(call)


def _when(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
