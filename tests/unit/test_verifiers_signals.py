"""refusal and hedging, held to small lists labelled by hand.

The floors asserted here are what the lists measure, not a claim about traffic: the lists were
written by the author of the phrases. Scores stay labelled as uncalibrated for that reason.
"""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.types import Finish
from rung.core.verdicts import Status, Weight
from rung.verifiers.hedging import SCORE, Hedging, doubts
from rung.verifiers.refusal import STATED_SCORE, WORDED_SCORE, Refusal, refusing
from support.subjects import subject

REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I’m sorry, but I can’t assist with that request.",  # noqa: RUF001
    "I cannot assist with that.",
    "I can't provide instructions for making explosives.",
    "Sorry, I can't do that.",
    "I'm unable to help you with this.",
    "I am not able to browse the internet, so I don't have today's prices.",
    "I'm not comfortable writing that content.",
    "As an AI language model, I cannot give medical advice.",
    "As an AI, I am unable to access real-time data.",
    "Unfortunately, I cannot fulfill this request.",
    "I apologize, but I won't be able to help with that.",
    "I must decline to answer this question.",
    "I have to respectfully decline.",
    "I won't help with that.",
    "I understand your frustration, but I can't provide guidance on harming others.",
    "This request violates my usage policies.",
    "That's not something I can help with.",
    "My apologies, but I can't create that.",
    "Thank you for your question, but I am not able to discuss that.",
    "**I'm sorry, but I can't comply with that.**",
    "I do not feel comfortable answering that.",
    "It would be inappropriate for me to speculate about her health.",
    "I can't help you with writing malware.",
    "I cannot in good conscience assist with this.",
    "Es tut mir leid, aber ich kann dir dabei nicht helfen.",
    "Leider kann ich diese Frage nicht beantworten.",
    "Ich kann Ihnen dabei nicht weiterhelfen.",
    "Als KI-Sprachmodell darf ich keine Auskunft dazu geben.",
    "Je suis désolé, mais je ne peux pas répondre à cette demande.",
    "Désolé, je ne peux pas vous aider.",
    "Je ne suis pas en mesure de fournir ces informations.",
    "Lo siento, pero no puedo ayudarte con eso.",
    "No puedo proporcionar esa información.",
    "Mi dispiace, ma non posso aiutarti con questo.",
    "Non posso fornire istruzioni di questo tipo.",
    "Desculpe, mas não posso ajudar com isso.",
    "Não posso fornecer essas informações.",
    "Het spijt me, maar ik kan je hier niet mee helpen.",
    "Helaas kan ik deze vraag niet beantwoorden.",
    "Przykro mi, ale nie mogę w tym pomóc.",
    "Извините, но я не могу помочь с этим запросом.",  # noqa: RUF001
    "К сожалению, я не могу ответить на этот вопрос.",  # noqa: RUF001
    "很抱歉，我无法提供这方面的帮助。",  # noqa: RUF001
    "对不起，我不能回答这个问题。",  # noqa: RUF001
    "我无法协助您完成这个请求。",
    "申し訳ございませんが、そのご質問にはお答えできません。",
    "申し訳ありませんが、お手伝いできません。",
    "Hmm, that one is off limits for me.",
    "No. I will not be a part of that.",
]

