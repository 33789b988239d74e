"""Detectors: what they find however it is spelt, what they leave alone, and how long they take."""

from __future__ import annotations

import base64
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.core.check_digits import ean, luhn, mod11_10, mod97, verhoeff
from rung.core.lettered_ids import LETTER_RULES
from rung.core.national_ids import ID_RULES
from rung.core.sensitive import find, has_email
from rung.core.sensitive_keys import has_key
from rung.core.sensitive_kinds import ALL_KINDS, Kind
from rung.core.sensitive_numbers import has_card, has_iban, has_national_id
from rung.core.sensitive_readings import as_text, readings, tidy
from support.planted import DISGUISES, SECRETS

KEYS = """
sk-ant-api03-abcDEF123456789_xyzABCDEF0123456789
sk-proj-Abc123Def456Ghi789Jkl012
AKIAIOSFODNN7EXAMPLE
ASIAY34FZKBOKMUTVV7A
ghp_16C7e42F292c6912E7710c838347Ae178B4a
github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz0123456789
xoxb-123456789012-abcdefGHIJ
AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY
glpat-abcdefghij1234567890
npm_abcdefghijklmnopqrstuvwxyz0123456789
sk_live_4eC39HqLyjWDarjtT1zdp7dc
eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U
-----BEGIN RSA PRIVATE KEY-----
-----BEGIN PGP PRIVATE KEY BLOCK-----
postgres://admin:S3cr3tPw@db.internal:5432/x
https://bob:hunter2x@example.org/a
password=Tr0ub4dor&3
DB_PASSWORD: 'hunter2hunter'
"api_key": "9f8a7b6c5d4e3f2a1b0c9d8e"
Authorization: Basic dXNlcjpwYXNzd29yZA==
Authorization: Bearer abc123def456ghi789jkl
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
my password is hunter2x!
pwd=Pa$$w0rd!
""".strip().splitlines()

NO_KEYS = """
sk-xxxxxxxxxxxxxxxxxxxxxxxx
ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
task-force-for-the-very-long-name
.sk-fading-circle-animation-long-name { }
password: str = Field()
password=os.environ['X1']
password=${DB_PASSWORD_1}
password: required
token = tokenizer.next_token()
max_tokens: 409600000000000000
postgres://user:password@localhost/db
postgres://user:${PW}@host
api_key=settings.OPENAI_API_KEY_V2
key: d41d8cd98f00b204e9800998ecf8427e
passed: 123456
password = get_password(12345)
"password": "Enter your password 1"
http://localhost:8080/a@b
""".strip().splitlines()


@pytest.mark.parametrize("text", KEYS)
def test_a_key_is_found(text: str) -> None:
    assert has_key(text)


@pytest.mark.parametrize("text", NO_KEYS)
def test_what_stands_in_a_keys_place_is_none(text: str) -> None:
    assert not has_key(text)


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1111",
        "5500-0000-0000-0004",
        "378282246310005",
        "3782 822463 10005",
        "card:6011111111111117.",
        "4111111111111111 12/27 123",
        "VISA4111111111111111",
        "30569309025904",
        "2223003122003222",
        "4111.1111.1111.1111",
    ],
)
def test_a_card_is_found(text: str) -> None:
    assert has_card(text)


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",
        "0.4111111111111111",
        "a4111111111111111b",
        "1700000000000000",
        "4111111111111111111111",
        "2019 2020 2021 2022",
        "00a4111111111111111ff",
        "4111/1111/1111/1111",
    ],
)
def test_other_long_numbers_are_no_cards(text: str) -> None:
    assert not has_card(text)


@pytest.mark.parametrize(
    "text",
    [
        "DE89 3704 0044 0532 0130 00",
        "GB82WEST12345698765432",
        "FR14 2004 1010 0505 0001 3M02 606",
        "IBAN: NL91ABNA0417164300 of mine",
        "de89370400440532013000",
        "BE68-5390-0754-7034",
        "MT84MALT011000012345MTLCAST001S",
        "NO93 8601 1117 947 is mine",
    ],
)
def test_an_iban_is_found(text: str) -> None:
    assert has_iban(text)


@pytest.mark.parametrize(
    "text", ["DE89 3704 0044 0532 0130 01", "GB82 West side story 12", "XX82WEST12345698765432"]
)
def test_what_only_begins_like_an_iban_is_none(text: str) -> None:
    assert not has_iban(text)


