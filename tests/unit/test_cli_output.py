import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.cli.main import wants_json
from rung.cli.output import console, one_line, plain, print_json, stripped

PIECES = [*"ab:[]/\\ =", "smile", "bold", "\x1b", "\u202e"]
HOSTILE = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


def printed(text):
    to = console()
    to.file = io.StringIO()
    to.print(text)
    return to.file.getvalue()


@settings(max_examples=500)
@given(text=HOSTILE)
def test_text_printed_through_a_console_comes_out_as_it_is(text):
    assert printed(plain(text)) == stripped(text) + "\n"
    same = stripped(text)
    assert printed(f"[bold]{plain(text)}[/] {plain(text)}.") == f"{same} {same}.\n"


@given(text=st.text())
def test_nothing_that_steers_a_terminal_is_left(text):
    left = stripped(text)
    assert not any(char in left for char in "\x1b\r\x07\x9b\u202e\u2066")
    assert stripped(left) == left


def test_words_that_look_like_emoji_or_markup_stay_words():
    said = ":smile: [bold]x[/] [link=http://x]y[/link]"
    assert stripped(said) == said
    assert printed(plain(said)) == said + "\n"


def test_a_long_text_is_cut_and_kept_on_one_line():
    assert one_line("a\nb  c", 80) == "a b c"
    assert one_line("x" * 100, 10) == "x" * 9 + "…"


@pytest.mark.parametrize("text", ["é ✓", "\udcff", '"\ud800\\', "\x1b\n"])
def test_any_text_is_written_as_json_that_reads_back(capsys, text):
    print_json({"said": text})
    out = capsys.readouterr().out
    out.encode("utf-8")
    assert json.loads(out) == {"said": text}


@pytest.mark.parametrize(
    ("tokens", "wanted"),
    [
        (["ask", "hi", "--json"], True),
        (["--json"], True),
        (["ask", "--json", "--", "hi"], True),
        (["ask", "--", "--json"], False),
        (["ask", "what does --json do?"], False),
        (["ask", "hi", "--system=--json"], False),
        ([], False),
    ],
)
def test_json_is_asked_for_by_an_option_only(tokens, wanted):
    assert wants_json(tokens) is wanted
