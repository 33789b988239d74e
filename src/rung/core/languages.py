"""Languages people write in: their names, their commonest words, and which one a text is in."""

# ruff: noqa: RUF001 - words of other scripts

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "ar": "Arabic",
        "bg": "Bulgarian",
        "cs": "Czech",
        "da": "Danish",
        "de": "German",
        "el": "Greek",
        "en": "English",
        "es": "Spanish",
        "fa": "Persian",
        "fi": "Finnish",
        "fr": "French",
        "he": "Hebrew",
        "hi": "Hindi",
        "hu": "Hungarian",
        "id": "Indonesian",
        "it": "Italian",
        "ja": "Japanese",
        "ko": "Korean",
        "nl": "Dutch",
        "no": "Norwegian",
        "pl": "Polish",
        "pt": "Portuguese",
        "ro": "Romanian",
        "ru": "Russian",
        "sv": "Swedish",
        "th": "Thai",
        "tr": "Turkish",
        "uk": "Ukrainian",
        "vi": "Vietnamese",
        "zh": "Chinese",
    }
)
"""The languages that are known, by their ISO 639-1 codes."""

_COMMON_WORDS = {
    "en": "the of and to in is that it for was with as are on be this by not have from or you "
    "which but can they their has were will would there what when if your more how its should",
    "de": "der die das und ist in den von zu mit sich nicht auf für ein eine im dem des als auch "
    "es an werden aus er hat dass sie nach wird bei einer um am sind noch wie einem über wir ich "
    "oder kann aber wenn",
    "fr": "le la les de des et est un une en du que qui dans pour pas au sur ce il plus par avec "
    "se sont cette ne vous nous elle mais ou être aux ses son leur fait ont c'est été comme",
    "es": "el la los las de que y en un una es por con no se para del al lo como más su sus pero "
    "este esta son fue muy ha ser también o cuando hay está todo porque qué entre",
    "it": "il lo la gli le di che è e un una per non con del della dei sono si da in al alla anche "
    "come più nel nella ma ha questo questa essere dal delle se ci o suo stato perché degli",
    "pt": "o a os as de que e do da em um uma para com não é no na por mais dos das se como mas ao "
    "foi sua seu ou quando muito nos já também pelo pela são está isso ele você às",
    "nl": "de het een en van in is dat op te zijn met voor niet aan er die om ook als maar bij dan "
    "door naar worden werd wordt kan deze dit uit nog hebben heeft wel zich we of ik je",
    "sv": "och att det som en är på för av med den till inte har ett om jag var men de så vi kan "
    "från eller när ska hade skulle sig också efter vid nu mycket varit detta",
    "da": "og at det er en på for af med den til ikke har et om jeg var men de så vi kan fra eller "
    "når skal havde ville sig også efter ved nu meget været dette blev hvad mig",
    "no": "og at det er en på for av med den til ikke har et om jeg var men de så vi kan fra eller "
    "når skal hadde ville seg også etter ved nå mye vært dette ble hva meg",
    "fi": "ja on ei että se oli hän mutta ovat kun niin myös joka tai kuin sen olla jos voi ole "
    "tämä sitä mitä ne he hänen vain nyt jo kanssa sekä joka ovat ollut olisi",
    "pl": "i w na z nie się do to że jest o jak po za od ale są przez przy dla tak co być był może "
    "tym tego oraz jego które który już także tylko lub aby można czy",
    "cs": "a je v se na to že s z do i o ale jako za by pro tak po jsem když co být jsou má nebo "
    "který které bylo byl jeho až ve už která mezi není také této",
    "ro": "și de la în a cu nu pe o este că un din care mai pentru sau dar au fost ca ale lui sunt "
    "se ce prin după fi între acest această era dacă când am poate",
    "hu": "a az és hogy nem is egy ez meg van de csak már el volt ha mint azt még vagy aki lehet "
    "ezt kell után amely lesz minden nagyon között itt szerint ki",
    "tr": "ve bir bu da de için ile çok ne daha olarak gibi olan var kadar ama değil en sonra o "
    "her ya mi ben bunu ise olduğu tarafından ancak göre şey bütün içinde",
    "id": "yang dan di untuk dengan ini dari pada itu tidak dalam akan adalah ke oleh atau juga "
    "dapat saya telah sebagai ada karena lebih bisa mereka kita anda tersebut bahwa",
    "vi": "và của là có không được trong cho một các với này để người những đã khi về từ như cũng "
    "đến ra thì tôi đó sẽ hay nhiều bạn tại vào",
    "ru": "и в не на что с по это как он к но из у за от так же для бы она мы вы они только или "
    "был было быть если его ее их все ещё еще при до может чтобы которые который является",
    "uk": "і в не на що з та як це до у за від він але є для так його або вона ми ви вони був було "
    "бути якщо які який ще при може щоб тільки також року після",
    "bg": "и на в да се за от е не с че са по като до това или но ще има при към беше които който "
    "само още може съм бъде след един те той тя",
    "ar": "في من على إلى أن التي الذي عن مع هذا هذه كان لا ما هو هي ذلك كل بين بعد قد أو كما لم "
    "عند غير حيث إن تم كانت يتم يمكن",
    "fa": "در به از که این را با است آن برای یک می تا بر خود های شد شده ها نیز هم بود اما یا کرد "
    "دارد ما باید اگر همه",
}
COMMON_WORDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {language: frozenset(words.split()) for language, words in _COMMON_WORDS.items()}
)
"""The commonest words, in lower case, of the languages that share their script with others."""

# ------------------------------------------------------------------ guessing

_OTHER = re.compile("[\u0370-\uffff]")
_SCRIPTS = (
    ("el", "\u0370", "\u03ff"),
    ("ru", "\u0400", "\u04ff"),
    ("he", "\u0590", "\u05ff"),
    ("ar", "\u0600", "\u06ff"),
    ("hi", "\u0900", "\u097f"),
    ("th", "\u0e00", "\u0e7f"),
    ("ja", "\u3040", "\u30ff"),
    ("zh", "\u3400", "\u9fff"),
    ("ko", "\uac00", "\ud7af"),
)
_READ_WORDS = 60


def _speakers() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for language, words in COMMON_WORDS.items():
        for word in words:
            found[word] = (*found.get(word, ()), language)
    return found


_SPEAKERS = _speakers()


def spoken(asked: str, words: Sequence[str], votes: Mapping[str, float]) -> str | None:
    """The ISO 639-1 code of what ``asked`` is written in, a cheap guess.

    ``words`` are its words in lower case, ``votes`` what is known besides, by language.
    """
    letters = [] if asked.isascii() else _OTHER.findall(asked)
    if len(letters) >= 3:
        return _by_script(letters)
    votes = dict(votes)
    for word in words[:_READ_WORDS]:
        for language in _SPEAKERS.get(word, ()):
            votes[language] = votes.get(language, 0.0) + 1.0
    if not votes:
        return None
    best = max(votes, key=votes.__getitem__)
    rivals = [vote for language, vote in votes.items() if language != best]
    return best if votes[best] > max(rivals, default=0.0) else None


def _by_script(letters: list[str]) -> str | None:
    counts = {
        language: sum(low <= letter <= high for letter in letters)
        for language, low, high in _SCRIPTS
    }
    if counts["ja"] * 5 > counts["zh"] and counts["ja"]:
        return "ja"
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] else None
