"""What must be kept nowhere is taken out of texts, as closely as can be told."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.core.redacting import MOST_FINDINGS, redacted, redacted_json
from rung.core.sensitive import find

KEY = "sk-abc123DEF456ghi789JKL012"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQ\nEa9x\n-----END RSA PRIVATE KEY-----"
SECRETS = {
    "keys": [KEY, "AKIAIOSFODNN7EXAMPLQ", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", PEM],
    "cards": ["4111 1111 1111 1111", "5500005555555559"],
    "ibans": ["DE89 3704 0044 0532 0130 00"],
    "emails": ["jane.doe@example.org"],
}
ALL = [(kind, each) for kind, several in SECRETS.items() for each in several]
OWN = "rung_" + "aB3" * 14 + "x"


@pytest.mark.parametrize(("kind", "secret"), [*ALL, ("keys", OWN)])
def test_what_is_found_goes_and_the_words_around_it_stay(kind, secret):
    text = redacted(f"Please look at this.\nIt says {secret} and that is all.\nThank you.")
    assert text == f"Please look at this.\nIt says [redacted: {kind}] and that is all.\nThank you."


@pytest.mark.parametrize("text", ["", "Nothing to hide.", "1 + 1 = 2\n\n\tdef f(): pass", "\ud800"])
def test_what_holds_nothing_stays_as_it_is(text):
    assert redacted(text) == text


def test_secrets_go_whatever_they_look_like():
    assert redacted("the word is xyzzy-plugh, say it", ("xyzzy-plugh",)) == (
        "the word is [redacted: keys], say it"
    )


def test_a_private_key_goes_with_all_of_its_lines():
    assert redacted(f"a\n{PEM}\nb") == "a\n[redacted: keys]\nb"
    assert redacted(f"a\n{PEM[:60]}") == "a\n[redacted: keys]"


def test_pictures_and_files_are_not_kept():
    assert (
        redacted("data:image/png;base64," + "iVBOR" * 200) == "[1022 characters of data left out]"
    )
    assert redacted("QUJD" * 200) == "[800 characters of data left out]"


def test_a_json_value_keeps_its_shape():
    told = redacted_json(
        {
            "messages": [{"role": "user", "content": f"use {KEY} now"}],
            "password": "hunter2!x9",
            "card": 4111111111111111,
            "max_tokens": 100,
            "stream": True,
            "jane.doe@example.org": None,
        }
    )
    assert told == {
        "messages": [{"role": "user", "content": "use [redacted: keys] now"}],
        "password": "[redacted: keys]",
        "card": "[redacted: cards]",
        "max_tokens": 100,
        "stream": True,
        "[redacted: emails]": None,
    }


def test_what_is_too_deep_to_be_looked_at_is_left_out():
    deep = KEY
    for _ in range(500):
        deep = [deep]
    assert KEY not in json.dumps(redacted_json(deep))


def test_a_list_of_addresses_goes_whether_in_lines_or_not():
    for space in ("\n", " "):
        text = space.join(f"u{n}@corp{n}.org" for n in range(2 * MOST_FINDINGS))
        assert "@" not in redacted(f"All of them:{space}{text}")


WORDS = st.text(st.sampled_from("abc 123\n\t.,:=/\"'-@"), max_size=40)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(WORDS, st.sampled_from([each for _, each in ALL])), max_size=4), WORDS)
def test_nothing_that_can_be_found_is_left(pieces, end):
    text = "".join(before + " " + secret + " " for before, secret in pieces) + end
    made = redacted(text)
    assert find(made) is None
    for _, secret in pieces:
        assert secret not in made
