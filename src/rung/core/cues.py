"""The verbs that tell what a request asks for: tables to be read, corrected and added to.

Each table has rows by language, so that a cue also says which language the request is in. Words
are in lower case and stand apart by blanks; `_` joins the words of a phrase, of which the longest
at a place counts alone. The weight is the table's unless `=` gives one. Weights add up to evidence
in nats: two categories that differ by 1.1 are three to one.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Category(StrEnum):
    """What kind of work a request asks for."""

    DOCUMENTATION = "documentation"
    FORMATTING = "formatting"
    SUMMARISING = "summarising"
    EXTRACTION = "extraction"
    CLASSIFICATION = "classification"
    CODING = "coding"
    MATHS = "maths"
    REASONING = "reasoning"
    TRANSLATION = "translation"
    CHAT = "chat"
    AGENT_STEP = "agent_step"


class Difficulty(StrEnum):
    """How hard the work is: one known step; some thought; many conditions, proofs, a design."""

    SIMPLE = "simple"
    MODERATE = "moderate"
    HARD = "hard"


Rows = Mapping[Category, Mapping[str, str]]
"""Cues by category and language."""

ACT_WEIGHT = 3.0
"""Of a verb that begins a sentence, which is what users ask with; elsewhere it says less."""

ACTS: Rows = {
    Category.DOCUMENTATION: {
        "en": "write_an_adr=5 document=4 annotate=2 document_the=4.5",
        "de": "dokumentiere=4 kommentiere=3",
        "fr": "documente=4 documentez=4 commente=3",
        "es": "documenta=4 comenta=2",
        "it": "documenta=4 commenta=2",
        "pt": "documente=4 comente=2",
        "nl": "documenteer=4",
    },
    Category.FORMATTING: {
        "en": "change=0.8 remove=0.7 check_my=2.5 check_the=1 fix_the_formatting=5 spell_check=4 "
        "spellcheck=4 re_order=2 transform=1.5 arrange=2 list=0.3 quote=1 format=4 reformat=4 "
        "beautify=4 prettify=4 pretty_print=4 indent tidy clean_up=1.5 sort=2.5 alphabetize=4 "
        "capitalize=3 capitalise=3 uppercase lowercase convert=1.5 turn=1 proofread=4 correct=1.5 "
        "rephrase reword rewrite=1.5 paraphrase make=0.3 number=1 wrap=1 deduplicate=2 "
        "normalize=2 normalise=2 put=0.5 transpose=2 align=2 reorder=2 polish=2",
        "de": "formatiere=4 formatieren=3 sortiere=3 korrigiere=2 wandle=1.5 konvertiere=1.5 "
        "formuliere=2",
        "fr": "formate=4 formatez=4 mets_en_forme=4 trie=3 corrige=2 corrigez=2 convertis=1.5 "
        "reformule=3 reformulez=3",
        "es": "formatea=4 ordena=3 corrige=2 convierte=1.5 reformula=3 da_formato=4",
        "it": "formatta=4 ordina=3 correggi=2 converti=1.5 riformula=3",
        "pt": "formate=4 formata=4 ordene=3 corrija=2 converta=1.5 reformule=3",
        "nl": "formatteer=4 sorteer=3 corrigeer=2 converteer=1.5 herschrijf=2",
    },
    Category.SUMMARISING: {
        "en": "summarise=4.5 summarize=4.5 condense=4 shorten=3 abridge=4 recap=4 sum_up=4 "
        "boil_down=4 outline=1.5 abbreviate=2 digest=2",
        "de": "fasse=2 fass=2 fasse_zusammen=4 kürze=3 zusammenfassen=4",
        "fr": "résume=4.5 résumez=4.5 résumer=4 synthétise=4 condense=4",
        "es": "resume=4.5 resumir=4 resuma=4.5 sintetiza=4",
        "it": "riassumi=4.5 riassumere=4 sintetizza=4 riepiloga=4",
        "pt": "resuma=4.5 resumir=4 sintetize=4 resume=4",
        "nl": "vat=2 samenvatten=4",
    },
    Category.EXTRACTION: {
        "en": "give_me_all=2 give_me_just=3 show_me_all=2 copy_out=3 return_only_the=2 fill_out=2 "
        "who_is_mentioned=3 extract=4.5 pull_out=4 pull=1 parse=2 list=1.5 find=1 get=1 "
        "identify=1.5 collect=2 retrieve=2 fetch=1 fill_in=2 pick_out=3",
        "de": "extrahiere=4.5 extrahieren=4 finde=1 liste=1.5 entnimm=4 lies=1",
        "fr": "extrais=4.5 extraire=4 extrayez=4.5 liste=1.5 relève=3 trouve=1",
        "es": "extrae=4.5 extraer=4 extraiga=4.5 lista=1.5 enumera=1.5 encuentra=1",
        "it": "estrai=4.5 estrarre=4 elenca=1.5 trova=1",
        "pt": "extraia=4.5 extrair=4 liste=1.5 encontre=1",
        "nl": "extraheer=4.5 haal=1 zoek=1",
    },
    Category.CLASSIFICATION: {
        "en": "classify=4.5 categorize=4.5 categorise=4.5 label=4 tag=3.5 rate=2.5 triage=3 "
        "detect=2 moderate=2 assign=2 route=2 decide_whether=3.5 decide_if=3 determine_whether=3 "
        "determine_if=3 judge_whether=3 is_this=2 is_the_following=3 does_this=1.5 are_these=1 "
        "say_whether=3",
        "de": "klassifiziere=4.5 kategorisiere=4.5 ordne=2 bewerte=2 ist_diese=2 ist_dieser=2",
        "fr": "classe=4 classifie=4.5 classez=4 catégorise=4.5 étiquette=3 est_ce_que_ce=2",
        "es": "clasifica=4.5 clasifique=4.5 categoriza=4.5 etiqueta=3 es_este=2",
        "it": "classifica=4.5 categorizza=4.5 etichetta=3",
        "pt": "classifique=4.5 classifica=4.5 categorize=4 rotule=3",
        "nl": "classificeer=4.5 categoriseer=4.5 label=3",
    },
    Category.CODING: {
        "en": "why_does_this=2 why_is_this=1.5 is_there_anything_wrong=4 what_s_wrong=3 "
        "what_is_wrong=3 how_can_i_fix=3.5 how_to=1 we_should=1 i_want_the=1.5 "
        "create_a_function=4 write_a_function=4 write_code=4 write_a_program=4 write_a_script=4 "
        "debounce=3 cache=2 handle=1.5 support=1.5 allow=1 enable=1.5 disable=1.5 extend=1.5 "
        "expose=2 move=1 hide=1 show=0.5 use=1 switch=1 split=1 validate=1.5 log=1.5 check_why=2 "
        "fix=2 debug=4 implement=3.5 refactor=4.5 code=3 program=2.5 build=2 port=3 migrate=1.5 "
        "rename=2.5 optimize=2 optimise=2 deploy=2.5 install=2 add=1.2 remove=1 delete=1 "
        "replace=1 update=1 create=0.8 run=1.5 test=2 commit=2 merge=2 rebase=4 write=0.4 "
        "review=1.2 compile=3 patch=3 upgrade=2 make=0.5 scaffold=4 revert=3 change=1 repair=1.5 "
        "develop=2 bump=3 configure=2 mock=2 convert=0.5 set_up=2 wire_up=2",
        "de": "behebe=3 implementiere=3.5 programmiere=4 repariere=2 schreibe=0.4 erstelle=0.6 "
        "refaktoriere=4.5 füge=1 ändere=1",
        "fr": "implémente=3.5 programme=2.5 répare=2 débogue=4 écris=0.4 crée=0.6 ajoute=1 "
        "corrige=1",
        "es": "implementa=3.5 programa=2.5 arregla=2.5 depura=4 escribe=0.4 crea=0.6 añade=1 "
        "corrige=1",
        "it": "implementa=3.5 programma=2.5 scrivi=0.4 crea=0.6 aggiungi=1 correggi=1",
        "pt": "implemente=3.5 programe=3 conserte=2 depure=4 escreva=0.4 crie=0.6 adicione=1 "
        "corrija=1",
        "nl": "implementeer=3.5 programmeer=4 repareer=2 schrijf=0.4 maak=0.6 los=1",
    },
    Category.MATHS: {
        "en": "solve=3 calculate=4 compute=3.5 evaluate=2 integrate=3 differentiate=4.5 factor=3 "
        "factorise=4 factorize=4 prove=3.5 simplify=2.5 add_up=3 convert=0.3 derive=2.5 "
        "multiply=4 divide=2.5 show_that=3.5 let=1 find_all=1 find_the_number=3 find_the_value=4 "
        "find_x=4 how_many=1.5 estimate=1",
        "de": "berechne=4.5 rechne=4 löse=2.5 beweise=4 wie_viel=2 wie_viele=1.5 wieviel=2",
        "fr": "calcule=4.5 calculez=4.5 résous=3 démontre=4 combien=2.5 prouve=3",
        "es": "calcula=4.5 calcule=4.5 resuelve=3 demuestra=4 cuánto=2 cuántos=1.5 cuántas=1.5",
        "it": "calcola=4.5 risolvi=3 dimostra=4 quanto=2 quanti=1.5 quante=1.5",
        "pt": "calcule=4.5 resolva=3 prove=3 quanto=2 quantos=1.5 quantas=1.5",
        "nl": "bereken=4.5 bewijs=4 hoeveel=2.5",
    },
    Category.REASONING: {
        "en": "propose=2.5 is_it_better=3.5 is_it_worth=3 is_it_cheaper=3.5 is_it_possible=1.5 "
        "could_it_be=2 is_there_a_reason=3 if_all=2.5 think_carefully=3 weigh=3 "
        "what_s_the_difference=4 contrast=3.5 outline_a_plan=4 tell_me_why=4 give_reasons=3 "
        "how_come=3 what_causes=3 what_should=1 what_could=1.5 how_should=2 what_are_the_main=1.5 "
        "elaborate=2.5 describe=1.5 interpret=2.5 would=0.3 if=0.7 what_makes=2.5 explain=3.5 "
        "why=3 compare=3.5 analyse=3 analyze=3 reason=3 plan=3 design=2.5 argue=3.5 discuss=3 "
        "evaluate=1.5 assess=2.5 recommend=0.8 should_i=3.5 should_we=3.5 how_does=2.5 how_do=1.5 "
        "how_would=2.5 how_can=1 how_is=1.5 what_does_this=3.5 what_does=2 what_if=3 what_would=3 "
        "what_are_the=0.8 what_is_the_difference=4 describe_how=3 decide=2.5 consider=2 think=2 "
        "which_of=2.5 which_one=2 what_happens=3 diagnose=2.5 investigate=2.5 review=1 "
        "walk_me_through=4 suppose=2 justify=3.5 critique=3 help_me_understand=4 brainstorm=2 "
        "strategize=3 predict=2 infer=2.5 how=1 difference_between=3",
        "de": "erkläre=3.5 erklär=3.5 warum=3.5 wieso=3.5 weshalb=3.5 vergleiche=3.5 analysiere=3 "
        "begründe=3.5 plane=3 entwirf=2.5 diskutiere=3 soll_ich=3 wie_funktioniert=3 wie=0.7",
        "fr": "explique=3.5 expliquez=3.5 pourquoi=3.5 compare=3.5 analyse=3 justifie=3.5 "
        "planifie=3 comment_fonctionne=3 comment=0.8",
        "es": "explica=3.5 explique=3.5 por_qué=3.5 compara=3.5 analiza=3 justifica=3.5 "
        "planifica=3 cómo_funciona=3 cómo=0.8",
        "it": "spiega=3.5 spiegami=3.5 perché=3.5 confronta=3.5 analizza=3 come_funziona=3 "
        "come=0.7",
        "pt": "explique=3.5 explica=3.5 por_que=3.5 compare=3.5 analise=3 como_funciona=3 como=0.7",
        "nl": "verklaar=3.5 waarom=3.5 vergelijk=3.5 analyseer=3 leg=1.5 hoe_werkt=3 hoe=0.7",
    },
    Category.TRANSLATION: {
        "en": "translate=4.5 how_do_you_say=5 how_do_i_say=5 how_would_you_say=5 say_in=2 "
        "localize=2.5 localise=2.5",
        "de": "übersetze=4.5 übersetzen=4 übersetz=4.5",
        "fr": "traduis=4.5 traduisez=4.5 traduire=4",
        "es": "traduce=4.5 traducir=4 traduzca=4.5 traduzcan=4.5",
        "it": "traduci=4.5 tradurre=4",
        "pt": "traduza=4.5 traduzir=4 traduz=4.5",
        "nl": "vertaal=4.5 vertalen=4",
    },
    Category.CHAT: {
        "en": "what_should_i=2 let_s=1 i_am=0.8 can_you=0.2 lol=4 haha=4 what_s_your=3 "
        "how_old_are_you=4 give_me_a=1 when_did=2.5 when_was=2.5 where_is=2 who_is=3 what_was=1 "
        "is_there=0.7 i_love=2 i_hate=1.5 name_a=1.5 name_three=2 give_me_ideas=2.5 compose=1.5 "
        "draft=1 tell_me_about=1.5 help_me_write=1 hi=3 hello=3 hey=3 thanks=4 thank_you=4 "
        "good_morning=4 good_evening=4 good_night=4 good_afternoon=4 say_hello=5 say_hi=5 "
        "tell_me_a=2 who=2.5 when=1.2 where=1.5 what_is=1 what_s=1 what_are=0.7 how_are_you=5 "
        "how_s=1.5 recommend=2 suggest=1 write=0.9 i_m=0.8 do_you=2 are_you=2 which=0.7 "
        "what_time=2 give_me_an_idea=2 imagine=2 play=1.5 pretend=2 bye=4 ok=3 okay=3 yes=3 no=2 "
        "sure=2 cool=3 great=3 nice=3 what_do_you_think=2",
        "de": "hallo=4 danke=4 guten_morgen=4.5 guten_tag=4.5 guten_abend=4.5 wer=2.5 wo=1.5 "
        "wann=1.5 wie_geht=4 was_ist=1 schreibe=0.9 erzähl=2.5 welche=0.8 was=0.5",
        "fr": "bonjour=4 salut=4 merci=4 bonsoir=4 qui=2 où=1.5 quand=1.5 quelle_est=1 quel_est=1 "
        "écris=0.9 raconte=2.5",
        "es": "hola=4 gracias=4 buenos_días=4.5 buenas_tardes=4.5 quién=2.5 dónde=1.5 cuándo=1.5 "
        "cuál=1 qué_es=1 escribe=0.9 cuéntame=2.5",
        "it": "ciao=4 grazie=4 buongiorno=4 buonasera=4 chi=2 dove=1.5 quando=1.5 qual=1 "
        "scrivi=0.9 raccontami=2.5",
        "pt": "olá=4 oi=4 obrigado=4 obrigada=4 bom_dia=4.5 boa_tarde=4.5 quem=2.5 onde=1.5 "
        "qual=1 escreva=0.9 conta=1",
        "nl": "hoi=4 hallo=4 bedankt=4 dank_je=4 goedemorgen=4 wie=2 waar=1.5 wanneer=1.5 "
        "schrijf=0.9",
    },
}

EFFORT: Mapping[str, str] = {
    "en": "readme=0.6 guide=0.6 the_docs=0.6 documentation=0.5 tutorial=0.5 adr=0.6 poem=1 "
    "letter=0.9 story=0.9 essay=1 toast=0.9 email=0.3 blog_post=1 faster=0.5 times_faster=0.6 "
    "order=0.1 has_to=0.4 must_not=0.4 legal=0.4 risks=0.5 list_the=0.3 deadline=0.4 "
    "in_parallel=0.8 disprove=1.8 every_continuous=1 transaction=0.5 rollback=0.5 service=0.2 "
    "api=0.1 tests=0.3 metrics=0.4 helm=0.5 graceful=0.5 plan_the=0.6 plan=0.4 compare=0.1 "
    "under_load=0.8 find_all=0.6 integral=0.6 differentiate=0.5 probability=0.5 chances=0.4 "
    "uniformly=0.8 prove=1.8 proof=1.5 show_that=1.5 race_condition=1.6 race=0.6 deadlock=1.6 "
    "deadlocks=1.6 concurrency=1.2 concurrent=1 lock_free=2 distributed=1.5 consensus=1.2 "
    "architecture=1.2 architect=1.2 design=0.8 trade_offs=0.8 tradeoffs=0.8 refactor=0.6 "
    "migrate=0.8 migration=0.8 without_downtime=1.2 zero_downtime=1.2 compliance=0.6 optimise=0.6 "
    "optimize=0.6 performance=0.5 security=0.3 scalable=0.8 fault=0.6 for_all=0.8 for_all_real=1 "
    "infinitely_many=1.2 olympiad=2 positive_integers=0.8 complexity=0.6 thread_safe=1.2 "
    "consistency=0.8 failover=0.8 end_to_end=0.6 kernel=0.8 compiler=0.8 memory_leak=1 "
    "from_scratch=0.8 rewrite_the=0.6 whole_codebase=1.2 across_the=0.5 integration_tests=0.5 "
    "backwards_compatible=0.6 edge_cases=0.4 rigorous=1 protocol=0.6 must=0.3 without=0.3 "
    "keep=0.3 do_not=0.3 ensure=0.3 also=0.2 except=0.2 at_most=0.3 step_by_step=0.3 detailed=0.4 "
    "thorough=0.6 comprehensive=0.6 in_depth=0.6 simple=-0.6 short=-0.4 quick=-0.6 quickly=-0.4 "
    "just=-0.3 one_liner=-0.8 briefly=-0.5 basic=-0.5 easy=-0.5 hello_world=-1 rename=-0.8 "
    "regex=-0.5 undo=-0.5 typo=-1 command_to=-0.8",
    "de": "beweise=1.8 architektur=1.2 entwirf=0.8 nebenläufig=1.2 verteilt=1 ausführlich=0.6 "
    "einfach=-0.4 kurz=-0.4",
    "fr": "démontre=1.8 prouve=1.5 architecture=1.2 concurrence=1 distribué=1.2 détaillé=0.5 "
    "simple=-0.5",
    "es": "demuestra=1.8 arquitectura=1.2 concurrencia=1.2 distribuido=1.2 detallado=0.5 "
    "simple=-0.5",
    "it": "dimostra=1.8 architettura=1.2 concorrenza=1.2 distribuito=1.2 dettagliato=0.5 "
    "semplice=-0.5",
    "pt": "prove=1.8 arquitetura=1.2 concorrência=1.2 distribuído=1.2 detalhado=0.5 simples=-0.5",
    "nl": "bewijs=1.8 architectuur=1.2 gedistribueerd=1.2 uitgebreid=0.5 eenvoudig=-0.5",
}
"""What makes work harder or easier, wherever it stands."""

_POLITE = (
    "please can could would will you i we need want to help me us kindly now then so let lets s d "
    "ll just the a an hey hi hello and also first next finally must always your task is job do "
    "bitte kannst könntest du mir uns mal können sie ich möchte "
    "peux tu pouvez vous s il te plaît veuillez je veux "
    "puedes podrías por favor quiero me puoi potresti per favore vorrei pode poderia quero "
    "kun je kunt u wil ik alsjeblieft graag"
)

POLITE = frozenset(_POLITE.split())
"""Words that may come before the verb that a sentence asks with."""
