"""A provider that keeps books of its own, to hold the ledger against, and the ledger's side of it.

One server speaks for all tiers: the model's name is the tier's. What it does is written into the
prompt, tier by tier and call by call, the last word for good:

    "#17 low=wrong,right high=right"

`right` and `wrong` are answers (`yes` passes the gate of `config`, `nonsense` does not), a number
is that HTTP error, `cut` breaks off half-way, `untold` leaves the usage out, `late` answers after
a moment, `stall` never. No two calls are told the same token counts.

Nothing here uses rung's own code to read the ledger or to price a call.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from support import anthropic_server
from support.gateway import Reply
from support.judges import right, wrong
from support.ledger_rows import rows
from support.openai_server import (
    CUT,
    DONE,
    STALL,
    STREAM_END,
    STREAM_HEAD,
    Call,
    OpenAIServer,
    Pause,
    Step,
    chunk,
    event,
    usage_chunk,
    whole,
)

SCRIPT = re.compile(r"#(\d+)((?: [a-z]+=[a-z0-9,]+)+)")
LATE_SECONDS = 0.6


class Rates(NamedTuple):
    """Nano-dollars for one token."""

    fresh: int
    read: int
    written: int
    said: int


RATES = {
    "low": Rates(370, 37, 463, 1_910),
    "many": Rates(211, 53, 211, 977),
    "high": Rates(3_001, 301, 3_751, 15_013),
    "judge": Rates(89, 7, 89, 401),
    "embed": Rates(13, 13, 13, 0),
}


class Told(NamedTuple):
    """Token counts of one call; ``read`` and ``written`` are inside ``sent``."""

    sent: int
    read: int
    written: int
    said: int

    def nanousd(self, tier: str) -> int:
        rates = RATES[tier]
        fresh = self.sent - self.read - self.written
        return (
            fresh * rates.fresh
            + self.read * rates.read
            + self.written * rates.written
            + self.said * rates.said
        )


@dataclass
class Entry:
    """One call in the provider's books.

    ``asked`` is the number in its prompt. ``told``: it was sent all counts, to the last byte.
    """

    asked: int
    tier: str
    counts: Told
    behaviour: str
    judges: bool = False
    told: bool = False


@dataclass
class Books:
    """What the provider wrote down, and the server's behaviour."""

    entries: list[Entry] = field(default_factory=list)
    _asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def server(self) -> OpenAIServer:
        return OpenAIServer(self._reply)

    async def hangs(self, asked: int, seconds: float = 20.0) -> None:
        """Wait until a call for this prompt keeps silent for ever."""
        until = time.monotonic() + seconds
        while not any(e.asked == asked and e.behaviour == "hang" for e in self.entries):
            assert time.monotonic() < until
            await asyncio.sleep(0.01)

    def _reply(self, call: Call) -> Iterator[Step]:
        tier = call.json["model"]
        found = SCRIPT.search(call.body.decode())
        assert found is not None, call.body
        with self._lock:
            words = dict(part.split("=") for part in found[2].split()).get(tier, "right").split(",")
            place = self._asked[found[1], tier]
            self._asked[found[1], tier] += 1
            number = len(self.entries) + 1
            read = 3 * number if tier in {"low", "high"} else 0
            written = 2 * number if tier == "high" else 0
            said = 0 if tier == "embed" else 5 + number
            counts = Told(1_000 + 11 * number, read, written, said)
            judges = b'"sure"' in call.body
            entry = Entry(int(found[1]), tier, counts, words[min(place, len(words) - 1)], judges)
            self.entries.append(entry)
        return self._played(entry, call)

    def _played(self, entry: Entry, call: Call) -> Iterator[Step]:
        if entry.behaviour.isdigit():
            yield whole(int(entry.behaviour), json.dumps({"error": {"message": "no"}}).encode())
            return
        if entry.behaviour == "late":
            yield Pause(LATE_SECONDS)
        steps = SPOKEN[call.path.partition("?")[0]](entry, call.streams)
        yield from steps
        # Here the connection has taken the last step.
        entry.told = entry.behaviour not in {"cut", "untold"}