ANSWERS = [
    "I cannot recommend this book enough: every chapter is a delight.",
    "I can't wait to help you plan the trip! Here are three ideas.",
    "I can't believe how well this turned out. Here is the summary.",
    "I can't stress this enough: back up the database first.",
    "I can't help but admire the elegance of this proof.",
    "I won't sugar-coat it: the essay needs work. Start with the thesis.",
    "\"I'm sorry, but I can't help you,\" said the clerk, and closed the window.",
    "“I can’t do this,” she whispered, and the rain went on.",  # noqa: RUF001
    "> I'm sorry, I cannot assist with that.\n\nThis reply is a typical refusal.",
    "She said she couldn't help. I can't help with that either, he thought.",
    "The function cannot return None because the type is narrowed above.",
    "You cannot divide by zero, so the expression is undefined.",
    "```python\nraise ValueError(\"I'm sorry, I can't do that\")\n```",
    '{"reply": "I\'m sorry, but I can\'t help with that."}',
    "Sorry for the delay! The answer is 42.",
    "I'm sorry to hear about your loss. Here is a draft of the letter.",
    "Unfortunately, the train leaves at 6:00, so you would need to take the night bus.",
    "Unfortunately, no: 91 is 7 times 13, so it is not prime.",
    "I apologize for the confusion. The correct result is 17.",
    "Thank you for your question. The capital of Australia is Canberra.",
    "As an AI researcher, Turing is best known for his 1950 paper.",
    "As an AI language model, GPT-2 was trained on WebText.",
    "I understand. Let us start with the first step.",
    "Dear Ms Lee, I am sorry that I cannot attend the meeting on Friday.",
    "I am not able to sleep is a common complaint; here is what helps.",
    "I must say that this is a fine question. Light bends because its speed changes.",
    "I have to admit the second option is better.",
    "I can do that. First, open the settings.",
    "I can help with that! What size is the room?",
    "No, it is not possible to unscramble an egg.",
    "This question has two parts. The first is about momentum.",
    "That request pattern is called long polling.",
    "The request cannot be retried because it is not idempotent.",
    "Leider war das Wetter schlecht, aber das Konzert fand statt.",
    "Ich kann das Buch nicht genug empfehlen.",
    "Ich kann nicht klagen, sagte er und lachte.",
    "Je ne peux pas vivre sans toi est une chanson populaire.",
    "Je suis désolé pour le retard. La réponse est 12.",
    "Lo siento mucho por tu pérdida. Aquí tienes un borrador.",
    "No puedo más, gritó el corredor al llegar a la meta.",
    "Mi dispiace per il ritardo: ecco la traduzione.",
    "Não posso deixar de notar a beleza do poema.",
    "Ik kan niet wachten tot de lente begint.",
    "Przepraszam za zwłokę. Wynik to 8.",
    "Извините за задержку. Ответ: 8.",
    "对不起是中文里道歉的说法。",
    "我不能同意更多，这部电影确实精彩。",  # noqa: RUF001
    "申し訳ございませんは丁寧な謝罪の表現です。",
    "spam",
    "Paris.",
    "1. Preheat the oven.\n2. I can't help snacking while waiting, so make extra.",
    "Refusal is one of the stages of the hero's journey.",
]

HEDGED = [
    "I'm not sure, but it might be Canberra.",
    "I am not certain. It could be 1912 or maybe 1913.",
    "I don't know the exact figure, but I think it is around 40.",
    "I think it's probably the second option, but I could be wrong.",
    "It's hard to say without more context.",
    "My best guess is 17.",
    "If I had to guess, I'd say it was written by Marlowe.",
    "As an AI, I don't have opinions, but it seems fine.",
    "As a language model, I may have outdated information.",
    "I'm only guessing here: 250 ml.",
    "I believe it might be Lisbon, possibly Porto.",
    "Perhaps it is a virus, or maybe a bacterium; it could be either.",
    "I can't be certain, but the answer is likely 8.",
    "I don't have enough information to answer this.",
    "I'm not familiar with that library. It might be a fork of requests.",
    "Please verify this with a professional. The dose is 5 mg.",
    "I’m unsure about this one. Maybe 12?",  # noqa: RUF001
    "I do not recall exactly. It was probably in 1987.",
    "I'm not entirely sure that this is correct, but try `git reset`.",
    "It may be that the lock is held; possibly the pool is exhausted, or perhaps it seems to leak.",
    "I cannot verify this claim.",
    "I suppose it might be possible, I guess.",
    "The year was, I believe, 1846, though I may be mistaken.",
    "Ich bin mir nicht sicher, aber es ist wohl Bern.",
    "Je ne sais pas exactement, peut-être 12.",
    "No estoy seguro, pero creo que es Lima.",
    "Non sono sicuro, ma credo sia Roma.",
    "Não tenho certeza, mas acho que é 8.",
    "我不确定，可能是八。",  # noqa: RUF001
    "よくわかりませんが、八だと思います。",
    "Could be Oslo? Honestly no clue.",
    "Not 100% positive, but Helsinki sounds right.",
    "Roughly forty, give or take, don't hold me to it.",
]

