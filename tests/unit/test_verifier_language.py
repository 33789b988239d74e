"""language: texts in thirty languages are known, mixed and short ones are not guessed at."""

# ruff: noqa: RUF001

from __future__ import annotations

import pytest

from rung.core.errors import ConfigError
from rung.core.languages import NAMES
from rung.core.verdicts import Status, Weight
from rung.verifiers.catalogue import KINDS, build
from rung.verifiers.language import language
from rung.verifiers.language_guess import guessed
from support.gates import seconds, status, verdict

TEXTS = {
    "en": "The weather was better than we had thought, and it is not far from here to the sea.",
    "de": "Das Wetter war besser, als wir gedacht hatten, und es ist nicht weit bis zum Meer.",
    "fr": "Le temps était meilleur que nous ne le pensions, et la mer n'est pas loin de chez nous.",
    "es": "El tiempo era mejor de lo que pensábamos y el mar no está muy lejos de la casa.",
    "it": "Il tempo era migliore di quanto pensassimo e il mare non è lontano dalla nostra casa.",
    "pt": "O tempo estava melhor do que pensávamos e o mar não fica muito longe da nossa casa.",
    "nl": "Het weer was beter dan we hadden gedacht en het is niet ver van hier naar de zee.",
    "sv": "Vädret var bättre än vi hade trott, och det är inte så långt från huset till havet.",
    "da": "Vejret var bedre, end vi havde troet, og det er ikke langt fra huset. Hvad blev der af "
    "mig efter dette? Jeg ville også se noget af havet.",
    "no": "Været var bedre enn vi hadde trodd, og det er ikke langt fra huset. Hva ble det av meg "
    "etter dette? Jeg skulle også se mye av havet nå.",
    "fi": "Sää oli parempi kuin me luulimme, ja meri ei ole niin kaukana, että se olisi ongelma.",
    "pl": "Pogoda była lepsza, niż się spodziewaliśmy, i do morza nie jest daleko od tego domu.",
    "cs": "Počasí bylo lepší, než jsme si mysleli, a k moři to není od domu tak daleko, že jo, ale "
    "je to již pro nás.",
    "ro": "Vremea a fost mai bună decât am crezut și nu este departe de la casă până la mare.",
    "hu": "Az idő jobb volt, mint ahogy gondoltuk, és a tenger sem messze van, de ez is csak egy "
    "szó.",
    "tr": "Hava sandığımızdan daha iyi idi ve bu ev için deniz çok uzak değil ama bir yol var.",
    "id": "Cuaca lebih baik dari yang kami kira dan laut tidak jauh dari rumah ini untuk kita.",
    "vi": "Thời tiết tốt hơn là chúng tôi đã nghĩ và biển không xa nhà của những người bạn.",
    "ru": "Погода была лучше, чем мы думали, и до моря от дома не так далеко, как это было.",
    "uk": "Погода була краща, ніж ми думали, і до моря від хати не так далеко, як це було.",
    "bg": "Времето беше по-добро, отколкото мислехме, и морето не е далече от къщата, но това ще "
    "се види.",
    "ar": "كان الطقس أفضل مما كنا نظن في هذا اليوم، والبحر ليس بعيدا عن البيت من هنا على كل حال.",
    "fa": "هوا از آن چه که فکر می کردیم بهتر بود و دریا از خانه دور نیست که این را می دانیم.",
    "he": "מזג האוויר היה טוב יותר ממה שחשבנו והים לא רחוק מהבית.",
    "el": "Ο καιρός ήταν καλύτερος από ό,τι νομίζαμε και η θάλασσα δεν είναι μακριά.",
    "hi": "मौसम हमारी सोच से बेहतर था और समुद्र घर से दूर नहीं है।",
    "th": "อากาศดีกว่าที่เราคิดและทะเลอยู่ไม่ไกลจากบ้าน",
    "ko": "날씨는 우리가 생각했던 것보다 좋았고 바다는 집에서 멀지 않습니다.",
    "ja": "天気は思っていたより良く、海は家から遠くありません。",
    "zh": "天气比我们想象的要好，大海离房子不远。",
}


def test_there_is_a_text_for_every_language():
    assert set(TEXTS) == set(NAMES)


@pytest.mark.parametrize("code", TEXTS)
async def test_its_own_language_passes_and_every_other_fails(code):
    found = await verdict(language(code), TEXTS[code])
    assert found.status is Status.PASSED, found.reason
    for other, text in TEXTS.items():
        if other != code:
            found = await verdict(language(code), text)
            assert found.status is Status.FAILED, (other, found.reason)


async def test_without_languages_it_is_that_of_the_question():
    assert await status(language(), TEXTS["de"], TEXTS["de"]) is Status.PASSED
    assert await status(language(), TEXTS["en"], TEXTS["de"]) is Status.FAILED
    assert await status(language(), TEXTS["en"], "?") is Status.ABSTAINED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Paris.",
        "Ja, genau.",
        "12 345 678, 9",
        "Alice Smith, Bob Jones, Carol Danvers, Zoë Washburne",
        "Lorem ipsum dolor sit amet consectetur adipiscing elit sed eiusmod tempor",
        TEXTS["en"] + " " + TEXTS["de"],
        TEXTS["en"] + " " + TEXTS["ru"],
        "```python\nfor the in of and to: is that it\n```",
        "https://the.of.and/to/in/is/that/it/was/for/on/are/as/with/his",
    ],
)
async def test_unsure_it_abstains(text):
    found = await verdict(language("en"), text)
    assert found.status is Status.ABSTAINED, found.reason


async def test_code_and_quoted_names_do_not_count():
    answer = TEXTS["de"] + "\n```python\nif this and that is not in the list of them: pass\n```"
    assert await status(language("de"), answer) is Status.PASSED


async def test_the_reason_says_what_it_is_and_what_it_was_to_be():
    found = await verdict(language("de", "fr"), TEXTS["en"])
    assert found.reason == "the answer is in English: write it in German or French"


async def test_as_a_signal_it_gives_a_score():
    gate = build("own", KINDS["language"], {"languages": ["de"], "gate": False})
    assert gate.weight is Weight.SIGNAL
    assert (await verdict(gate, TEXTS["en"])).score == 0.3


def test_languages_that_are_not_known_are_refused():
    for languages in (["deu"], ["xx"], "de", [""]):
        with pytest.raises(ConfigError):
            build("own", KINDS["language"], {"languages": languages})


@pytest.mark.parametrize("text", ["the of and to " * 140_000, "```" * 600_000, "{" * 1_900_000])
async def test_long_answers_end_in_time(text):
    took, _ = await seconds(language("en"), text)
    assert took < 2
    assert guessed("").language is None
