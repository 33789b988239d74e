"""`rung probe`: real measurements of servers whose speed and manners the test knows."""

from __future__ import annotations

import json

import pytest

from rung.ledger import Ledger
from support.gateway import Upstream, rung, toml
from support.model_world import Habits, ModelWorld
from support.openai_server import status
from support.slow_reader import SlowReader


def config(folder, *bases: str, **more: str):
    (folder / "rung.toml").write_text(toml(*bases, **more), encoding="utf-8")


def probed(folder, *arguments: str):
    """What a probe of tier a says, with its exit status."""
    ran = rung(folder, "probe", "a", "--json", *arguments)
    return json.loads(ran.stdout), ran


def test_a_speed_is_measured_stored_and_used_by_the_next_process(tmp_path):
    with SlowReader(3000) as slow, Upstream() as quick:
        config(tmp_path, slow.base_url, quick.base_url)
        told, ran = probed(tmp_path)
        assert ran.returncode == 0
        assert told["read_tokens_per_second"] == pytest.approx(3000, rel=0.4)
        assert told["stored"]
        # Each prompt is new, so that no cache of the server's can help.
        said = [call.json["messages"][0]["content"] for call in slow.calls]
        assert len({prompt[:40] for prompt in said}) == len(said)
        again, _ = probed(tmp_path)
        assert again["calls"] == told["calls"]
        body = {"messages": [{"role": "user", "content": "word" * 30_000}]}
        (tmp_path / "body.json").write_text(json.dumps(body), encoding="utf-8")
        foretold = json.loads(rung(tmp_path, "explain", "--body", "body.json", "--json").stdout)
        assert foretold["expected"]["a"]["seconds"] == pytest.approx(10, rel=0.4)


def test_no_store_leaves_no_speed_but_the_calls_are_on_the_bill(tmp_path):
    with ModelWorld() as world:
        config(tmp_path, world.base_url)
        told, _ = probed(tmp_path, "--no-store")
    assert not told["stored"]
    with Ledger.open(tmp_path / "data" / "rung" / "ledger.db", create=False) as ledger:
        assert ledger.probed(10) == []
        assert ledger.timed(10) == []
        found = ledger.recent(10)
    assert {each.request.project for each in found} == {"rung probe"}
    assert all(not each.inbox for each in found)


def test_tools_and_schemas_that_are_kept_to_are_found_so(tmp_path):
    with ModelWorld() as world:
        config(tmp_path, world.base_url)
        told, _ = probed(tmp_path)
    assert told["tools"]["ok"]
    assert told["schema"]["ok"]
    assert told["failures"] == []


def test_tools_that_are_called_wrongly_and_schemas_that_are_broken_are_found_so(tmp_path):
    with ModelWorld(Habits(breaks="arguments")) as world:
        config(tmp_path, world.base_url)
        told, ran = probed(tmp_path)
    assert ran.returncode == 0
    assert told["tools"]["ok"] is False
    assert "city" in told["tools"]["why"]


def test_a_priced_tier_is_not_probed_before_somebody_agrees(tmp_path):
    price = "price = {input_usd_per_mtok = 2, output_usd_per_mtok = 10}\n"
    with ModelWorld() as world:
        text = toml(world.base_url).replace('price = "free"\n', price)
        (tmp_path / "rung.toml").write_text(text, encoding="utf-8")
        refused = rung(tmp_path, "probe", "a")
        assert refused.returncode == 2
        assert "costs up to $0.0" in refused.stderr
        assert "rung probe a --yes" in refused.stderr
        assert world.turns == []
        told, _ = probed(tmp_path, "--yes")
    assert told["cost_nanousd"] > 0


def test_what_a_second_costs_is_asked_for_too(tmp_path):
    config(tmp_path, "http://127.0.0.1:9", tier='usd_per_second = "0.001"\ntimeout_seconds = 5')
    refused = rung(tmp_path, "probe", "a")
    assert "costs up to $0.02" in refused.stderr


def test_a_tier_that_is_down_says_so_and_ends_with_4(tmp_path):
    with Upstream() as broken:
        broken.say(status(500, "out of order"))
        config(tmp_path, broken.base_url)
        told, ran = probed(tmp_path)
        assert ran.returncode == 4
        assert not told["ok"]
        assert "out of order" in told["failures"][0]
        assert len(broken.calls) == 1


def test_a_tier_that_there_is_not_is_named_with_the_nearest(tmp_path):
    (tmp_path / "rung.toml").write_text(toml("http://127.0.0.1:9/v1"), encoding="utf-8")
    ran = rung(tmp_path, "probe", "aa")
    assert ran.returncode == 2
    assert "there is no tier 'aa'" in ran.stderr


def test_the_embedded_model_is_measured_for_real(tmp_path):
    ran = rung(tmp_path, "probe", "local", "--json", seconds=120)
    told = json.loads(ran.stdout)
    assert ran.returncode == 0, ran.stderr
    assert told["read_tokens_per_second"] > told["write_tokens_per_second"] > 1
    assert told["context_tokens"] == 4096
    assert told["load_seconds"] > 0
    assert told["tools"]["ok"] is None
