"""Every key and password that a configuration leads to: what no line of a log may hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from rung.config import Config
from rung.telemetry.watching import headers_of

VARIABLES: Final = ("RUNG_LEDGER_PASSWORD", "PGPASSWORD")

LEAST: Final = 4
"""Characters. What is shorter stands in many words, and is guessed anyway."""


def secrets_in(config: Config, keys: Iterable[str]) -> tuple[str, ...]:
    """All of them, each once, the longest first; ``keys`` are those of tiers and projects."""
    found = {*keys, *_of_headers(config)}
    found |= {secret for name in VARIABLES if (secret := config.secret(name))}
    for url in _urls(config):
        found |= set(_of_url(url))
    return tuple(sorted((each for each in found if len(each) >= LEAST), key=len, reverse=True))


def _of_headers(config: Config) -> Iterator[str]:
    for value in headers_of(config).values():
        yield value
        # The key behind `Bearer ` or `Basic ` too.
        yield value.rpartition(" ")[2]


def _urls(config: Config) -> Iterator[str]:
    file = config.file
    if isinstance(config.ledger, str):
        yield config.ledger
    tiers = (tier.base_url for tier in file.tiers.values())
    webhooks = (file.inbox_webhook, file.spending.webhook)
    yield from filter(None, (*tiers, *webhooks, file.telemetry.otlp_endpoint))


def _of_url(url: str) -> Iterator[str]:
    """What of an address is a secret: its password, and the values of its query."""
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        return
    if password:
        yield from (password, unquote(password))
    yield from (value for _, value in parse_qsl(parts.query))