def _words(entry: Entry) -> str:
    if entry.judges:
        return wrong(95, "no") if entry.behaviour == "wrong" else right(95)
    return "nonsense" if entry.behaviour == "wrong" else "yes"


def _chat(entry: Entry, streams: bool) -> Iterable[Step]:
    counts = entry.counts
    usage = {
        "prompt_tokens": counts.sent,
        "completion_tokens": counts.said,
        "total_tokens": counts.sent + counts.said,
        "prompt_tokens_details": {"cached_tokens": counts.read},
    }
    if streams:
        start = [STREAM_HEAD, event(chunk({"role": "assistant", "content": ""}))]
        said = [event(chunk({"content": _words(entry)})), event(chunk({}, "stop"))]
        end = [event(usage_chunk(usage)), DONE, STREAM_END]
        return _shaped(entry, start, said, end, [DONE, STREAM_END])
    body = chunk() | {"object": "chat.completion"}
    message = {"role": "assistant", "content": _words(entry)}
    body["choices"] = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return _plain(entry, body, usage)


def _messages(entry: Entry, streams: bool) -> Iterable[Step]:
    counts = entry.counts
    usage = {
        "input_tokens": counts.sent - counts.read - counts.written,
        "cache_read_input_tokens": counts.read,
        "cache_creation_input_tokens": counts.written,
        "output_tokens": counts.said,
    }
    reply = anthropic_server.text(_words(entry), usage=usage)
    if streams:
        call = Call("POST", "/v1/messages", {}, b'{"stream":true}', 0)
        steps = list(reply(call))
        return _shaped(entry, steps[:3], steps[3:-3], steps[-3:], [STREAM_END])
    blocks = [{"type": "text", "text": _words(entry)}]
    body = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
    body |= {"content": blocks, "stop_reason": "end_turn", "stop_sequence": None}
    return _plain(entry, body, usage)


def _embeddings(entry: Entry, streams: bool) -> Iterable[Step]:
    assert not streams
    data = [{"object": "embedding", "index": 0, "embedding": [0.5]}]
    body = {"object": "list", "model": "e", "data": data}
    usage = {"prompt_tokens": entry.counts.sent, "total_tokens": entry.counts.sent}
    return _plain(entry, body, usage)


