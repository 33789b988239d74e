"""The command line given nonsense, and interrupted: a plain message, a fix, a status of its own."""

import asyncio
import json
import os
import pty
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest

from rung.core.types import EndedBy
from rung.ledger import Ledger
from support.gateway import (
    LISTENS,
    RUNG,
    Gateway,
    Upstream,
    Wire,
    chat,
    environment,
    gone,
    request,
    rung,
    running,
    toml,
)
from support.ollama_server import Model, Says, ollama
from support.openai_server import STALL, Pause, chunk, raw, status, stream, text

ENDLESS = {"type": "array", "items": {"type": "integer"}, "minItems": 900}
EMBEDDED = '[tiers.local]\nprovider = "embedded"\n{}\n[ladders.default]\ntiers = ["local"]\n'


@pytest.fixture
def run(tmp_path):
    """Run a command; it never shows a traceback and says what to do."""

    def run(*arguments, status=2, env=None, stdin=""):
        done = rung(tmp_path, *arguments, env=env, stdin=stdin)
        assert "Traceback" not in done.stderr + done.stdout, done.stderr
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        return done

    return run


@pytest.fixture
def configured(tmp_path):
    def write(config):
        (tmp_path / "rung.toml").write_text(config)

    return write


@pytest.fixture
def server():
    with Upstream() as one:
        one.say(text("hello"))
        yield one


# ------------------------------------------------------------------ usage


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["frobnicate"], "frobnicate"),
        (["aks", "hi"], "ask"),
        (["ask", "hi", "--bogus"], "--bogus"),
        (["ask"], "PROMPT"),
        (["ask", "hi", "--max-tokens", "many"], "max-tokens"),
        (["serve", "--port", "99999"], "port"),
        (["bill", "--by", "colour"], "colour"),
        (["bill", "--since", "yesterdayish"], "yesterdayish"),
        (["config", "frobnicate"], "frobnicate"),
    ],
)
def test_wrong_usage_is_named(run, arguments, said):
    done = run(*arguments, status=2)
    assert said.lower() in (done.stderr + done.stdout).lower()


def test_every_command_has_a_page_of_help(run):
    listed = run("--help", status=0).stdout
    names = re.findall(r"^[│ ]*([a-z]+)  ", listed, re.MULTILINE)
    assert {"ask", "bill", "config", "demo", "doctor", "explain", "init", "serve"} <= set(names)
    for name in ("ask", "serve", "bill"):
        assert f"rung {name}" in run(name, "--help", status=0).stdout
    assert run("--version", status=0).stdout.strip()


def test_nothing_to_read_yet_says_how_to_begin(run):
    for command in ("bill", "explain"):
        done = run(command, status=5)
        assert "there is no ledger at" in done.stderr
        assert "rung ask" in done.stderr


def test_an_error_is_one_json_document_where_json_was_asked_for(run):
    done = run("bill", "--json", status=5)
    error = json.loads(done.stdout)["error"]
    assert error["type"] == "ledger"
    assert error["fix"]
    assert error["message"] in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["frobnicate", "--json"], "frobnicate"),
        (["aks", "--json"], 'Did you mean "ask"?'),
        (["ask", "--json"], "PROMPT"),
        (["ask", "hi", "--json", "--bogus"], "--bogus"),
        (["ask", "hi", "--system", "--json"], "--system"),
        (["ask", "hi", "--max-tokens", "many", "--json"], "--max-tokens"),
        (["bill", "--by", "colour", "--json"], "colour"),
        (["serve", "--json"], "--json"),
    ],
)
def test_wrong_usage_is_one_json_document_where_json_was_asked_for(run, arguments, said):
    done = run(*arguments)
    error = json.loads(done.stdout)["error"]
    assert error["type"] == "usage"
    assert said in error["message"]
    assert "--help" in error["fix"]
    assert error["message"] in done.stderr


def test_a_prompt_that_speaks_of_json_is_no_option(run, configured):
    configured('[tiers.a]\nprovider = "nonsense"\n[ladders.one]\ntiers = ["a"]\n')
    for arguments in (["ask", "what does --json do?"], ["ask", "--", "--json"]):
        done = run(*arguments)
        assert done.stdout == ""
        assert "no provider 'nonsense'" in done.stderr


