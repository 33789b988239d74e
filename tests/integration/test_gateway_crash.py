"""Gateways and databases killed under load: what was promised holds; `make soak` does it longer."""

import pytest

from support.crash_soak import Soak
from support.postgres import Server, why_not

CYCLES = 4
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


async def test_nothing_is_lost_or_counted_twice_when_gateways_on_a_file_are_killed(tmp_path):
    tally = await Soak(tmp_path, seed=4100).run(CYCLES)
    assert tally.acknowledged > 5 * CYCLES
    assert tally.lost == 0
    assert tally.unknown > 0
    assert tally.calls > tally.acknowledged


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
async def test_nothing_is_lost_or_counted_twice_when_gateways_or_their_server_are_killed(tmp_path):
    with Server(durable=True) as server:
        tally = await Soak(tmp_path, server, seed=4100).run(CYCLES)
        server.check()
    assert tally.killed_databases > 0
    assert tally.acknowledged > 5 * CYCLES
    assert tally.lost == 0
    assert tally.unknown > 0