def _plain(entry: Entry, body: dict[str, Any], usage: dict[str, Any]) -> Iterable[Step]:
    match entry.behaviour:
        case "stall" | "hang":
            return [STALL]
        case "cut":
            full = whole(200, json.dumps(body | {"usage": usage}).encode())
            return [full[: len(full) // 2], CUT]
        case "untold":
            return [whole(200, json.dumps(body).encode())]
    return [whole(200, json.dumps(body | {"usage": usage}).encode())]


def _shaped(
    entry: Entry, start: list[Step], said: list[Step], end: list[Step], bare_end: list[Step]
) -> Iterable[Step]:
    match entry.behaviour:
        case "stall":
            return [STALL]
        case "hang":
            return [*start, *said[:1], STALL]
        case "cut":
            return [*start, *said[:1], Pause(0.02), CUT]
        case "untold":
            return [*start, *said, *bare_end]
    return [*start, *said, *end]


SPOKEN = {
    "/v1/chat/completions": _chat,
    "/v1/messages": _messages,
    "/v1/embeddings": _embeddings,
}

# ------------------------------------------------------------------ the gateway's side


def shed(reply: Reply) -> bool:
    """Whether a gateway on a busy machine turned a request away unread: ask again."""
    return reply.status == 503 and b"more requests than it can serve" in reply.body


def config(base_url: str, ledger: str, more: str = "") -> str:
    """Ladders that use everything that costs: each is named by what it is for.

    ``more`` goes to the end.
    """
    tiers = {
        "low": "retries = 1\nrepairs = 1",
        "many": "retries = 0\nrepairs = 0\nsamples = 3",
        "high": "retries = 1\nrepairs = 1",
        "judge": "retries = 0",
        "embed": "retries = 0",
    }
    ladders = {
        "gated": 'tiers = ["low", "high"]\nverify = ["yes"]',
        "voted": 'tiers = ["many", "high"]',
        "judged": 'tiers = ["low", "high"]\nverify = ["opinion"]',
        "hedged": 'tiers = ["low", "high"]\nhedge_seconds = 0.1',
        "audited": 'tiers = ["low", "high"]\nverify = ["yes"]\naudit = "100%"',
    }
    lines = [f'ledger = "{ledger}"\nembeddings = "embed"\ndefault_ladder = "gated"']
    for name, keys in tiers.items():
        provider = "anthropic" if name == "high" else "openai_compatible"
        lines.append(f'[tiers.{name}]\nprovider = "{provider}"\nmodel = "{name}"\n{keys}')
        lines.append(f'base_url = "{base_url}"\nprice = {_price(RATES[name])}\ncache = "off"')
    for name, keys in ladders.items():
        lines.append(f'[ladders.{name}]\n{keys}\non_exhausted = "error"')
    lines.append('[verifiers.yes]\nkind = "label_set"\nlabels = ["yes", "no"]')
    lines.append('[verifiers.opinion]\nkind = "judge"\ntier = "judge"')
    lines.append("[breakers]\noff = true")  # every call is made, however often a tier fails
    return "\n".join([*lines, more, "[server]\nport = 0", ""])


def _price(rates: Rates) -> str:
    names = ("input", "cache_read", "cache_write", "output")
    figures = (
        f"{name}_usd_per_mtok = {rate / 1000:g}" for name, rate in zip(names, rates, strict=True)
    )
    return f"{{ {', '.join(figures)} }}"


ATTEMPTS = """
SELECT request_id, id, tier, kind, beside, usage_source AS source, failure_fault AS fault,
  input_tokens AS sent, cache_read_tokens AS read, cache_write_tokens AS written,
  output_tokens AS said, cost_nanousd AS cost FROM attempts
  WHERE failure_fault IS NULL OR failure_fault <> 'budget'
"""
"""All calls that were made: those that no money was there for were not."""

JUDGED = "SELECT request_id, cost_nanousd AS cost FROM verdicts WHERE verifier = 'opinion'"
REQUESTS = "SELECT id, cost_nanousd AS cost, audit_of, ended_by, escalated FROM requests"


def disagreements(books: Books, place: str) -> list[str]:
    """Where the ledger and the provider's books say different things: nothing, if all is well."""
    attempts, judged = rows(place, ATTEMPTS), rows(place, JUDGED)
    found = []
    asked = Counter(entry.tier for entry in books.entries)
    booked = Counter(row["tier"] for row in attempts) + Counter(judge=len(judged))
    if asked != booked:
        found.append(f"calls by tier: the provider has {asked}, the ledger {booked}")
    told = Counter((e.tier, e.counts) for e in books.entries if e.told and e.tier != "judge")
    counted = Counter((row["tier"], _told(row)) for row in attempts if row["source"] == "provider")
    found += [f"in the provider's books only: {one}" for one in told - counted]
    found += [f"in the ledger only: {one}" for one in counted - told]
    for row in attempts:
        owed = _told(row).nanousd(row["tier"])
        if row["cost"] != owed:
            found.append(f"{row['id']} is booked at {row['cost']}, its tokens cost {owed}")
    owed_judge = Counter(
        e.counts.nanousd("judge") if e.told else 0 for e in books.entries if e.tier == "judge"
    )
    if owed_judge != Counter(row["cost"] for row in judged):
        found.append(f"judges: {owed_judge} against {Counter(row['cost'] for row in judged)}")
    return [*found, *_wrong_sums(place, attempts, judged)]


def _told(row: dict[str, Any]) -> Told:
    return Told(row["sent"], row["read"], row["written"], row["said"])


def _wrong_sums(
    place: str, attempts: list[dict[str, Any]], judged: list[dict[str, Any]]
) -> Iterator[str]:
    """Requests that do not cost what their calls do."""
    sums: Counter[str] = Counter()
    for row in (*attempts, *judged):
        sums[row["request_id"]] += row["cost"]
    for row in rows(place, REQUESTS):
        if row["cost"] != sums[row["id"]]:
            yield f"request {row['id']} costs {row['cost']}, its calls {sums[row['id']]}"


def booked_calls(place: str) -> int:
    """How many calls the ledger knows of."""
    return len(rows(place, ATTEMPTS)) + len(rows(place, JUDGED))
