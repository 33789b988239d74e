import json

import pytest

from rung import config
from rung.cli import init as cli
from rung.cli.init import compose
from rung.cli.neighbours import answers_prompts, chat_model
from rung.core.errors import ConfigError
from rung.inspection import problems
from rung.providers.discovery import Found
from rung.providers.registry import PROVIDERS
from rung.surroundings import Surroundings

OLLAMA = Found("ollama", "http://127.0.0.1:11434", ("nomic-embed-text", "llama3.1:8b"))
KEYS = {"OPENAI_API_KEY": "sk-secret"}


def around(*local, keyed=False, embedded=False):
    return Surroundings(local, (PROVIDERS["openai"],) if keyed else (), embedded)


@pytest.mark.parametrize(
    ("found", "tiers"),
    [
        (around(OLLAMA), {"local": ("ollama", "llama3.1:8b")}),
        (around(keyed=True), {"own": ("openai", PROVIDERS["openai"].suggested)}),
        (
            around(OLLAMA, keyed=True, embedded=True),
            {"local": ("ollama", "llama3.1:8b"), "own": ("openai", PROVIDERS["openai"].suggested)},
        ),
        (
            around(OLLAMA, embedded=True),
            {"local": ("ollama", "llama3.1:8b"), "careful": ("embedded", None)},
        ),
        (around(embedded=True), {"local": ("embedded", None), "careful": ("embedded", None)}),
        (
            around(Found("ollama", "http://127.0.0.1:11434", ("bge-m3",)), embedded=True),
            {"local": ("embedded", None), "careful": ("embedded", None)},
        ),
    ],
)
def test_what_is_there_becomes_a_ladder_that_is_accepted(tmp_path, found, tiers):
    text, names = compose(found)
    made = config.parse(text, tmp_path / "rung.toml", KEYS, problems)
    assert {n: (t.provider, t.model) for n, t in made.file.tiers.items()} == tiers
    assert list(made.file.ladders["default"].tiers) == names == list(tiers)
    assert "sk-secret" not in text


@pytest.mark.parametrize("name", [row.name for row in PROVIDERS.values() if row.suggested])
def test_any_key_that_is_found_makes_a_ladder_that_is_accepted(tmp_path, name):
    row = PROVIDERS[name]
    text, names = compose(Surroundings((), (row,), embedded=False))
    made = config.parse(text, tmp_path / "rung.toml", {row.key_variable: "sk-secret"}, problems)
    assert names == ["own"]
    assert (made.file.tiers["own"].provider, made.file.tiers["own"].model) == (
        row.name,
        row.suggested,
    )


@pytest.mark.parametrize("found", [around(), around(Found("ollama", "http://x", ("bge-m3",)))])
def test_of_nothing_no_ladder_is_made(found):
    with pytest.raises(ConfigError) as caught:
        compose(found)
    assert "start Ollama" in caught.value.fix


@pytest.mark.parametrize(
    "model",
    [
        *("nomic-embed-text", "text-embedding-3-small", "embeddinggemma:300m", "bge-m3"),
        *("BAAI/bge-reranker-v2", "jina-reranker", "whisper-large-v3", "openai/clip-vit-base"),
        *("all-minilm:22m", "intfloat/multilingual-e5-large", "thenlper/gte-large", "llama-guard3"),
    ],
)
def test_models_for_something_else_are_known_by_name(model):
    assert not answers_prompts(model)


@pytest.mark.parametrize(
    "model",
    ["llama3.1:8b", "qwen3:4b", "gemma3", "mistral-small", "eclipse-7b", "gpt-oss:20b", "phi4"],
)
def test_models_that_answer_prompts_are_not_passed_over(model):
    assert answers_prompts(model)


def test_a_server_without_such_a_model_is_passed_over():
    first = Found("ollama", "http://127.0.0.1:1", ("bge-m3",))
    second = Found("vllm", "http://127.0.0.1:2", ("e5-large", "qwen3", "gemma3"))
    assert chat_model([first, second]) == (second, "qwen3")
    assert chat_model([first]) is None


@pytest.fixture
def surroundings(monkeypatch):
    """What `rung init` finds on this machine."""

    def set_to(found):
        async def look_around(_):
            return found

        monkeypatch.setattr(cli, "look_around", look_around)
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    return set_to


def test_it_writes_where_it_is_told_and_says_what_it_found(tmp_path, surroundings, capsys):
    surroundings(around(OLLAMA, embedded=True))
    cli.init(path=tmp_path / "ci" / "rung.toml", json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["tiers"] == ["local", "careful"]
    assert "ollama at http://127.0.0.1:11434" in told["found"][0]
    assert [each.name for each in (tmp_path / "ci").iterdir()] == ["rung.toml"]


def test_what_would_not_be_accepted_is_not_written(tmp_path, surroundings):
    # The key that was found is gone by the time it is looked up.
    surroundings(around(keyed=True))
    path = tmp_path / "rung.toml"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        cli.init(path=path, force=True)
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_put_in_place_leaves_nothing_behind(tmp_path, surroundings):
    surroundings(around(OLLAMA))
    (tmp_path / "rung.toml").mkdir()
    with pytest.raises(ConfigError, match="cannot be written"):
        cli.init(path=tmp_path / "rung.toml", force=True)
    assert [each.name for each in tmp_path.iterdir()] == ["rung.toml"]