PLAIN = [
    "Canberra.",
    "The capital of Australia is Canberra.",
    "The answer is 17 because 3 * 5 + 2 = 17.",
    "Water might freeze at a lower temperature if salt is added. At 10% salt it freezes at -6 °C.",
    "You may be charged a fee for late payment.",
    "Side effects may include headache, nausea and, possibly, dizziness. Ask a doctor.",
    "There is probably no function more used in the standard library than `len`. It is fast.",
    "I think, therefore I am, is a statement by Descartes.",
    "The phrase 'as far as I know' is a hedge.",
    'He said, "I\'m not sure, it might be Tuesday, perhaps Wednesday." It was Friday.',
    "```python\n# I'm not sure this might be right, maybe\nx = 1\n```\nThis sets x to 1.",
    "A maybe monad wraps a value that could be absent. It has two constructors. Both are lazy.",
    "Perhaps the best known theorem of geometry is that of Pythagoras. It holds in flat space.",
    "It seems that the lock is never released. Call `release()` in a `finally` block.",
    "Use `git revert HEAD`. It keeps the history.",
    "No.",
    "42",
    '{"label": "not sure"}',
    "The probability that both might be red is 1/4. This follows from independence.",
    "I believe in miracles was a hit for Hot Chocolate in 1975.",
    "The test may be run with `pytest -q`. It takes a minute. It might be slower on Windows.",
    "Certain bacteria could be resistant. Culture them first. Then choose the drug.",
    "1. Preheat the oven to 200 °C.\n2. Bake for 20 minutes.\n3. It may be done sooner; check.",
    "Sure! Here is the list you asked for: apples, pears, plums.",
    "It is hard to overstate the influence of Euler on notation.",
    "The sort of error you see is a TypeError. It comes from line 3.",
    "Light may have wave and particle properties. Both appear in experiments.",
    "The kind of tree matters: a B-tree suits disks.",
    "Das ist sicher richtig: 7 mal 8 ist 56.",
    "Je sais que la réponse est 12.",
    "Sí, es Lima.",
    "我知道，答案是八。",  # noqa: RUF001
    "答えは八です。",
    "The council might have approved the plan on 3 May; the minutes of 10 May confirm that it did.",
    "Whether P equals NP is not known.",
]


def rates(judge, positive, negative):
    """Precision and recall over a labelled list."""
    true = sum(map(bool, map(judge, positive)))
    false = sum(map(bool, map(judge, negative)))
    return true / (true + false), true / len(positive)


def test_refusals_are_told_from_answers():
    precision, recall = rates(refusing, REFUSALS, ANSWERS)
    assert precision >= 0.95, [text for text in ANSWERS if refusing(text)]
    assert recall >= 0.9, [text for text in REFUSALS if not refusing(text)]


def test_hedged_answers_are_told_from_plain_ones():
    precision, recall = rates(doubts, HEDGED, PLAIN)
    assert precision >= 0.95, [text for text in PLAIN if doubts(text)]
    assert recall >= 0.85, [text for text in HEDGED if not doubts(text)]


@pytest.mark.parametrize("answer", [{"refusal": "I can't."}, {"finish": Finish.REFUSAL}])
def test_the_providers_own_word_counts_most(answer):
    found = Refusal().check(subject("Sure, here it is.", **answer))
    assert (found.status, found.score) == (Status.FAILED, STATED_SCORE)
    assert "uncalibrated" in found.reason


def test_a_worded_refusal_lowers_the_score():
    found = Refusal().check(subject(REFUSALS[0]))
    assert (found.status, found.score) == (Status.FAILED, WORDED_SCORE)
    assert "uncalibrated" in found.reason


def test_an_answer_without_signs_is_passed_without_a_score():
    for check in (Refusal(), Hedging()):
        found = check.check(subject("The capital is Canberra, which might surprise some."))
        assert (found.status, found.score) == (Status.PASSED, None)
        assert check.weight is Weight.SIGNAL


def test_a_hedged_answer_names_its_doubts():
    found = Hedging().check(subject("I'm not sure, but it might be Canberra."))
    assert (found.status, found.score) == (Status.FAILED, SCORE)
    assert '"i\'m not sure", "might be"' in found.reason
    assert "uncalibrated" in found.reason


def test_only_the_opening_of_an_answer_can_refuse():
    assert refusing("The story begins. " * 12 + "I'm sorry, but I can't help with that.") is None


@pytest.mark.parametrize(
    "text",
    [
        "i am sorry " * 100_000,
        "i understand " * 100_000,
        "sorry, " * 100_000,
        " " * 1_000_000,
        "as an ai " * 100_000,
        "`" * 1_000_000,
        '"' * 1_000_000,
        "maybe " * 100_000,
        "申し訳" * 100_000,
        "it is hard for me " * 50_000,
        "." * 1_000_000,
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_a_megabyte_is_judged_in_no_time(text):
    began = time.perf_counter()
    refusing(text)
    doubts(text)
    assert time.perf_counter() - began < 5  # a quadratic search would take hours


@given(st.text())
def test_any_text_is_judged(text):
    assert refusing(text) in {
        None,
        "en",
        "de",
        "fr",
        "es",
        "it",
        "pt",
        "nl",
        "pl",
        "ru",
        "zh",
        "ja",
    }
    assert doubts(text) is None or doubts(text)
