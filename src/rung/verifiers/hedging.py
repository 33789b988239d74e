"""Does the answer doubt itself?

Weighed by density: one "might" in a page is how careful people write, three in two sentences is a
guess. Quotations and code are not the model's own voice and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from rung.core.verdicts import Trust, Weight
from rung.verifiers.base import Finding, Subject, failed, passed

SCORE = 0.4
"""The chance that a strongly hedged answer is right; a guess until it is calibrated."""

_LONGEST_READ = 2_000
_STRONG = 1.0
_WEAK = 0.34
_FIRES_AT = 0.68
_FIRES_PER_SENTENCE = 0.34

_NOT_OWN_VOICE = re.compile(
    r'```.*?(?:```|\Z)|`[^`\n]{0,200}`|"[^"\n]{0,300}"|“[^”\n]{0,300}”|^>.*?$',
    re.DOTALL | re.MULTILINE,
)
_SENTENCE_END = re.compile("[.!?]+(?=\\s|$)|[\u3002\uff01\uff1f]+|\n+")

# A phrase is looked for only where one of its stems is: that costs a tenth.
_STRONG_PHRASES = {
    "sure|certain|confident|positive": r"\bi(?:'m| am) (?:\w+ly )?(?:not |un)"
    r"(?:(?:entirely|quite|really|100%|very) )?(?:sure|certain|confident|positive)\b",
    "not sure|not certain|not 100|not entirely": r"(?:^|[.!?] )"
    r"not (?:entirely |quite |100% |totally )?(?:sure|certain|positive)\b",
    "familiar": r"\bi(?:'m| am) (?:not |un)(?:\w+ )?familiar with\b",
    "guess": r"\bi(?:'m| am) (?:only |just )?guessing\b|\b(?:my|just a|only a) (?:best )?guess\b"
    r"|\bi(?:'d| would) guess\b|\bif i had to guess\b",
    "know|recall|remember": r"\bi (?:don't|do not|can't|cannot) (?:(?:really|actually|quite) )?"
    r"(?:know|recall|remember)\b",
    "no idea|no clue": r"\b(?:i have |i've |honestly,? )(?:really )?no (?:idea|clue)\b",
    "information|context|details": r"\bi (?:(?:don't|do not) have (?:enough|sufficient|any)"
    r"|lack(?: the)?) (?:information|context|details)\b",
    "wrong|mistaken|misremember": r"\bi (?:could|may|might) be (?:wrong|mistaken)\b"
    r"|\bi(?:'m| am| may be| might be) misremembering\b",
    "hard to|difficult|impossible": r"(?:\bit(?:'s| is) (?:hard|difficult|impossible) |"
    r"^hard )(?:for me )?to (?:say|tell|know|determine)\b",
    "as a": r"\bas an? (?:ai|artificial intelligence|(?:large )?language model)\b",
    "be sure|be certain|confirm|verify|guarantee": r"\bi (?:can't|cannot) "
    r"(?:be (?:sure|certain)|confirm|verify|guarantee)\b",
    "for certain|for sure": r"\bi (?:can't|cannot) (?:say|tell|know) for (?:certain|sure)\b",
    "grain of salt": r"\bwith a grain of salt\b",
    "unclear to me": r"\bunclear to me\b",
    "quote me|rely on|hold me": r"\bdon't (?:quote me|rely on (?:it|this|that|me)|hold me to)\b",
    "sicher": r"\bich bin (?:mir )?(?:nicht (?:ganz )?|un)sicher\b",
    "weiß": r"\bich weiß (?:es )?(?:leider )?nicht\b",
    "je ne": r"\bje ne (?:suis pas (?:sûre?|certaine?)|sais pas)\b",
    "segur|lo sé": r"\bno (?:estoy segur[oa]|lo sé)\b",
    "sicur|lo so": r"\bnon (?:(?:ne )?sono sicur[oa]|lo so)\b",
    "certeza": r"\bnão tenho (?:a )?certeza\b",
    "weet": r"\bik weet het niet\b",
    "nie jestem": r"\bnie jestem pew(?:ien|na)\b",
    "не уверен": r"\bя не уверена?\b",
    "我不": "我不(?:太)?(?:确定|知道)",
    "よくわかりません": "よくわかりません",
    "確信が": "確信が(?:ありません|持てません)",
}
_WEAK_PHRASES = {
    "i think|i believe|i guess|i suppose|i suspect|i assume": r"\bi (?:think|believe|guess|suppose"
    r"|suspect|assume)\b",
    " be|might|may have": r"\b(?:(?:might|could) (?:well )?be|might have"
    r"|may (?:well )?(?:be|have been) (?:an?|the|that|due|because|in|on|\d+))\b",
    "possibly|perhaps|maybe|probably|presumably": r"\b(?:possibly|perhaps|maybe|probably"
    r"|presumably)\b",
    "seems|appears": r"\b(?:it seems|seems (?:like|to)|appears to)\b",
    "likely": r"\b(?:it's|it is|most) likely\b",
    "possible|chance|leaning": r"\b(?:it(?:'s| is) possible that|there(?:'s| is) a chance"
    r"|(?:i'm )?leaning towards?)\b",
    "verify|check": r"\b(?:please|you should|you may want to) (?:verify|double[- ]check)\b",
    "clear": r"\bnot (?:entirely |quite )?clear\b",
    "as far as i|if i ": r"\b(?:as far as i (?:know|can tell|remember)"
    r"|if i (?:recall|remember) correctly)\b",
    "something like|or so|sort of|kind of": r"\b(?:something like|or so|sort of|kind of)\b",
}


def _compiled(phrases: dict[str, str]) -> tuple[tuple[tuple[str, ...], re.Pattern[str]], ...]:
    return tuple(
        (tuple(stems.casefold().split("|")), re.compile(pattern.casefold()))
        for stems, pattern in phrases.items()
    )


_STRONG_DOUBTS = _compiled(_STRONG_PHRASES)
_WEAK_DOUBTS = _compiled(_WEAK_PHRASES)


@dataclass(frozen=True, slots=True)
class Hedging:
    """A signal: lowers confidence in an answer dense with doubt; says nothing of any other."""

    name: str = "hedging"
    weight: Weight = Weight.SIGNAL
    trust: Trust = Trust.SELF
    timeout_seconds: float = 1.0
    inline: ClassVar[bool] = True

    def check(self, subject: Subject) -> Finding:
        """Weigh the doubts against the length of the answer."""
        phrases = doubts(subject.answer.text)
        if phrases is None:
            return passed("no strong hedging was found")
        return failed(f"the answer doubts itself: {phrases} (uncalibrated)", SCORE)


def doubts(text: str) -> str | None:
    """The first phrases of doubt, quoted, where there are enough of them; else ``None``."""
    plain = text[:_LONGEST_READ].casefold().replace("\u2019", "'")
    own = _NOT_OWN_VOICE.sub(" ", plain)
    strong, weak = list(_found(_STRONG_DOUBTS, own)), list(_found(_WEAK_DOUBTS, own))
    weight = _STRONG * len(strong) + _WEAK * len(weak)
    if weight < _FIRES_AT or weight / _sentences(own) < _FIRES_PER_SENTENCE:
        return None
    return ", ".join(f'"{phrase}"' for phrase in (strong + weak)[:3])


def _found(
    phrases: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...], text: str
) -> Iterator[str]:
    for stems, pattern in phrases:
        # A plain loop: `any` over a generator takes 30 us a request.
        for stem in stems:
            if stem in text:
                yield from (match[0] for match in pattern.finditer(text))
                break


def _sentences(text: str) -> int:
    return max(1, sum(1 for part in _SENTENCE_END.split(text) if part.strip()))