# ------------------------------------------------------------------ configuration


def test_a_half_written_configuration_is_named(run, configured):
    configured('[tiers.local]\nprovider = "embe')
    for command in (["ask", "hi"], ["serve"], ["config", "check"]):
        assert "rung.toml: is not TOML" in run(*command).stderr
    assert "rung.toml: is not TOML" in run("doctor", status=1).stdout


def test_all_faults_are_told_at_once(run, configured):
    configured(
        '[tiers.cheap]\nprovider = "olama"\nmodel = "m"\nretrys = 2\n'
        '[ladders.main]\ntiers = ["cheap", "claud"]\n'
    )
    done = run("config", "check")
    for said in (
        "rung.toml:2: tiers.cheap.provider: there is no provider 'olama'",
        "rung.toml:4: tiers.cheap.retrys: there is no such key",
        "did you mean `retries`?",
        "rung.toml:6: ladders.main.tiers: there is no tier 'claud'",
    ):
        assert said in done.stderr, done.stderr


def test_a_configuration_that_is_not_there_is_named(run):
    assert "nowhere.toml does not exist" in run("ask", "hi", "--config", "nowhere.toml").stderr
    assert "gone.toml does not exist" in run("ask", "hi", env={"RUNG_CONFIG": "gone.toml"}).stderr


def test_the_configuration_of_the_environment_wins(run, tmp_path, server):
    (tmp_path / "rung.toml").write_text("nonsense")
    (tmp_path / "other.toml").write_text(toml(server.base_url))
    done = run("ask", "hi", env={"RUNG_CONFIG": "other.toml"}, status=0)
    assert done.stdout == "hello\n"


# ------------------------------------------------------------------ requests


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--schema", "missing.json"], "No such file"),
        (["--schema", "list.json"], "holds list, not a JSON Schema"),
        (["--schema", "broken.json"], "is not JSON"),
        (["--schema", "wrong.json"], "The JSON Schema is refused at /type"),
        (["--schema", "remote.json"], "nothing is ever fetched"),
        (["--ladder", "nope"], "there is no ladder 'nope'"),
        (["--tier", "nope"], "there is no tier 'nope'"),
        (["--verify", "nope"], "there is no verifier 'nope'"),
        (["--verify", "no.such.module:check"], "no.such.module"),
        (["--verify", "json:nothing"], "nothing"),
        (["--max-usd", "lots"], "max_usd"),
        (["--max-usd", "nan"], "max_usd"),
        (["--deadline", "-1"], "deadline"),
        (["--deadline", "nan"], "deadline"),
        (["--max-tokens", "-5"], "max_tokens"),
        (["--temperature", "99"], "temperature"),
    ],
)
def test_a_wish_that_cannot_be_granted_is_named_and_calls_no_one(
    run, configured, server, tmp_path, arguments, said
):
    configured(toml(server.base_url))
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "wrong.json").write_text('{"type": "strnig"}')
    (tmp_path / "remote.json").write_text('{"$ref": "http://127.0.0.1:9/s.json"}')
    done = run("ask", "hi", *arguments)
    assert said in done.stderr
    assert done.stdout == ""
    assert server.calls == []


@pytest.mark.parametrize("prompt", ["", "  \n"])
def test_an_empty_prompt_is_refused(run, prompt):
    assert "the prompt is empty" in run("ask", prompt).stderr
    assert "the prompt is empty" in run("ask", "-", stdin=prompt).stderr


def test_a_prompt_may_come_from_a_pipe(run, configured, server):
    configured(toml(server.base_url))
    server.say(lambda call: text(call.json["messages"][0]["content"].upper())(call))
    assert run("ask", "-", stdin="from a pipe", status=0).stdout == "FROM A PIPE\n"


def test_hostile_text_is_passed_on_whole_and_changes_nothing(run, configured, server):
    configured(toml(server.base_url))
    said = "[bold]x[/] \x1b[31mred\x1b[0m \u202eevil [/nonsense]"
    server.say(text(said))
    assert run("ask", "hi", status=0).stdout == said + "\n"
    assert json.loads(run("ask", "hi", "--json", status=0).stdout)["text"] == said


