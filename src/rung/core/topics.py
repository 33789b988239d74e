"""The words that tell what a request is about: the second table of cues, spelled as the first."""

from __future__ import annotations

from rung.core.cues import Category, Rows

THING_WEIGHT = 2.0
"""Of a word that tells what the request is about, wherever it stands."""

THINGS: Rows = {
    Category.DOCUMENTATION: {
        "en": "commit_title=5 subject_line_for=2 adr=4.5 above_each=1.5 in_a_comment=4.5 "
        "decision_record=4 comment_above=4 design_doc=3 architecture_decision_record=4.5 "
        "docstrings_for=1 contributing=2 code_comment=4.5 usage_section=3.5 usage_examples=2.5 "
        "help_page=3 godoc=5 sphinx=2.5 doxygen=4 tsdoc=5 doc=2 installation_instructions=3.5 "
        "documented=2 docstring=5 docstrings=5 javadoc=5 jsdoc=5 doc_comment=5 doc_comments=5 "
        "readme=4.5 changelog=4.5 release_notes=5 commit_message=5.5 commit_messages=5 "
        "pr_description=5.5 pull_request_description=5.5 documentation=3.5 docs=3 comments=2 "
        "add_comments=4.5 code_comments=4.5 inline_comments=4.5 api_reference=4.5 user_guide=4 "
        "user_manual=4 guide=2.5 tutorial=2.5 how_to_guide=4 runbook=4 wiki=3 faq=2 "
        "technical_writing=3 manual=1.5 specification=1 man_page=4 help_text=3 comment=1",
        "de": "dokumentation=4 kommentare=4 docstring=5 anleitung=3 commit_nachricht=5",
        "fr": "documentation=3.5 commentaires=4.5 docstring=5 guide=2.5 message_de_commit=5",
        "es": "documentación=4 comentarios=3.5 docstring=5 guía=2.5 mensaje_de_commit=5",
        "it": "documentazione=4 commenti=3.5 docstring=5 guida=2.5 messaggio_di_commit=5",
        "pt": "documentação=4 comentários=3.5 docstring=5 guia=2.5 mensagem_de_commit=5",
        "nl": "documentatie=4 commentaar=3 docstring=5 handleiding=3",
    },
    Category.FORMATTING: {
        "en": "readable=3 duplicate_lines=3.5 duplicates=2 iso=2.5 markdown=2 html_table=2 bold=2 "
        "italics=2 lowercase=3 uppercase=3 camelcase=2 snake_case=1.5 columns=1 comma_separated=3 "
        "one_per_line=3 numbered_list=3 bulleted_list=3 bullet_points=1.5 table_with=2 "
        "friendlier_tone=4 same_order=0.5 into_json=2.5 into_yaml=3 into_csv=3 as_csv=3 as_xml=3 "
        "heading=1.5 headings=2 casing=3 style_guide=1 indentation=4 formatting=3.5 "
        "markdown_table=3.5 table=1 as_yaml=2.5 to_yaml=2.5 as_json=0.7 to_json=2.5 to_csv=2.5 "
        "to_xml=2.5 to_markdown=3 as_markdown=2.5 into_a_table=3 as_a_table=3 in_a_table=2 "
        "bullet_list=1.5 alphabetically=3.5 alphabetical=3 spelling=4 grammar=4 typos=3.5 "
        "typo=2.5 punctuation=4 line_breaks=3 whitespace=2.5 title_case=4 mla=3 polite=2.5 "
        "more_formal=3 formal=1.5 tone=2 wording=2 lower_case=3 upper_case=3 bibliography=2 "
        "citation_style=3 line_length=2 tabs=1 css_style=0 layout=1 csv=0.5 yaml=0.5 "
        "more_polite=3.5 friendlier=3 more_concise=2 professional=1.5",
        "de": "tabelle=2.5 rechtschreibung=4 grammatik=4 alphabetisch=3.5 einrückung=4 höflicher=3",
        "fr": "orthographe=4 grammaire=4 tableau=2 mise_en_forme=4 alphabétique=3.5 poli=2",
        "es": "ortografía=4 gramática=4 tabla=2 alfabéticamente=3.5 formato=2",
        "it": "ortografia=4 grammatica=4 tabella=2 alfabetico=3 formato=1.5",
        "pt": "ortografia=4 gramática=4 tabela=2 alfabética=3 formato=1.5",
        "nl": "spelling=4 grammatica=4 tabel=2 alfabetisch=3.5 opmaak=3",
    },
    Category.SUMMARISING: {
        "en": "shorter=3 article_about=3.5 text_about=3 this_about=2.5 was_decided=3 "
        "were_decided=3 name_this=3.5 main_message=3.5 most_important=2 important_points=4 "
        "transcript=2 meeting=1 subject_line=3 brief_overview=2 too_long=2 in_short=2 "
        "bottom_line=2.5 essence=3 catch_me_up=4 action_items=3 what_happened_in=1.5 summary=4 "
        "summaries=4 tl=4.5 tldr=4.5 key_points=4 main_points=4 main_idea=3.5 gist=4 headline=4 "
        "minutes_of=4 abstract=2 takeaways=4 key_takeaways=4.5 title=2.5 a_title=3.5 the_title=4 "
        "title_generator=5 in_one_sentence=2 in_two_sentences=2 in_a_nutshell=3 overview_of=1.5 "
        "synopsis=4 highlights=2 executive_summary=5 bullet_points=1",
        "de": "wichtigsten_punkte=4 das_wichtigste=3.5 titel=2.5 kurzfassung=4 zusammenfassung=4 "
        "zusammen=2.5 überschrift=3 kernpunkte=4 kernaussagen=4 protokoll=2",
        "fr": "points_importants=3.5 essentiel=3 résumé=4 points_clés=4 titre=2.5 synthèse=3 "
        "grandes_lignes=3",
        "es": "puntos_principales=4 más_importante=2.5 resumen=4 puntos_clave=4 título=2.5 "
        "ideas_principales=4",
        "it": "riassunto=4 punti_chiave=4 titolo=2.5 sintesi=3",
        "pt": "resumo=4 pontos_principais=4 título=2.5",
        "nl": "samenvatting=4 samen=2.5 kernpunten=4 titel=2.5",
    },
    Category.EXTRACTION: {
        "en": "in_the_passage=2.5 below=0.5 urls=2 url_from=2 record=1 company_names=2 "
        "from_the_cv=2 just_the=1 only_the=1 all_mentions=3 keywords=2.5 from_the_email=2.5 "
        "from_this_email=2.5 each_mention=2 data_entry=3 postcode=0.7 ids=1 the_names=1.5 "
        "all_people=1.5 contact_details=2.5 ingredients=1.5 from_this_text=2.5 from_the_text=2.5 "
        "from_the_following=2 from_this=1 mentioned=2 in_the_text=1.5 in_this_text=2 "
        "in_this_message=2 according_to_the=3 named_entities=4 entities=2.5 email_addresses=1.5 "
        "email_address=1.5 phone_numbers=1.5 dates=1 all_names=1.5 invoice=1 fields=1.5 "
        "with_the_fields=2.5 all_the=0.7 every=0.3 passage=1.5 json_object=1.5 key_value=1.5 "
        "names_of=1 based_on_the_text=2.5 s_data=1 as_json=1",
        "de": "in_diesem_text=2 im_text=2 werden_genannt=2 aus_diesem_text=2.5 aus_dem_text=2.5 "
        "telefonnummern=1.5 erwähnt=2 genannt=2",
        "fr": "dans_ce_texte=2 dans_le_texte=2 de_ce_texte=2 du_texte=2 mentionnés=2 mentionnées=2",
        "es": "del_siguiente_texto=2 del_texto=2 mencionados=2 mencionadas=2",
        "it": "dal_testo=2.5 dal_seguente_testo=2.5 menzionati=2",
        "pt": "do_texto=2 do_seguinte_texto=2.5 mencionados=2",
        "nl": "uit_deze_tekst=2.5 uit_de_tekst=2.5 genoemd=2",
    },
    Category.CLASSIFICATION: {
        "en": "on_a_scale=3.5 scale_of=2.5 fake=2 genuine=2 what_language=3.5 written_in=1.5 "
        "how_angry=2.5 how_likely=1 into_one=1.5 buckets=2 offensive=2 sarcastic=3 urgent=1.5 "
        "fraud=2 fraudulent=3 legitimate=2 type_of=1 relevant_or=2.5 negative=1.5 neutral=1.5 "
        "positive=1 sentiment=3.5 positive_or_negative=4.5 positive_negative=4 spam=3 spam_or=3 "
        "toxic=3 which_category=4 category=2.5 categories=2 label_only=3 labels=2 yes_or_no=2.5 "
        "true_or_false=2 or_not=1.5 priority=2 intent=2.5 one_of=1.5 with_one_of=3 classifier=2 "
        "belongs_to=1.5 belong_to=2 or_neutral=3 phishing=2.5 classification=3 severity=2 "
        "which_language=1",
        "de": "spam=3 oder_nicht=2 positiv_oder_negativ=4 stimmung=3 dringend=2 kategorie=2.5 "
        "ja_oder_nein=2.5 kategorien=2",
        "fr": "spam=3 ou_pas=2 ou_non=2 sentiment=3.5 urgent=1.5 non_urgent=2.5 catégorie=2.5 "
        "oui_ou_non=2.5 pourriel=3",
        "es": "sentimiento=3.5 urgente=2 categoría=2.5 sí_o_no=2.5 positivo_o_negativo=4",
        "it": "sentimento=3.5 urgente=2 categoria=2.5 sì_o_no=2.5",
        "pt": "sentimento=3.5 urgente=2 categoria=2.5 sim_ou_não=2.5",
        "nl": "sentiment=3.5 dringend=2 categorie=2.5 ja_of_nee=2.5",
    },
    Category.CODING: {
        "en": "to_rust=3.5 rust_code=4 go_code=4 npm=3 pip=2.5 cargo=2.5 webpack=3 jest=3 "
        "pytest=3 eslint=3 vue=2 angular=2 excel_formula=4 formula=1 cron=3 yaml_file=1.5 "
        "github_actions=3.5 pipeline=1.5 button=1.5 sidebar=2 modal=2 dropdown=2 nested_list=2.5 "
        "dict=2.5 dictionary=1 tuple=2.5 json_file=1.5 stack_overflow=1.5 crud=3 orm=3 redis=2.5 "
        "postgres=1.5 mongodb=1.5 cache=1.5 caching=1.5 dataclass=3 enum=2 interface=1 struct=2.5 "
        "pointer=1.5 recursion=2.5 recursive=2 cleanup=0.5 importer=1.5 codepath=2 callback=2 "
        "decorator=2.5 jwt=2.5 oauth=2 http=1.5 url=0.7 webhook=2 middleware=2.5 page=0.5 login=1 "
        "form=0.5 crash=1.5 broken=1 fails=1.5 fail=1 error=1.5 errors=1 log=0.5 logs=1 elisp=3 "
        "vim=2 linux=1.5 windows=0.5 powershell=3 awk=3 sed=2.5 grep=2.5 ssh=2 nginx=2 latex=1.5 "
        "matlab=3 r_code=3 pandas=3.5 numpy=3.5 dataframe=3.5 tensorflow=3 pytorch=3 php=2.5 "
        "ruby=2 kotlin=2.5 swift=1.5 perl=2.5 scala=2.5 haskell=3 assembly=1.5 vba=3 macro=2 "
        "list_comprehension=3 function=2.5 functions=1 method=1.2 class=1 script=3 code=1.8 "
        "codebase=2.5 bug=3 bugs=2.5 unit_test=4 unit_tests=4 test=1 tests=2 failing=1.5 "
        "test_suite=3 endpoint=2 endpoints=1.5 api=1 regex=2.5 regular_expression=2.5 sql=2 "
        "query=2 sql_query=4 python=2.2 javascript=2.2 typescript=2.5 rust=1.5 java=2 golang=2.5 "
        "c++=2.5 c#=2.5 bash=2.2 shell=1.5 html=1.5 css=2.2 react=2 django=2.2 flask=2 node=1.2 "
        "sqlite=2 docker=2.2 dockerfile=3 kubernetes=2 makefile=2.5 git=2.5 variable=1.5 parser=2 "
        "compiler=2 stack_trace=3 traceback=3 exception=2 crashes=1 race_condition=2.5 "
        "deadlock=2.5 deadlocks=2.5 thread=1 async=1.5 to_python=4 to_java=4 to_javascript=4 "
        "to_typescript=4 to_c++=4 to_kotlin=4 to_swift=4 in_go=2.5 in_rust=2.5 in_c=2 one_liner=3 "
        "command_line=0.5 repo=1 flag=1 command=1.2 frontend=2 backend=2 pull_request=1.5 ci=1.5 "
        "linter=2 lint=2 type_hints=3 component=1.5 module=1.2 package=0.7 database=1 schema=0.7 "
        "algorithm=2.5 data_structure=2.5 queue=1.5 linked_list=3 binary_tree=3 array=1.5 "
        "string=1 integer=1 return_the=1.5 leetcode=4 deploy=1 server=0.5 library=0.7 app=0.7 "
        "website=1 web_page=1 terraform=3 rate_limiter=3 keyerror=3 typeerror=3 segfault=3 "
        "null_pointer=3 stacktrace=3 loop=1.2 constraints=1 software_engineer=2 "
        "software_developer=2.5 coding_assistant=3 programmer=2.5 bash_script=4 the_build=2 "
        "the_tests_pass=3 cli=1.5 config=1 migration=0.5",
        "de": "funktion=2.5 skript=3 fehler=1.5 methode=1.2 klasse=1 tests=2 code=1.8 abfrage=2",
        "fr": "fonction=2.5 script=3 bogue=3 bug=3 code=1.8 requête_sql=4 classe=0.5 tests=2 "
        "erreur=1",
        "es": "función=2.5 código=2 script=3 error=1.5 consulta_sql=4 pruebas=1.5",
        "it": "funzione=2.5 coscript=3 errore=1.5 query=2",
        "pt": "função=2.5 código=2 script=3 erro=1.5 consulta_sql=4 testes=2",
        "nl": "functie=2.5 code=1.8 script=3 fout=1.5",
    },
    Category.MATHS: {
        "en": "squared=2.5 cubed=3 minus=2 discount=2 chances=1.5 marbles=2 interval=1 "
        "continuous=1.5 odds=2 how_many_more=2.5 how_much_money=2.5 how_many_hours=1.5 ratio=1.5 "
        "fraction=2 sequence=0.7 divided_by=3.5 multiplied_by=4 times_as=1.5 twice=0.7 half=0.5 "
        "total=0.7 profit=1.5 dollars=0.7 speed=0.5 digits=1.5 factorial=2 permutations=3 "
        "vector=1.5 eigenvalues=4 limit=1 mean_of=1 median=2 standard_deviation=3.5 sum=1 "
        "field_extension=4 group=0.3 subgroup=3 ring=0.5 polynomials=3.5 graph_of=1.5 slope=3 "
        "angle=2 volume=1 square_root_of=4 cost_before=2 area=1.5 equation=3 integral=3.5 "
        "derivative=3.5 theorem=1.5 prime=1 primes=3.5 probability=3 percent=1.5 percentage=1.5 "
        "square_root=3.5 sum_of=1 polynomial=3.5 matrix=2 triangle=2 radius=3 perimeter=3 "
        "circle=1.5 positive_integers=4 integers=1.5 real_numbers=3.5 for_all_real=4 modulo=2 "
        "divisible=3 remainder=2.5 with_respect_to=2.5 times=0.5 plus=1 how_many=1 how_much=0.7 "
        "altogether=1.5 in_total=1 half_as=1.5 twice_as=1 solve_for=3.5 ln=2.5 log=0.3 km_h=2 "
        "mph=2 proof=2 average=0.7 hypotenuse=4 arithmetic=1 cosine=3 logarithm=3.5 "
        "what_is_the_total=1.5 each=0.4 per=0.3 interest_rate=2 maths=2 math=2",
        "de": "gleichung=3.5 fläche=2 radius=3 prozent=2 wurzel=2.5 wahrscheinlichkeit=3 "
        "ableitung=3.5",
        "fr": "équation=3.5 divisé_par=4 multiplié_par=4 racine_carrée=3.5 probabilité=3 "
        "dérivée=3.5",
        "es": "ecuación=3.5 dividido=3 raíz_cuadrada=3.5 probabilidad=3 derivada=3.5 por_ciento=2",
        "it": "equazione=3.5 diviso=3 radice_quadrata=3.5 probabilità=3 derivata=3.5 quanto_fa=3",
        "pt": "equação=3.5 dividido=3 raiz_quadrada=3.5 probabilidade=3 derivada=3.5",
        "nl": "vergelijking=2 gedeeld=3 vierkantswortel=3.5 kans=2 afgeleide=3.5 procent=2",
    },
    Category.REASONING: {
        "en": "the_cause=2.5 causes=1.5 reasons=2 risks=1.5 long_run=1.5 carefully=1 worth=1 "
        "better_option=2.5 plan=1 benefits=1.5 effects_of=1.5 impact_of=2 "
        "relationship_between=2.5 importance=1.5 ethical=2 role_of=1 mean_by=1 concept=2 "
        "theory=1.5 pros_and_cons=4.5 trade_offs=3 tradeoffs=3 why=1 reason_for=1.5 argument=1.5 "
        "best_way=1.5 strategy=2.5 architecture=2.5 which_of_the_following=4.5 consequence=1.5 "
        "difference_between=3 instead_of=0.5 logic=2 puzzle=2.5 riddle=3 what_does_this_code=2.5 "
        "what_this=1 step_by_step=0.7 implications=2.5 advantages=2 disadvantages=2 "
        "would_you_choose=2.5 and_why=2 decision=1.5 root_cause=1.5 should=0.3 conclude=2 "
        "all_of=0.2 hypothesis=2 design_of=1 the_migration_of=1 how_it_works=2.5 "
        "how_this_works=2.5 best_describes=3 most_likely=2 multiple_choice=3 underlying=1 "
        "must_be_true=3",
        "de": "vor_und_nachteile=4.5 unterschied=2.5 warum=1.5 strategie=2.5 architektur=2.5",
        "fr": "avantages=2 inconvénients=3 différence=2 pourquoi=1.5 stratégie=2.5 "
        "architecture=2.5",
        "es": "ventajas=2 desventajas=3 diferencia=2 por_qué=1.5 estrategia=2.5 arquitectura=2.5",
        "it": "vantaggi=2 svantaggi=3 differenza=2 perché=1 strategia=2.5 architettura=2.5",
        "pt": "vantagens=2 desvantagens=3 diferença=2 por_que=1.5 estratégia=2.5 arquitetura=2.5",
        "nl": "voordelen=2 nadelen=3 verschil=2 waarom=1.5 strategie=2.5 architectuur=2.5",
    },
    Category.TRANSLATION: {
        "en": "french=2 into_french=4 to_french=4 german=2 into_german=4 to_german=4 spanish=2 "
        "into_spanish=4 to_spanish=4 italian=2 into_italian=4 to_italian=4 portuguese=2 "
        "into_portuguese=4 to_portuguese=4 dutch=2 into_dutch=4 to_dutch=4 english=2 "
        "into_english=4 to_english=4 japanese=2 into_japanese=4 to_japanese=4 chinese=2 "
        "into_chinese=4 to_chinese=4 polish=2 into_polish=4 to_polish=4 russian=2 into_russian=4 "
        "to_russian=4 korean=2 into_korean=4 to_korean=4 arabic=2 into_arabic=4 to_arabic=4 "
        "turkish=2 into_turkish=4 to_turkish=4 swedish=2 into_swedish=4 to_swedish=4 danish=2 "
        "into_danish=4 to_danish=4 norwegian=2 into_norwegian=4 to_norwegian=4 finnish=2 "
        "into_finnish=4 to_finnish=4 greek=2 into_greek=4 to_greek=4 hindi=2 into_hindi=4 "
        "to_hindi=4 ukrainian=2 into_ukrainian=4 to_ukrainian=4 czech=2 into_czech=4 to_czech=4 "
        "hungarian=2 into_hungarian=4 to_hungarian=4 latin=2 into_latin=4 to_latin=4 mandarin=2 "
        "into_mandarin=4 to_mandarin=4 mean_in=3 word_for=3.5 in_other_languages=2 "
        "translation=2.5 translator=4.5 english_version=3 bilingual=2",
        "de": "englisch=2 französisch=2 auf_französisch=3 auf_spanisch=3 auf_italienisch=3 "
        "spanisch=2 italienisch=2 ins_englische=4 ins_deutsche=4 ins_französische=4 "
        "ins_spanische=4 auf_englisch=3 auf_deutsch=2 übersetzung=4",
        "fr": "anglais=2 allemand=2 espagnol=2 italien=1.5 en_anglais=3 en_français=2 "
        "en_allemand=3 en_espagnol=3 traduction=4",
        "es": "inglés=2 alemán=2 francés=2 al_inglés=4 al_español=4 al_francés=4 al_alemán=4 "
        "traducción=4",
        "it": "inglese=2 tedesco=2 francese=2 in_inglese=3 in_italiano=2 in_francese=3 "
        "in_tedesco=3 traduzione=4",
        "pt": "inglês=2 alemão=2 francês=2 para_inglês=4 para_português=3 para_o_inglês=4 "
        "em_inglês=2 tradução=4",
        "nl": "engels=2 duits=2 frans=2 naar_het_nederlands=4 naar_het_engels=4 in_het_engels=3 "
        "vertaling=4",
    },
    Category.CHAT: {
        "en": "dinner=2 lunch=2 cook=2 wedding=1.5 brother=0.7 funny=1.5 real_person=3 email_to=2 "
        "letter=1.5 lyrics=3 dialogue=2 character=1 vacation=2 trip=1.5 itinerary=2 travel=1.5 "
        "music=1.5 game=1 football=2 hobby=2 invitation=2.5 dating=2 cat=0.5 dog=0.5 love=1 fun=1 "
        "poem=3.5 joke=4 story_about=2 song=2.5 birthday=2 recipe=2.5 novel=2 movie=2.5 film=2 "
        "book=0.7 capital_of=3 weather=2 love_letter=3 letter_to=1.5 toast=2 my_friend=1 "
        "haiku=3.5 limerick=3.5 how_are_you=4 gift=2 restaurant=1.5 favourite=2 favorite=2 "
        "that_s_great=3 roleplay=3 short_story=3 blog_post=2 essay=1.5 speech=1",
        "de": "gedicht=3.5 witz=4 hauptstadt=3 geburtstag=2 lied=2 rezept=2.5",
        "fr": "poème=3.5 blague=4 capitale=3 anniversaire=2 chanson=2.5 recette=2.5",
        "es": "poema=3.5 chiste=4 capital_de=3 cumpleaños=2 canción=2.5 receta=2.5",
        "it": "poesia=3.5 barzelletta=4 capitale=3 compleanno=2 canzone=2.5 ricetta=2.5",
        "pt": "poema=3.5 piada=4 capital=2 aniversário=2 canção=2.5 receita=2.5",
        "nl": "gedicht=3.5 grap=4 hoofdstad=3 verjaardag=2 liedje=2.5 recept=2.5",
    },
}
