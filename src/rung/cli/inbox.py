"""`rung inbox list|show`: what no tier passed and waits for a human."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rung.cli.output import SIGN, console, one_line, plain, print_json, table
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
        for verdict in answer["verdicts"]:
            if verdict["status"] != Status.PASSED:
                sign = SIGN[Status(verdict["status"])]
                said = one_line(verdict["reason"], 300)
                to.print(f"  {sign} {one_line(verdict['verifier'])}: {said}")


def _text(message: dict[str, Any]) -> str:
    parts = (part.get("text", f"({part.get('kind')})") for part in message["parts"])
    return "\n".join(parts)


def _when(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