def test_on_a_terminal_an_answer_is_itself_without_what_could_steer_it(tmp_path, server):
    (tmp_path / "rung.toml").write_text(toml(server.base_url))
    server.say(text(":smile: [bold]x[/] \\[a] \x1b[31mred"))
    shown, terminal = pty.openpty()
    with os.fdopen(shown, "rb", closefd=True) as screen:
        done = subprocess.run(
            [RUNG, "ask", "hi"],
            cwd=tmp_path,
            env=environment(tmp_path),
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=subprocess.PIPE,
            check=False,
        )
        os.close(terminal)
        said = screen.read1().decode()
    assert done.returncode == 0, done.stderr
    assert said == ":smile: [bold]x[/] \\[a] [31mred\r\n"


def test_a_prompt_that_fits_nowhere_names_the_window(run, configured, server):
    configured(toml(server.base_url, tier="context_tokens = 256"))
    done = run("ask", "word " * 2000)
    assert "do not fit its context of 256" in done.stderr
    assert server.calls == []


@pytest.mark.model
def test_a_prompt_longer_than_the_embedded_window_is_no_answer(run, configured):
    configured(EMBEDDED.format("context_tokens = 512"))
    assert run("ask", "-", "--max-tokens", "8", stdin="apple tree " * 60, status=0).stdout
    assert "do not fit its context of 512" in run("ask", "-", stdin="tree " * 5000).stderr


# ------------------------------------------------------------------ providers


def test_a_dead_server_is_no_answer_and_named(run, configured):
    with Upstream() as gone_server:
        configured(toml(gone_server.base_url))
    done = run("ask", "hi", status=4)
    assert "nothing listens at http://127.0.0.1:" in done.stderr
    told = json.loads(run("ask", "hi", "--json", status=4).stdout)
    assert told["text"] is None
    assert told["attempts"][0]["failure"]["fault"] == "connect"
    assert "start the server" in run("doctor", status=1).stdout


def ollama_config(url, model="qwen"):
    return (
        f'[tiers.local]\nprovider = "ollama"\nmodel = "{model}"\nbase_url = "{url}"\nretries = 0\n'
        '[ladders.default]\ntiers = ["local"]\n'
    )


def test_a_dead_ollama_says_how_to_start_it(run, configured):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        configured(ollama_config(f"http://127.0.0.1:{taken.getsockname()[1]}"))
        done = run("ask", "hi", status=4)
        assert "local:" in done.stderr
        assert "ollama serve" in run("doctor", status=1).stdout


async def test_a_model_that_ollama_lacks_says_how_to_get_it(run, configured):
    async with ollama(qwen=Model()) as fake:
        configured(ollama_config(fake.url, "llama3.1:8b"))
        done = await asyncio.to_thread(run, "ask", "hi", status=4)
        assert "llama3.1:8b" in done.stderr
        doctor = await asyncio.to_thread(run, "doctor", status=1)
        assert "ollama pull llama3.1:8b" in doctor.stdout


async def test_a_living_ollama_answers(run, configured):
    async with ollama(qwen=Model()) as fake:
        configured(ollama_config(fake.url))
        fake.say(Says(("Hello", " there")))
        done = await asyncio.to_thread(run, "ask", "hi", status=0)
        assert done.stdout == "Hello there\n"


def test_hostile_words_of_a_provider_stay_on_one_line(run, configured, server):
    configured(toml(server.base_url))
    server.say(status(400, "bad\r\n\x1b[2Jrung: all is well\u202e" + "x" * 100_000))
    done = run("ask", "hi", status=4)
    assert "\x1b" not in done.stderr
    assert "\u202e" not in done.stderr
    assert len(done.stderr) < 1000
    assert done.stderr.count("\n") <= 2


# ------------------------------------------------------------------ serve


