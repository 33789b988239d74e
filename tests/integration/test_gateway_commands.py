"""A cascade whose gate is a command, through a real gateway and a real sandbox."""

import json
import shutil

import pytest

from support.gateway import Gateway, ask, chat, request
from support.openai_server import OpenAIServer, text

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")

WRONG = "```python\n# add.py\ndef add(a, b):\n    return a - b\n```"
RIGHT = "```python\n# add.py\ndef add(a, b):\n    return a + b\n```"
NOSY = (
    "```python\n# add.py\nimport socket\n"
    "socket.create_connection(('127.0.0.1', 1))\n"
    "def add(a, b):\n    return a + b\n```"
)
OUTSIDE = "```python\n# ../../add.py\ndef add(a, b):\n    return a + b\n```"
CHEATS = "```python\n# test_add.py\nprint('fine')\n```"


def config(first: str, second: str) -> str:
    tiers = "".join(
        f'[tiers.{name}]\nprovider = "openai_compatible"\nmodel = "m"\nrepairs = 0\n'
        f'base_url = "{url}"\nprice = "free"\n'
        for name, url in (("a", first), ("b", second))
    )
    return f"""
ledger = "l.db"
{tiers}
[ladders.default]
tiers = ["a", "b"]
verify = ["grep -q 2 test_add.py", "tests"]
[sandbox]
workspace = "work"
[verifiers.tests]
kind = "command"
run = "python3 test_add.py"
workspace = "work"
timeout_seconds = 20
[server]
port = 0
"""


@pytest.mark.parametrize(
    "draft", [WRONG, NOSY, OUTSIDE, CHEATS], ids=["wrong", "nosy", "out", "cheat"]
)
def test_what_fails_its_tests_climbs_and_what_passes_is_verified(tmp_path, draft):
    work = tmp_path / "work"
    work.mkdir()
    (work / "test_add.py").write_text("from add import add\nassert add(2, 3) == 5\n")
    with (
        OpenAIServer(text(draft)) as low,
        OpenAIServer(text(RIGHT)) as high,
        Gateway(tmp_path, config(low.base_url, high.base_url)) as gateway,
    ):
        reply = ask(gateway.port, request(body=chat()))
        assert (reply.status, reply.headers["x-rung-tier"]) == (200, "b")
        assert reply.headers["x-rung-verified"] == "true"
        path = f"/v1/requests/{reply.headers['x-rung-request-id']}"
        told = ask(gateway.port, request("GET", path)).json
    first, second = told["attempts"]
    assert any(verdict["passed"] is False for verdict in first["verdicts"])
    trusts = {verdict["trust"] for verdict in second["verdicts"] if verdict["verifier"] == "tests"}
    assert trusts == {"command"}
    assert json.dumps(told).count("sandbox") == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.name == "add.py") == []
