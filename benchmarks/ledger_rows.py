"""A ledger of as many requests as wanted, as a busy gateway would leave it, in a minute a million.

A few dozen outcomes go through the ledger's own writer; SQL then copies their rows with new ids,
times and amounts. So every row is one that rung writes, whatever its tables are.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from itertools import product
from pathlib import Path

from rung.core.engine import Accept, Exhausted, Exhaustion
from rung.core.outcome import Outcome
from rung.core.parts import Message, Role, Text
from rung.core.plan import Expected, Plan, Route, Step
from rung.core.types import (
    Answer,
    Attempt,
    Directions,
    Failure,
    Fault,
    Kind,
    Lane,
    Price,
    Request,
    Usage,
    UsageSource,
)
from rung.core.verdicts import Check, Status, Trust, Verdict, Weight
from rung.ledger import Ledger

PROJECTS = (None, "web", "support", "agents")
CATEGORIES = ("coding", "documentation", "extraction", "formatting", "questions", "translation")
KEYS = 40
HYGIENE = ("not_empty", "cut_off", "repetition")
SIGNALS = ("refusal", "hedging")
CHECKS = (
    *(Check(name, Weight.IMPLIED) for name in HYGIENE),
    Check("json_schema", Weight.REQUIRED),
    *(Check(name, Weight.SIGNAL) for name in SIGNALS),
)
SMALL = Price("local", nanousd_per_second=1250)
LARGE = Price(
    "genai-prices:2026-11-01",
    input_nanousd_per_mtok=3_000_000_000,
    output_nanousd_per_mtok=15_000_000_000,
    cache_read_nanousd_per_mtok=300_000_000,
    cache_write_nanousd_per_mtok=3_750_000_000,
)
RESENT_EVERY = 400
AUDITED_EVERY = 100
BEGAN_UNIX = 1_793_491_200
"""2026-11-01, UTC."""


def fill(path: Path, requests: int, days: float) -> None:
    """Make a ledger of ``requests`` requests that began evenly over ``days``."""
    with Ledger.open(path) as ledger:
        made = templates()
        for one in made:
            ledger.append_now(one)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-400000")
        connection.execute("BEGIN")
        _copy(connection, len(made), requests, days * 86_400 / requests)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


# ------------------------------------------------------------------ outcomes to copy


def templates() -> list[Outcome]:
    """Two thirds pass at the local tier, the others climb, fall back, or are repaired first."""
    ways = (_passed, _passed, _passed, _climbed, _repaired, _fell)
    made = []
    for number, (project, category, way) in enumerate(product(PROJECTS, CATEGORIES, ways)):
        lane = (Lane.INTERACTIVE, Lane.INTERACTIVE, Lane.BACKGROUND)[number % 3]
        name = f"template-{number:03d}"
        plan = _plan(category, number)
        request = Request(
            name,
            "chat",
            (Message(Role.USER, (Text("x" * (400 + 37 * number)),)),),
            model="rung",
            body=b"x" * (600 + 37 * number),
            conversation=f"{number:016x}-{number:08x}",
            directions=Directions(project=project, lane=lane),
        )
        if "key" in Request.__match_args__:
            request = replace(request, key=f"key-{number % KEYS:03d}")
        made.append(way(request, plan, number))
    made.append(_exhausted(replace(made[0].request, id="template-last"), made[0].plan, 1))
    return made


def _plan(category: str, seed: int) -> Plan:
    steps = (
        Step("local", CHECKS, 150_000, 120.0, 1, 1, expected=Expected(0.0812 + seed / 1e5, 0.71)),
        Step("cloud", CHECKS, 31_500_000, 120.0, 1, 1, expected=Expected(0.63 + seed / 1e5, 2.71)),
    )
    route = Route(category=category, difficulty="moderate")
    return Plan("default", steps, cost_cap_nanousd=50_000_000, seed=7919 * seed, route=route)


def _call(name: str, place: int, tier: str, began: float, *, failed: str = "") -> Attempt:
    cloud = tier == "cloud"
    ended = began + (2.7 if cloud else 0.7)
    usage = Usage(1480, 310, 1024 if cloud else 0, source=UsageSource.PROVIDER)
    verdicts = []
    for check in CHECKS:
        bad = check.name == failed
        signal = check.weight is Weight.SIGNAL
        reason = "no hedge in 212 words" if signal else "the document satisfies the schema"
        reason = "/items/3/price: 'n/a' is not of type \"number\"" if bad else reason
        status = Status.FAILED if bad else Status.PASSED
        score = 0.93 if signal else None
        verdict = Verdict(check.name, status, reason, Trust.DATA, score, 4.2e-05, ended + 3e-4)
        verdicts.append(verdict)
        if bad:
            break
    return Attempt(
        id=f"{name}.{place}",
        tier=tier,
        kind=Kind.FIRST,
        started_at=began,
        ended_at=ended,
        answer=Answer("the answer" * 120, model="gpt-6-luna" if cloud else "qwen3-8b"),
        usage=usage,
        cost_nanousd=6_320_000 if cloud else 875,
        price=LARGE if cloud else SMALL,
        first_token_seconds=0.41,
        verdicts=tuple(verdicts),
        local=not cloud,
    )


def _done(request: Request, plan: Plan, calls: tuple[Attempt, ...], *, number: int) -> Outcome:
    return Outcome(
        request=request,
        plan=plan,
        attempts=calls,
        decision=Accept(len(calls) - 1, verified=True),
        served=len(calls) - 1,
        verified=True,
        started_unix=float(BEGAN_UNIX),
        seconds=calls[-1].ended_at + 0.001,
        baselines={"requested": 9_090_000, "cloud": 8_880_000},
        traits=tuple(range(number % 7, 4000, 97)),
    )


def _passed(request: Request, plan: Plan, number: int) -> Outcome:
    return _done(request, plan, (_call(request.id, 0, "local", 0.0),), number=number)


def _climbed(request: Request, plan: Plan, number: int) -> Outcome:
    first = _call(request.id, 0, "local", 0.0, failed="json_schema")
    return _done(request, plan, (first, _call(request.id, 1, "cloud", 0.8)), number=number)


def _repaired(request: Request, plan: Plan, number: int) -> Outcome:
    first = _call(request.id, 0, "local", 0.0, failed="json_schema")
    again = replace(_call(request.id, 1, "local", 0.8), kind=Kind.REPAIR)
    return _done(request, plan, (first, again), number=number)


def _fell(request: Request, plan: Plan, number: int) -> Outcome:
    broken = replace(
        _call(request.id, 0, "local", 0.0),
        answer=None,
        verdicts=(),
        usage=Usage(),
        cost_nanousd=0,
        failure=Failure(Fault.OVERLOADED, "the server is busy (503)", 503),
    )
    return _done(request, plan, (broken, _call(request.id, 1, "cloud", 0.8)), number=number)


def _exhausted(request: Request, plan: Plan, number: int) -> Outcome:
    calls = tuple(
        _call(request.id, place, tier, float(place), failed="json_schema")
        for place, tier in enumerate(("local", "cloud"))
    )
    done = _done(request, plan, calls, number=number)
    nothing = Exhausted(Exhaustion.TOP_REACHED, best=1)
    return replace(done, decision=nothing, served=None, verified=False, inbox=True)


# ------------------------------------------------------------------ copies


def _copy(connection: sqlite3.Connection, templates: int, requests: int, apart: float) -> None:
    """Copies 1 to ``requests`` of the templates in turn, ``apart`` seconds from each other."""
    connection.execute("CREATE TEMP TABLE made (number INTEGER PRIMARY KEY, of TEXT, id TEXT)")
    connection.execute("CREATE TEMP TABLE kinds AS SELECT id FROM requests ORDER BY id")
    # Ids sort by time, as rung's own do: milliseconds, then what looks random.
    connection.execute(
        "WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < ?)"
        " INSERT INTO made SELECT n, (SELECT id FROM kinds WHERE kinds.rowid = 1 + n * 7919 % ?),"
        " printf('%012x%010x', cast(? + n * ? as integer), (n * 2654435761) % 1099511627776)"
        " FROM up",
        (requests, templates, BEGAN_UNIX * 1000, apart * 1000),
    )
    names = {
        "id": "m.id",
        "started_unix": f"{BEGAN_UNIX} + m.number * {apart}",
        "seconds": "t.seconds * (0.3 + (m.number * 7 % 1000) / 700.0)",
        "conversation": "printf('%016x-%08x', m.number / 8, m.number % 3)",
        "body_sha256": "hex(randomblob(32))",
        "resend_of": _of(RESENT_EVERY, 1),
        "audit_of": _of(AUDITED_EVERY, 3),
    }
    _insert(connection, "requests", "t.id", names)
    made = {"request_id": "m.id"}
    # An attempt's own id looks like a request's.
    own = "substr(m.id, 1, 12) || printf('%010x', (m.number * 4 + t.position) * 2654435761"
    names = made | {
        "id": f"{own} % 1099511627776)",
        "answer_sha256": "CASE WHEN t.answer_sha256 IS NOT NULL THEN hex(randomblob(32)) END",
        "input_tokens": "t.input_tokens + m.number % 500 * (t.input_tokens > 0)",
        "cost_nanousd": "t.cost_nanousd + m.number % 977 * (t.cost_nanousd > 0)",
    }
    _insert(connection, "attempts", "t.request_id", names)
    _insert(connection, "verdicts", "t.request_id", made)
    cost = {"cost_nanousd": "t.cost_nanousd + m.number % 1009"}
    _insert(connection, "baselines", "t.request_id", made | cost)
    _insert(connection, "inbox", "t.request_id", made | {"state": "'open'"}, "m.number % 500 = 0")
    # A request costs what its calls cost.
    connection.execute(
        "UPDATE requests SET cost_nanousd = (SELECT coalesce(sum(cost_nanousd), 0) FROM attempts"
        " WHERE request_id = requests.id)"
    )


def _of(every: int, at: int) -> str:
    """The request before, for one in ``every``."""
    before = "(SELECT b.id FROM made b WHERE b.number = m.number - 1)"
    return f"CASE WHEN m.number % {every} = {at} THEN {before} END"


def _insert(
    connection: sqlite3.Connection, table: str, key: str, made: dict[str, str], where: str = "true"
) -> None:
    rows = connection.execute(f"PRAGMA table_info({table})")
    columns = [row[1] for row in rows]
    values = ", ".join(made.get(column, f"t.{column}") for column in columns)
    connection.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values}"
        f" FROM made m CROSS JOIN {table} t ON {key} = m.of WHERE {where} ORDER BY m.number"
    )
