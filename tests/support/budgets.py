"""Gateways with budgets: a priced tier, and what their ledger counts."""

from __future__ import annotations

from typing import Any

from rung.ledger import Ledger

ANSWER_TOKENS = 100
CALL_NANOUSD = 1_000_000
"""What a call of the priced tier costs whose answer is as long as its limit."""

PRICE = 'price = { input_usd_per_mtok = "0", output_usd_per_mtok = "10" }'
USED = {"prompt_tokens": 5, "completion_tokens": ANSWER_TOKENS, "total_tokens": 5 + ANSWER_TOKENS}


def config(*bases: str, ledger: str = "", more: str = "", price: str = PRICE) -> str:
    """A rung.toml: tiers a, b, ... at these addresses, all of the same price."""
    lines = [f'ledger = "{ledger}"'] if ledger else []
    names = [chr(ord("a") + place) for place in range(len(bases))]
    for name, base in zip(names, bases, strict=True):
        lines.append(f'[tiers.{name}]\nprovider = "openai_compatible"\nmodel = "model-{name}"')
        lines.append(f'base_url = "{base}"\nretries = 0\nrepairs = 0\n{price}')
    tiers = ", ".join(f'"{name}"' for name in names)
    lines.append(
        f"[ladders.default]\ntiers = [{tiers}]\n[server]\nport = 0\n[breakers]\noff = true"
    )
    return "\n".join([*lines, more, ""])


def budget(usd: str, **keys: Any) -> str:
    """One budget's table."""
    told = {"name": "all", "usd": usd} | keys
    lines = [f"{key} = {_toml(value)}" for key, value in told.items()]
    return "\n".join(["[[budgets]]", *lines, ""])


def _toml(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def counted(place: Any, scope: str = "total", name: str = "") -> tuple[int, int, int, int]:
    """Spent and held on a counter, what all rows cost, and how many holds are left."""
    with Ledger.open(place, create=False) as ledger, ledger.reading() as connection:
        levels = connection.execute("SELECT * FROM budgets ORDER BY start_unix").fetchall()
        rows = connection.execute("SELECT coalesce(sum(cost_nanousd), 0) FROM requests").fetchone()
        left = connection.execute("SELECT count(*) FROM holds").fetchone()
    found = [row for row in levels if (row["scope"], row["name"]) == (scope, name)]
    spent, held = (found[-1]["spent_nanousd"], found[-1]["held_nanousd"]) if found else (0, 0)
    return spent, held, rows[0], left[0]
