"""Every path of the gateway has a class of access, and only a few are open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rung.assemble import Assembly, assemble
from rung.config import parse
from rung.server.access import Access, Gate, Gates
from rung.server.app import routes
from support.gateway import toml

OPEN = {"/", "/healthz", "/readyz"}


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Assembly]:
    text = 'ledger = "l.db"\n' + toml("http://127.0.0.1:9/v1")
    made = assemble(parse(text, tmp_path / "rung.toml", {}))
    yield made
    assert made.ledger is not None
    made.ledger.close()


def test_every_route_has_a_class_of_access(parts):
    for route in routes(parts, Gates(parts.intake.parts.callers)):
        assert isinstance(route.app, Gate), route.path
        assert isinstance(route.app.access, Access)
        assert route.app.methods


def test_what_costs_money_tells_of_requests_or_makes_keys_is_never_open(parts):
    found = {
        route.path: route.app.access
        for route in routes(parts, Gates(parts.intake.parts.callers))
        if isinstance(route.app, Gate)
    }
    assert {path for path, access in found.items() if access is Access.OPEN} == OPEN
    calls = {path for path, access in found.items() if access is Access.CALL}
    assert {"/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/completions"} <= calls
    assert {"/v1/embeddings", "/v1/messages/count_tokens", "/api/chat"} <= calls
    assert {path for path, access in found.items() if path.startswith("/v1/keys")} == {
        path for path, access in found.items() if access is Access.KEYS
    }
    assert found["/metrics"] is Access.READ


@pytest.mark.parametrize(
    ("said", "access"),
    [("auto", Access.READ), ("open", Access.OPEN), ("keys", Access.READ_BY_KEY), ("off", None)],
)
def test_who_may_read_the_metrics_is_configured(tmp_path, said, access):
    text = 'ledger = "l.db"\n' + toml("http://127.0.0.1:9/v1") + f'metrics = "{said}"\n'
    made = assemble(parse(text, tmp_path / "rung.toml", {}))
    found = {
        each.path: each.app.access
        for each in routes(made, Gates(made.intake.parts.callers))
        if isinstance(each.app, Gate)
    }
    assert found.get("/metrics") is access
    assert made.ledger is not None
    made.ledger.close()