def test_a_port_in_use_names_another(run, configured, server):
    configured(toml(server.base_url))
    done = run("serve", "--port", str(server.port))
    assert f"port {server.port} on 127.0.0.1 is in use" in done.stderr
    assert f"rung serve --port {server.port + 1}" in done.stderr


def test_two_gateways_never_share_a_port(run, tmp_path, server):
    with Gateway(tmp_path, toml(server.base_url)) as gateway:
        done = run("serve", "--port", str(gateway.port))
        assert f"port {gateway.port} on 127.0.0.1 is in use" in done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_without_keys_only_this_machine_is_served(run, configured, server, host):
    configured(toml(server.base_url))
    assert "no key is in force" in run("serve", "--host", host).stderr
    configured(toml(server.base_url).replace("port = 0", f'port = 0\nhost = "{host}"'))
    assert "no key is in force" in run("serve").stderr


@pytest.mark.parametrize(
    ("host", "said"), [("192.0.2.1", "cannot listen"), ("example.com", "no IP address")]
)
def test_nobody_listens_where_this_machine_is_not(run, configured, server, host, said):
    configured(toml(server.base_url))
    assert said in run("serve", "--host", host).stderr


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_machines_own_names_can_be_listened_on(tmp_path, server, host):
    (tmp_path / "rung.toml").write_text(toml(server.base_url))
    with running(tmp_path, "serve", "--host", host) as process:
        url = process.until(LISTENS)[1]
        assert url.startswith("http://127.0.0.1:")
        with Wire(int(url.rpartition(":")[2])) as wire:
            wire.send(request(body=chat())).until(b"hello")
        process.interrupt()
        assert process.wait() == 0


# ------------------------------------------------------------------ ctrl-C


def test_ctrl_c_ends_ask_and_keeps_what_was_spent(tmp_path, server):
    (tmp_path / "rung.toml").write_text(toml(server.base_url))
    server.say(raw(STALL))
    with running(tmp_path, "ask", "hi") as process:
        (call,) = server.wait_for_calls(1, 15)
        process.interrupt()
        assert process.wait() == 130
        assert call.left.wait(1)
    assert process.err == "rung: interrupted.\n"
    assert process.out == ""
    (outcome,) = booked(tmp_path)
    assert outcome.ended_by is EndedBy.CLIENT
    assert outcome.history[0].usage.input_tokens > 0


@pytest.mark.model
def test_ctrl_c_ends_the_embedded_model_too(tmp_path):
    (tmp_path / "rung.toml").write_text(EMBEDDED.format("constrained = true"))
    (tmp_path / "endless.json").write_text(json.dumps(ENDLESS))
    arguments = ("ask", "Count.", "--schema", "endless.json", "--max-tokens", "3000")
    with running(tmp_path, *arguments) as process:
        child = child_of(process.child.pid)
        process.interrupt()
        assert process.wait() == 130
        assert gone(child)
    assert process.err == "rung: interrupted.\n"
    (outcome,) = booked(tmp_path)
    assert outcome.ended_by is EndedBy.CLIENT


def test_ctrl_c_ends_serve_in_order(tmp_path, server):
    server.say(stream(chunk({"content": "first "}), Pause(0.3), chunk({"content": "last"}, "stop")))
    with Gateway(tmp_path, toml(server.base_url)) as gateway, Wire(gateway.port) as wire:
        wire.send(request(body=chat(stream=True))).until(b"first")
        gateway.process.interrupt()
        assert wire.reply().text == "first last"
        assert gateway.process.wait() == 0
    (outcome,) = booked(tmp_path)
    assert outcome.served == 0


def booked(folder):
    with Ledger.open(folder / "data" / "rung" / "ledger.db", create=False) as ledger:
        return ledger.recent()


def child_of(pid, seconds=15.0):
    """The process that holds the model, once it is there."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            return int(children[0])
        time.sleep(0.02)
    raise AssertionError("no child was started")


# ------------------------------------------------------------------ readers that leave


def test_a_reader_who_has_seen_enough_is_no_error(tmp_path, server):
    (tmp_path / "rung.toml").write_text(toml(server.base_url))
    server.say(text("a line\n" * 50_000))
    command = f"'{RUNG}' ask hi | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "a line\n", "")
