"""Does the answer doubt itself?

Weighed by density: one "might" in a page is how careful people write, three in two sentences is a
guess. Quotations and code are not the model's own voice and are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from rung.core.types import Trust, Weight
from rung.verifiers.base import Finding, Subject, failed, passed

SCORE = 0.4
"""The chance that a strongly hedged answer is right; a guess until it is calibrated."""

_LONGEST_READ = 2_000
_STRONG = 1.0
_WEAK = 0.34
_FIRES_AT = 1.0
_FIRES_PER_SENTENCE = 0.34

_NOT_OWN_VOICE = re.compile(
    r'```.*?(?:```|\Z)|`[^`\n]{0,200}`|"[^"\n]{0,300}"|“[^”\n]{0,300}”|^>.*?$',
    re.DOTALL | re.MULTILINE,
)
_SENTENCE_END = re.compile("[.!?]+(?=\\s|$)|[\u3002\uff01\uff1f]+|\n+")

_STRONG_PHRASES = (
    r"\bi(?:'m| am) (?:not |un)(?:(?:entirely|quite|really|too) )?(?:sure|certain|confident)\b",
    r"\bi(?:'m| am) (?:not |un)(?:\w+ )?familiar with\b",
    r"\bi(?:'m| am) (?:only |just )?guessing\b",
    r"\bmy best guess\b",
    r"\bif i had to guess\b",
    r"\bi (?:don't|do not) (?:(?:really|actually) )?(?:know|recall|remember)\b",
    r"\bi (?:don't|do not) have (?:enough|sufficient|any) (?:information|context|details)\b",
    r"\bi (?:could|may|might) be (?:wrong|mistaken)\b",
    r"\bit(?:'s| is) (?:hard|difficult|impossible) (?:for me )?to (?:say|tell|know|determine)\b",
    r"\bas an? (?:ai|artificial intelligence|(?:large )?language model)\b",
    r"\b(?:please|you should|you may want to) (?:verify|double[- ]check)\b",
    r"\bi (?:can't|cannot) (?:be (?:sure|certain)|confirm|verify|guarantee)\b",
    r"\bdon't quote me\b",
    r"\bich bin (?:mir )?(?:nicht (?:ganz )?|un)sicher\b",
    r"\bich weiß (?:es )?(?:leider )?nicht\b",
    r"\bje ne suis pas (?:sûre?|certaine?)\b",
    r"\bje ne sais pas\b",
    r"\bno estoy segur[oa]\b",
    r"\bno lo sé\b",
    r"\bnon (?:ne )?sono sicur[oa]\b",
    r"\bnon lo so\b",
    r"\bnão tenho (?:a )?certeza\b",
    r"\bik weet het niet\b",
    r"\bnie jestem pew(?:ien|na)\b",
    r"\bя не уверена?\b",
    "我不(?:太)?(?:确定|知道)",
    "よくわかりません",
    "確信が(?:ありません|持てません)",
)
_WEAK_PHRASES = (
    r"\bi (?:think|believe|guess|suppose|suspect|assume)\b",
    r"\b(?:might|may|could) (?:well )?be\b",
    r"\b(?:might|may) have\b",
    r"\b(?:possibly|perhaps|maybe|probably|presumably)\b",
    r"\bit seems\b",
    r"\bseems (?:like|to)\b",
    r"\bappears to\b",
    r"\bnot (?:entirely |quite )?clear\b",
    r"\bas far as i (?:know|can tell|remember)\b",
    r"\bif i (?:recall|remember) correctly\b",
    r"\b(?:something like|or so|sort of|kind of)\b",
)
_STRONG_DOUBT = re.compile("|".join(_STRONG_PHRASES).casefold())
_WEAK_DOUBT = re.compile("|".join(_WEAK_PHRASES).casefold())


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
    strong = [match[0] for match in _STRONG_DOUBT.finditer(own)]
    weak = [match[0] for match in _WEAK_DOUBT.finditer(own)]
    weight = _STRONG * len(strong) + _WEAK * len(weak)
    sentences = max(1, sum(1 for part in _SENTENCE_END.split(own) if part.strip()))
    if weight < _FIRES_AT or weight / sentences < _FIRES_PER_SENTENCE:
        return None
    return ", ".join(f'"{phrase}"' for phrase in (strong + weak)[:3])
