"""How models decline, as data: one table a language, phrases as pieces of regular expressions.

Case is folded and white space is single before they are compared.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phrases:
    """A refusal is ``cannot``, what ``gap`` allows between, then ``declines``.

    After a word of regret (``sorry``) or "as an AI" (``as_model``), a word of ``loosely`` in place
    of ``declines`` is enough. ``outright`` is a refusal by itself.
    """

    language: str
    sorry: tuple[str, ...]
    cannot: tuple[str, ...]
    declines: tuple[str, ...]
    loosely: tuple[str, ...] = ("",)
    as_model: tuple[str, ...] = ()
    outright: tuple[str, ...] = ()
    gap: str = " ?"


_ENGLISH = Phrases(
    "en",
    sorry=(
        r"i(?:'m| am) (?:(?:very|so|really|truly|deeply) )?sorry",
        r"i(?:'m| am) afraid(?: that)?",
        "sorry",
        "(?:my |please accept my )?apologies",
        "i apologi[sz]e(?: for [^,.!?]{0,40})?",
        "unfortunately",
        "regrettably",
        "no,",
        "i understand[^.!?]{0,60}",
        "i appreciate[^.!?]{0,60}",
        "thank you for[^.!?]{0,60}",
        "i(?:'d| would) love to[^.!?]{0,30}",
    ),
    as_model=(
        "as an? (?:responsible |ethical )?(?:ai|artificial|large language|language)[^,.]{0,50}",
        "i(?:'m| am) (?:just |only )?an? (?:ai|artificial|large language|language)[^,.]{0,40}",
    ),
    cannot=(
        "(?:so )?(?:i|we)(?: simply| really| just)? (?:can't|cannot|can not|won't|will not)",
        "(?:so )?(?:i(?:'m| am)|we(?:'re| are)) (?:unable|not able|not allowed|not going) to",
        "i(?:'m| am) not (?:permitted|programmed) to",
        "i(?:'m| am) not (?:comfortable|in a position)",
        "(?:and|so|but) (?:can't|cannot|am unable to)",
    ),
    declines=(
        r"(?:assist|comply|fulfill?)\b",
        "(?:discuss (?:that|this|such)|advise you|recommend (?:any|specific))",
        "(?:identify|verify the identity of) (?:people|the person)",
        r"help (?:you|with|to)\b",
        "help (?:create|write|make|plan)",
        "help[.,!]",
        r"(?:provid|creat|generat|produc)(?:e|ing)\b(?! for\b)",
        "(?:offer|giv|shar)(?:e|ing)?(?: you)? (?:that|this|such|instruct|guidance|information)",
        "(?:offer|giv|shar)(?:e|ing)?(?: you)? (?:medical|legal|financial|personal|copyrighted)",
        "(?:offer|giv|shar)(?:e|ing)? the (?:information|details|content|answers?)",
        "(?:answer|respond to|support|process|satisfy) (?:that|this|these|your|any|such)",
        "(?:engage in|take part in|continue with) (?:that|this|your|such|any)",
        "writ(?:e|ing) (?:that|this|such|content|any|explicit|harmful|malicious|sexual|hateful)",
        r"do (?:that|this|such)\b(?! any ?more| alone| without)",
        "(?:access|browse|open) (?:the internet|external|real-time|websites|files|urls|links)",
        "view (?:images|attachments|files|links)",
        "(?:with |to )?(?:this|that|your) request",
    ),
    loosely=(
        r"(?:do|help|assist|answer|provide|create|generate|write|discuss|share|give)\b(?! enough)",
        r"(?:complete|continue|comply|support|engage|tell|process|access|offer|predict)\b",
        r"(?:speculate|open|browse|recommend|say|comment)\b(?! enough)",
    ),
    outright=(
        r"i (?:must|have to) (?:respectfully )?(?:decline|refuse)(?:\.| to| this| your)",
        "i (?:respectfully |politely )?(?:decline|refuse) to",
        r"i(?:'d| would) (?:rather|prefer) not(?: to)? (?:answer|say|discuss|comment|do)\b",
        "i (?:don't|do not) feel comfortable",
        "i (?:don't|do not|currently don't) have (?:the ability|the capability)",
        "i (?:don't|do not) have access to (?:the internet|your|real-time|external|any)",
        "i (?:don't|do not) think i (?:can|should) (?:help|assist|answer|do that)",
        "my (?:guidelines|polic(?:y|ies)|programming) (?:prevent|don't allow|do not allow)",
        "i(?:'m| am) programmed to be a (?:helpful|harmless|safe)",
        "(?:this|that|your) (?:request|question|prompt) (?:violates|goes against|is against)",
        "(?:this|that|your) (?:request|question|prompt) (?:can't|cannot) be",
        "(?:that|this)(?:'s| is) (?:not something i can|something i (?:can't|cannot|won't))",
        "(?:that|this)(?:'s| is) something i(?:'m| am) (?:unable|not able)",
        "(?:that|this) (?:isn't|is not) something i(?:'m| am) (?:able|willing)",
        "(?:that|this)(?:'s| is) (?:outside|beyond) (?:of )?(?:what i can|my )",
        "it(?:'s| is| would be) (?:inappropriate|unethical|not appropriate) for me to",
        "it(?:'s| is) against my (?:guidelines|programming|polic)",
    ),
    gap=" (?:(?:in good conscience|directly|currently|actually|be able to) )?",
)

_GERMAN = Phrases(
    "de",
    sorry=("(?:es )?tut mir (?:sehr )?leid", "entschuldigung", "leider", "ich bedaure"),
    as_model=("als (?:ki|sprachmodell|künstliche)[^,.!?]{0,40}?",),
    cannot=("ich (?:kann|darf|werde|bin)", "(?:kann|darf|werde|bin) ich"),
    declines=(
        "nicht (?:weiter)?helfen",
        "nicht (?:behilflich|beantworten|unterstützen|erfüllen|nachkommen|in der lage)",
        "keine (?:hilfe|auskunft|auskünfte|anleitung|informationen)",
    ),
    loosely=(r"nicht\b", r"keine\b"),
    outright=(
        r"(?:das|dazu|dabei|damit) (?:kann|darf) ich (?:dir |ihnen )?leider (?:nicht|keine)\b",
        "(?:das|dazu|dabei|damit) (?:kann|darf) ich (?:dir |ihnen )?nicht (?:helfen|beantworten)",
        "(?:dazu|hierzu) (?:kann|darf) ich (?:dir |ihnen )?keine (?:angaben|auskunft)",
    ),
    gap="[^.!?]{0,60}?",
)

_FRENCH = Phrases(
    "fr",
    sorry=("(?:je suis )?(?:désolée?|navrée?)", "malheureusement", "je m'excuse", "je regrette"),
    as_model=("en tant qu(?:e |')(?:ia|intelligence|assistant|modèle)[^,.!?]{0,40}",),
    cannot=("je ne (?:peux|puis|suis)", "il m'est impossible"),
    declines=(
        "vous aider",
        "t'aider",
        "répondre à (?:cette|votre)",
        "(?:vous )?fournir",
        "accéder à (?:cette|votre)",
        "satisfaire",
    ),
    loosely=(r"pas\b", "de "),
    outright=("cette demande (?:enfreint|viole|va à l'encontre)",),
    gap="[^.!?]{0,30}?",
)

_SPANISH = Phrases(
    "es",
    sorry=("lo siento(?: mucho)?", "disculpa", "lamentablemente", "desafortunadamente", "me temo"),
    as_model=("como (?:una? )?(?:ia|modelo|inteligencia|asistente)[^,.!?]{0,40}",),
    cannot=("(?:que )?no (?:puedo|podré|estoy|me es)",),
    declines=(
        r"ayudar(?:te|le|les|os)?(?: con| a|[.,]|$)",
        "(?:proporcionar|cumplir|asistir)",
        "responder a (?:esa|esta|tu|su)",
    ),
    outright=("lamento no poder", "no estoy autorizad[oa]"),
    gap="[^.!?]{0,10}?",
)

_ITALIAN = Phrases(
    "it",
    sorry=("mi dispiace(?: molto)?", "spiacente", "purtroppo", "mi scuso"),
    as_model=("(?:come|in quanto) (?:ia|modello|intelligenza|assistente)[^,.!?]{0,40}",),
    cannot=("non (?:posso|sono|mi è)",),
    declines=(
        "(?:in grado di )?aiutar(?:ti|la|vi)",
        "(?:in grado di )?(?:fornir|assister|soddisfare|rispondere a quest)",
    ),
    gap="[^.!?]{0,15}?",
)

_PORTUGUESE = Phrases(
    "pt",
    sorry=("sinto muito", "(?:me )?desculpe", "lamento", "infelizmente"),
    as_model=("como (?:uma? )?(?:ia|modelo|inteligência|assistente)[^,.!?]{0,40}",),
    cannot=("(?:eu )?não (?:posso|consigo|estou|sou)",),
    declines=("ajud(?:ar|á-lo|á-la)", "(?:fornecer|atender|cumprir)", "responder a (?:essa|esta)"),
    gap="[^.!?]{0,10}?",
)

_DUTCH = Phrases(
    "nl",
    sorry=("het spijt me", "sorry", "helaas", "excuses"),
    as_model=("als (?:ai|taalmodel)[^,.!?]{0,40}?",),
    cannot=("ik (?:kan|mag|ben)", "(?:kan|mag|ben) ik"),
    declines=("niet (?:mee )?helpen", "niet (?:beantwoorden|voldoen|verstrekken)"),
    loosely=(r"niet\b", r"geen\b"),
    gap="[^.!?]{0,50}?",
)

_POLISH = Phrases(
    "pl",
    sorry=("przykro mi", "przepraszam", "niestety"),
    cannot=("nie (?:mogę|jestem w stanie)",),
    declines=("pomóc", "udzielić", "odpowiedzieć na", "spełnić", "dostarczyć"),
    gap="[^.!?]{0,10}?",
)

_RUSSIAN = Phrases(
    "ru",
    sorry=("к сожалению", "извините", "простите", "мне (?:очень )?жаль"),
    cannot=("я не (?:могу|в состоянии)",),
    declines=(
        "помочь",
        "предоставить",
        "ответить на (?:этот|ваш)",
        "выполнить (?:этот|ваш)",
    ),
    gap="[^.!?]{0,10}?",
)

_CHINESE = Phrases(
    "zh",
    sorry=("(?:很|非常|十分)?(?:抱歉|对不起|對不起|遗憾)", "不好意思"),
    as_model=("作为[^。]{0,4}(?:人工智能|ai|语言模型)[^。]{0,10}",),
    cannot=(
        "(?:但|但是|[^。]{0,10})?我(?:还是|暂时)?(?:无法|無法|不能|没有办法|没办法|没法)",
        "(?:无法|無法|不能)",
    ),
    declines=("提供", "回答", "协助", "協助", "帮助", "幫助", "满足", "完成(?:这个|此|您的)"),
    gap="[^.!?]{0,4}?",
)

_JAPANESE = Phrases(
    "ja",
    sorry=(
        "(?:大変)?申し訳(?:ございません|ありません|ない)(?:が|けれども|ですが)?",
        "(?:すみません|ごめんなさい)(?:が)?",
        "恐れ入りますが",
        "残念ながら",
    ),
    cannot=("[^。]{0,60}(?:できません|出来ません|できかねます|いたしかねます|お答えできない)",),
    declines=(),
    outright=(
        "(?:その|この|ご)[^。]{0,20}(?:リクエスト|依頼|要望)[^。]{0,20}(?:応え|応じ|対応)[^。]{0,6}ません",
        "(?:その|この|ご)[^。]{0,20}質問[^。]{0,20}(?:お答え|回答)[^。]{0,6}ません",
    ),
)

PHRASES = (
    _ENGLISH,
    _GERMAN,
    _FRENCH,
    _SPANISH,
    _ITALIAN,
    _PORTUGUESE,
    _DUTCH,
    _POLISH,
    _RUSSIAN,
    _CHINESE,
    _JAPANESE,
)
