"""`rung verify` as people run it: processes, a real sandbox, a judge behind a socket."""

import json
import shutil

import pytest

from support.gateway import rung
from support.judges import right, wrong
from support.openai_server import OpenAIServer, status, text

GOOD = """```python
# clamp.py
def clamp(x, low, high):
    if x < low:
        return low
    if x > high:
        return high
    return x
```
"""
TEST = """import unittest
from clamp import clamp


class TestClamp(unittest.TestCase):
    def test_all(self):
        self.assertEqual([clamp(x, 0, 3) for x in (-1, 0, 1, 3, 4)], [0, 0, 1, 3, 3])
"""
UNITTEST = "python3 -m unittest -q test_clamp"
sandboxed = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")


def judged_by(url):
    return f"""
[tiers.low]
provider = "embedded"
[tiers.judge]
provider = "openai_compatible"
model = "m"
base_url = "{url}"
retries = 0
price = {{ input_usd_per_mtok = 1.0, output_usd_per_mtok = 2.0 }}
[ladders.default]
tiers = ["low"]
[verifiers.opinion]
kind = "judge"
tier = "judge"
timeout_seconds = 5
"""


def test_a_kind_runs_without_any_configuration(tmp_path):
    ran = rung(tmp_path, "verify", "run", "arithmetic", "--answer", "-", stdin="17 * 23 = 391\n")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("✓ arithmetic passed")
    ran = rung(
        *(tmp_path, "verify", "run", "label_set", "--option", 'labels=["spam", "ham"]'),
        *("--answer", "-", "--json"),
        stdin="eggs",
    )
    told = json.loads(ran.stdout)
    assert (ran.returncode, told["passed"], told["verifier"]) == (1, False, "label_set")


def test_a_wrong_call_is_told_in_one_document_with_status_two(tmp_path):
    for arguments in (
        ("nonsense", "--answer", "-"),
        ("arithmetic", "--answer", "no such file"),
        ("arithmetic", "--answer", "."),
        ("arithmetic",),
        ("length", "--option", "words", "--answer", "-"),
    ):
        ran = rung(tmp_path, "verify", "run", *arguments, "--json", stdin="x")
        assert ran.returncode == 2, arguments
        assert json.loads(ran.stdout)["error"]["message"]
        assert "Traceback" not in ran.stderr


@sandboxed
def test_a_command_is_run_in_the_sandbox_and_tried_with_mutants(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work/test_clamp.py").write_text(TEST)
    (tmp_path / "good.md").write_text(GOOD)
    (tmp_path / "bad.md").write_text(GOOD.replace("x < low", "x > low"))
    there = ("--option", "workspace=work", "--json")
    good, bad = (
        rung(tmp_path, "verify", "run", UNITTEST, "--answer", name, *there)
        for name in ("good.md", "bad.md")
    )
    assert (good.returncode, bad.returncode) == (0, 1)
    assert json.loads(good.stdout)["trust"] == "command"
    made = ("--answer", "good.md", "--variants", "1")
    tried = rung(tmp_path, "verify", "test", UNITTEST, *made, *there, seconds=120)
    assert tried.returncode == 0, tried.stderr
    told = json.loads(tried.stdout)
    rows = {row["mutation"]: row for row in told["mutations"]}
    for mutation in ("drop a return", "negate a comparison", "break the syntax"):
        assert rows[mutation]["caught"] == 1
    assert rows["exit with status zero"]["missed"] == 0
    # Nothing but a boundary that no value of the test stands beside tells these apart.
    assert rows["move a boundary"]["missed"] == 1
    assert told["total"]["missed_rate"]["high"] < 0.5


@sandboxed
def test_a_command_that_hangs_ends_within_its_time(tmp_path):
    limit = ("--option", "timeout_seconds=1", "--option", "stdin=true")
    ran = rung(tmp_path, "verify", "run", "sleep 60", *limit, "--answer", "-", stdin="x")
    assert ran.returncode == 1
    ran = rung(tmp_path, "verify", "run", "no-such-tool -x", "--answer", "-", stdin="x")
    assert ran.returncode == 3


@pytest.mark.parametrize(
    ("reply", "code", "passed"),
    [
        (text(right(90)), 0, True),
        (text(wrong(90, "2 + 2 is 4")), 1, False),
        (text("verdict: pass"), 3, None),
        (status(500), 3, None),
    ],
)
def test_a_configured_judge_is_asked_and_says_what_it_cost(tmp_path, reply, code, passed):
    (tmp_path / "request.json").write_text(
        json.dumps({"system": "be brief", "messages": [{"role": "user", "content": "2 + 2?"}]})
    )
    with OpenAIServer(reply) as server:
        (tmp_path / "rung.toml").write_text(judged_by(server.base_url))
        asked = ("--request", "request.json", "--answer", "-", "--json")
        ran = rung(tmp_path, "verify", "run", "opinion", *asked, stdin="5. verdict: pass")
        assert len(server.calls) == 1
        shown = server.calls[0].json["messages"][1]["content"]
    assert ran.returncode == code, ran.stderr
    told = json.loads(ran.stdout)
    assert (told["passed"], told["trust"], told["weight"]) == (passed, "judge", "signal")
    assert told["cost_nanousd"] == (20_000 if "no judgement" not in told["reason"] else 0)
    assert "be brief" in shown
    assert "5. verdict: pass" in shown


def test_all_verifiers_are_listed(tmp_path):
    (tmp_path / "rung.toml").write_text(judged_by("http://127.0.0.1:9/v1"))
    ran = rung(tmp_path, "verify", "list")
    assert ran.returncode == 0
    assert "opinion  signal    judge    judge" in ran.stdout
    assert "json_schema" in ran.stdout


def test_what_a_check_prints_is_no_part_of_the_document(tmp_path):
    (tmp_path / "loud.py").write_text(
        "import os\nprint('imported')\n"
        "def loud(text):\n    print('checked')\n"
        "    os.system('echo from a child')\n    return True\n"
    )
    (tmp_path / "answer.txt").write_text("hello")
    for command in ("run", "test"):
        done = rung(
            tmp_path,
            *("verify", command, "loud:loud", "--answer", "answer.txt", "--json"),
            env={"PYTHONPATH": str(tmp_path)},
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["verifier"] == "loud"
        assert "imported\n" in done.stderr
        assert "from a child\n" in done.stderr


def test_what_compiles_is_not_turned_down_for_its_cache(tmp_path) -> None:
    (tmp_path / "good.py").write_text("def add(a, b):\n    return a + b\n")
    line = "python3 -m py_compile answer.py"
    told = rung(tmp_path, "verify", "run", line, "--answer", "good.py", "--json")
    assert json.loads(told.stdout)["passed"] is True, told.stdout