IDS = {
    "us": ["536-22-8145", "ssn 536228145"],
    "ca": ["SIN 046 454 286"],
    "br": ["529.982.247-25", "52998224725"],
    "de": ["65929970489", "Steuer-ID 65 929 970 489"],
    "pl": ["44051401359"],
    "no": ["13097248022"],
    "be": ["85.07.30-033.28"],
    "fr": ["1 84 12 76 451 089 46", "184127645108946"],
    "nl": ["BSN 111222333"],
    "pt": ["NIF 123456789"],
    "se": ["811218-9876", "198112189876"],
    "dk": ["CPR 211062-5629"],
    "cz": ["rodné číslo 736028/5163"],
    "ch": ["756.9217.0769.85"],
    "at": ["SVNR 1237 010180"],
    "tr": ["TC Kimlik 10000000146"],
    "kr": ["900101-1234567"],
    "jp": ["my number 123456789018"],
    "in": ["aadhaar 2341 2341 2346", "PAN ABCPE1234F"],
    "za": ["8001015009087"],
    "au": ["TFN 123 456 782"],
    "uk": ["NHS 943 476 5919", "AB123456C", "QQ 12 34 56 C"],
    "ar": ["20-12345678-6"],
    "hr": ["OIB 69435151530"],
    "il": ["teudat zehut 123456782"],
    "ro": ["1800101221144"],
    "gr": ["01019012341"],
    "es": ["12345678Z", "X1234567L"],
    "it": ["RSSMRA85T10A562S"],
    "fi": ["131052-308T"],
    "cn": ["11010519491231002X"],
    "mx": ["HEGG560427MVZRRL04"],
    "ie": ["PPS 1234567T"],
    "cl": ["12.345.678-5"],
}


def test_every_countrys_rule_has_a_number_that_obeys_it() -> None:
    assert {rule.name for rule in (*ID_RULES, *LETTER_RULES)} == set(IDS)


@pytest.mark.parametrize("text", [text for texts in IDS.values() for text in texts])
def test_a_national_id_is_found_and_with_a_digit_changed_it_is_not(text: str) -> None:
    assert has_national_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "000-12-3456",
        "1700000000",
        "123456789",
        "20241122",
        "555-1234-5678",
        "2024-11-22 10:20:30.123456",
        "+1 415 555 2671",
        "127.0.0.1:8080",
        "123 456 789",
        "65929970488",
        "RSSMRA85T10A562T",
        "12345678A",
        "756.9217.0769.86",
        "1 84 12 76 451 089 47",
    ],
)
def test_other_numbers_are_no_national_ids(text: str) -> None:
    assert not has_national_id(text)


def test_numbers_by_chance_are_rarely_taken_for_something() -> None:
    """The rules that need no words nearby let few of all eleven-digit numbers through."""
    draw = random.Random(5)
    found = sum(has_national_id(str(draw.randrange(10**10, 10**11))) for _ in range(4000))
    assert 0 < found < 4000 * 0.06


@pytest.mark.parametrize(
    "text",
    [
        "to alice@example.com now",
        "a_b+c@mail.example.co.uk",
        "jörg@münchen.de",
        "<x@corp.internal>",
    ],
)
def test_an_address_is_found(text: str) -> None:
    assert has_email(text)


@pytest.mark.parametrize(
    "text",
    [
        *("noreply@anthropic.com", "no-reply@x.org", "git@github.com:x/y.git", "user@localhost"),
        *("@pytest.mark.x", "lodash@4.17.21", "A@B.T", "x@y.mean()", "@@ -1,2 +3.4 @@"),
    ],
)
def test_what_only_has_the_sign_is_no_address(text: str) -> None:
    assert not has_email(text)


# ------------------------------------------------------------------ however it is spelt


@pytest.mark.parametrize("way", DISGUISES)
@pytest.mark.parametrize("secret", SECRETS)
def test_no_spelling_hides_a_secret(secret: str, way: str) -> None:
    hidden = DISGUISES[way](SECRETS[secret])
    assert find(f"It is {hidden} as I said.") is not None


