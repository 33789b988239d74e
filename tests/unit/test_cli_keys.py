"""`rung keys`: what it makes, shows and refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from rung.cli import bill as bills
from rung.cli import keys as command
from rung.cli.keys import Limits
from rung.core.errors import RequestError
from rung.core.rights import May
from rung.ledger import Ledger
from support.outcomes import outcome


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "rung.toml").write_text(
        'ledger = "ledger.db"\n[tiers.local]\nprovider = "embedded"\n'
        '[ladders.default]\ntiers = ["local"]\n'
    )
    return tmp_path / "rung.toml"


def told(capsys, call, *arguments, **options):
    call(*arguments, json=True, **options)
    return json.loads(capsys.readouterr().out)


def test_a_key_is_made_in_a_folder_that_has_no_ledger_yet(path, capsys):
    made = told(
        capsys,
        command.create,
        "a",
        limits=Limits(usd_per_day=Decimal("0.10")),
        expires="2h",
        path=path,
    )
    assert len(made["secret"]) == 48
    assert made["key"]["rights"] == {"may": ["call"], "caps": {"day": "0.100000000"}}
    assert made["key"]["expires_unix"] - made["key"]["created_unix"] == 7200
    (listed,) = told(capsys, command.list, path=path)
    assert listed == made["key"]
    assert made["secret"] not in (path.parent / "ledger.db").read_bytes().decode("latin-1")


def test_people_see_the_secret_once_and_the_limits_in_words(path, capsys):
    limits = Limits(
        ladder=("default",),
        private=True,
        max_usd=Decimal("0.10"),
        usd_per_day=Decimal(5),
        requests_per_minute=1000,
    )
    command.create("a", limits=limits, path=path)
    out = capsys.readouterr().out
    assert "rung_" in out
    assert "ladders default; private; $0.1 a request; $5 a day; 1,000 requests a minute" in out
    command.list(path=path)
    command.show("a", path=path)
    out = capsys.readouterr().out
    assert "rung_" not in out
    assert "1,000 requests a minute" in out
    assert "booked         0 requests, $0" in out


def test_a_name_that_could_steer_a_terminal_is_refused_and_none_is_read_as_markup(path, capsys):
    with pytest.raises(RequestError, match="printable"):
        command.create("\x1b[31mred", path=path)
    command.create("[bold]x[/]", path=path)
    command.list(path=path)
    assert "[bold]x[/]" in capsys.readouterr().out


def test_a_key_below_another_may_no_more_than_that(path, capsys):
    made = told(capsys, command.create, "top", limits=Limits(tier=("local",)), path=path)
    below = told(capsys, command.create, "low", parent="top", path=path)
    assert below["key"]["parent"] == made["key"]["id"]
    assert below["key"]["rights_with_its_makers"]["tiers"] == ["local"]
    with pytest.raises(RequestError) as caught:
        command.create("x", may=(May.CALL, May.KEYS), parent="top", path=path)
    assert caught.value.status == 403
    command.show("low", path=path)
    assert f"with top ({made['key']['id']})" in capsys.readouterr().out


def test_a_revoked_key_is_listed_only_with_all_and_makes_none(path, capsys):
    command.create("top", path=path)
    command.create("low", parent="top", path=path)
    command.revoke("top", path=path)
    assert "is revoked." in capsys.readouterr().out
    command.revoke("top", path=path)
    assert "as it was before" in capsys.readouterr().out
    assert told(capsys, command.list, path=path) == []
    listed = told(capsys, command.list, all=True, path=path)
    assert [each["state"] for each in listed] == ["revoked", "revoked"]
    with pytest.raises(RequestError, match="no key can be made with it"):
        command.create("x", parent="top", path=path)
    with pytest.raises(RequestError, match="was revoked"):
        command.rotate("top", path=path)


def test_another_secret_leaves_the_key_as_it_is(path, capsys):
    made = told(capsys, command.create, "a", path=path)
    again = told(capsys, command.rotate, "a", grace="2d", path=path)
    assert again["secret"] != made["secret"]
    assert again["key"]["id"] == made["key"]["id"]
    assert again["key"]["old_secret_until_unix"] is not None
    now = told(capsys, command.rotate, "a", grace="0s", path=path)
    assert now["key"]["old_secret_until_unix"] is None


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"expires": "soon"}, "expires"),
        ({"expires": "0s"}, "expires_in_seconds"),
        ({"limits": Limits(ladder=("defualt",))}, "ladders"),
        ({"limits": Limits(tier=("locl",))}, "tiers"),
        ({"limits": Limits(usd_per_day=Decimal("NaN"))}, "caps.day"),
        ({"limits": Limits(max_usd=Decimal(-1))}, "max_usd"),
        ({"limits": Limits(requests_per_minute=0)}, "requests_per_minute"),
        ({"limits": Limits(project="a b")}, "project"),
        ({"parent": "nobody"}, "id"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(path, options, param):
    with pytest.raises(RequestError) as caught:
        command.create("a", **options, path=path)
    assert caught.value.param == param


def test_the_bill_names_keys(path, capsys):
    made = told(capsys, command.create, "alice", path=path)["key"]
    with Ledger.open(path.parent / "ledger.db") as ledger:
        booked = outcome("req-1")
        ledger.append_now(replace(booked, request=replace(booked.request, key=made["id"])))
    bills.bill(by=bills.BillBy.KEY, path=path)
    assert f"alice ({made['id']})" in capsys.readouterr().out
    assert told(capsys, command.show, "alice", path=path)["use"]["requests"] == 1