@pytest.mark.parametrize(
    "text",
    [
        "4\ufe0f\u20e31\ufe0f\u20e31\ufe0f\u20e31\ufe0f\u20e3 1111 1111 1111",
        "\U0001d7d2111 1111 1111 1111",
        "\u0664\u0661\u0661\u0661 \u0661\u0661\u0661\u0661 1111 1111",
        "".join(chr(0xE0000 + ord(char)) for char in "4111111111111111"),
        "4\u03361\u03361\u03361\u0336 1111 1111 1111",
        "4111\u00a01111\u20111111\u20131111",
        '{\\"card\\": \\"4111\\\\u00201111\\\\u00201111\\\\u00201111\\"}',
        "\\x34111 1111 1111 1111",
        base64.encodebytes(b"x" * 90 + b" 4111 1111 1111 1111 " + b"y" * 90).decode(),
        base64.b64encode("card 4111 1111 1111 1111".encode("utf-16-le")).decode(),
        base64.urlsafe_b64encode("\u00ff\u00fe 4111 1111 1111 1111".encode()).decode().rstrip("="),
    ],
)
def test_a_card_in_a_stranger_spelling_is_found(text: str) -> None:
    assert find(text, [Kind.CARDS]) is not None


def test_only_the_kinds_that_are_asked_for_are_looked_for() -> None:
    text = "4111 1111 1111 1111 and a@b.com"
    assert find(text, [Kind.EMAILS]).kind is Kind.EMAILS
    assert find(text, [Kind.IBANS]) is None
    assert find(text, []) is None


@pytest.mark.parametrize("secret", SECRETS.values())
def test_a_finding_says_nothing_of_what_was_found(secret: str) -> None:
    found = find(secret)
    assert secret not in repr(found)
    assert found.words.startswith(("a ", "an "))


# ------------------------------------------------------------------ laws


@given(st.integers(min_value=0, max_value=10**18))
def test_one_digit_in_ten_passes_luhns_check(number: int) -> None:
    assert sum(luhn(f"{number}{digit}") for digit in range(10)) == 1


@given(st.integers(min_value=10**11, max_value=10**12 - 1))
def test_one_digit_in_ten_passes_the_other_checks(number: int) -> None:
    assert sum(verhoeff(f"{number}{digit}") for digit in range(10)) == 1
    assert sum(ean(f"{number}{digit}") for digit in range(10)) == 1
    assert sum(mod11_10(f"{number}{digit}") for digit in range(10)) == 1


@given(st.integers(min_value=0, max_value=10**17))
def test_two_digits_in_a_hundred_pass_an_ibans_check(number: int) -> None:
    assert sum(mod97(f"DE{check:02}{number:018}") for check in range(100)) in {1, 2}


@settings(max_examples=200)
@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    find(text)
    assert tidy(tidy(text)) == tidy(text)
    assert next(readings(text)) == tidy(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_text_or_none(data: bytes) -> None:
    assert as_text(data) is None or isinstance(as_text(data), str)


NEAR_MISSES = (
    *("a", "1", "1 ", "11-", "4111 ", "1.", "12345678-", "123456-", "4111111111111112 "),
    *("sk-", "sk-a ", "eyJ", "eyJ.", "eyJa.eyJ.", "AKIA", "AKIAA", "SG.a", "xox", "-----"),
    *("@", "a@", "a@b.", "DE89 ", "DE89", "AB12", "A1", "RSSMRA85T10A562"),
    *("://", "://a:", "://a:b", "password=", "password: a ", "api_key=a", 'pass:"aaaaa'),
    *("Bearer ", "basic ", "\\", "\\\\u", "%41", "&#", "=", '"', "/", "aB1/", "ab\n"),
    *("A" * 76 + "\n", "e\u0301\u0316", "\ufdfa", "\uff11", "\u200b", "\U000e0041"),
)


@pytest.mark.parametrize("unit", NEAR_MISSES)
def test_time_is_in_proportion_to_the_text_whatever_the_text(unit: str) -> None:
    """A quarter of a megabyte and four times as much: more than linear would take 16 times."""

    def seconds(size: int) -> float:
        text = (unit * (size // len(unit) + 1))[:size]
        best = float("inf")
        for _ in range(2):
            began = time.thread_time()
            find(text, ALL_KINDS)
            best = min(best, time.thread_time() - began)
        return best

    find(unit * 3, ALL_KINDS)
    assert seconds(120_000) < 7 * seconds(30_000) + 0.02
