"""Requests with the kind of work they ask for, to develop recognition on and to try it on.

What counts as what, where people could differ:

| asked | category | because |
|---|---|---|
| a docstring, comments, a README, a changelog, a commit message | documentation | text that stays with a project and tells of it |
| explain this regex, why is this slow, review this plan | reasoning | an explanation is for the asker, and wrong ones cost |
| what is the capital of France, write a birthday card | chat | plain facts, talk and free writing |
| pretty-print, CSV to JSON, sort, spelling, a politer tone | formatting | the same content, with another surface |
| a script that turns CSV into JSON, a SQL query, a regex | coding | what is wanted is code |
| this function to Rust; a review of code, tests, a bug | coding | the code is what changes or is judged |
| these words to French, comments of code to English | translation | between languages that people speak |
| a title, a headline, minutes, key points | summarising | shorter than what it is of |
| all dates in a text, an answer that stands in a text | extraction | what is asked for is in the material |
| which of these labels, yes or no about a text | classification | few answers are possible |
| a sum, an equation, a proof, a word problem | maths | the answer is calculated or proved |
| a choice to defend, a design, a puzzle, an exam question | reasoning | steps of thought are the work |
| anything, in the middle of tool results | agent_step | the agent goes on with what it began |

Difficulty is that of the work: simple is one known step on little material, what a small model on
this machine can be trusted with; hard has many conditions, proofs, concurrency, a design or several
files. Code that has to be written or mended is never simple, the name of a command or a call is; a
summary of more than a few sentences is not, a title is.
"""

# ruff: noqa: E501 - a row is a request

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rung.core.parts import Message, Role, Text, Tool, ToolCall, ToolResult
from rung.core.tasks import Category, Difficulty
from rung.core.types import Request, SchemaRequest

DOC, FMT, SUM, EXT, CLS = (
    Category.DOCUMENTATION,
    Category.FORMATTING,
    Category.SUMMARISING,
    Category.EXTRACTION,
    Category.CLASSIFICATION,
)
COD, MAT, REA, TRA, CHA, STEP = (
    Category.CODING,
    Category.MATHS,
    Category.REASONING,
    Category.TRANSLATION,
    Category.CHAT,
    Category.AGENT_STEP,
)
S, M, H = Difficulty.SIMPLE, Difficulty.MODERATE, Difficulty.HARD


@dataclass(frozen=True)
class Prompt:
    """What a user says, and what it is. ``system`` and ``schema`` are the application's."""

    category: Category
    difficulty: Difficulty
    text: str
    system: str = ""
    schema: Mapping[str, Any] | None = None
    agent: bool = False
    results: tuple[str, ...] = ()

    @property
    def request(self) -> Request:
        """The request that it makes."""
        system = (Message(Role.SYSTEM, (Text(self.system),)),) if self.system else ()
        agent = self.agent or bool(self.results)
        return Request(
            id="r",
            dialect="chat",
            messages=(*system, Message(Role.USER, (Text(self.text),)), *_rounds(self.results)),
            schema=None if self.schema is None else SchemaRequest(self.schema),
            tools=(BASH, READ) if agent else (),
        )


def _rounds(results: tuple[str, ...]) -> tuple[Message, ...]:
    said: list[Message] = []
    for number, result in enumerate(results):
        call = ToolCall(f"call_{number}", "bash", '{"command": "make test"}')
        said += (
            Message(Role.ASSISTANT, (call,)),
            Message(Role.TOOL, (ToolResult(call.id, (Text(result),)),)),
        )
    return tuple(said)


BASH = Tool(
    "bash", "Run a command.", b'{"type":"object","properties":{"command":{"type":"string"}}}'
)
READ = Tool("read", "Read a file.", b'{"type":"object","properties":{"path":{"type":"string"}}}')

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}
INVOICE = {
    "type": "object",
    "properties": {
        "number": {"type": "string"},
        "lines": {
            "type": "array",
            "items": {"type": "object", "properties": {"item": {"type": "string"}}},
        },
    },
}
LABEL = {
    "type": "object",
    "properties": {"label": {"type": "string", "enum": ["billing", "bug", "praise"]}},
}
SPAM = {"type": "object", "properties": {"spam": {"type": "boolean"}}}

STORY = (
    "The town council met on Tuesday and argued until midnight about the bridge. Repairs would "
    "cost 2.4 million, said Mayor Lindqvist, and the traffic would have to go through the old "
    "market for eight months. Shop owners were against it. Engineers warned that the northern "
    "pier has moved eleven centimetres since 1998 and that lorries should be kept off at once. "
    "The vote was put off until the second of May, when the report of the harbour office is due."
)
ADDER = "def add(a, b):\n    return a + b"
RACE = (
    "class Pool:\n    def get(self):\n        if self.free:\n            return self.free.pop()\n"
    "        conn = self.open()\n        self.used.append(conn)\n        return conn"
)
TRACE = (
    'Traceback (most recent call last):\n  File "app.py", line 7, in <module>\n    main()\n'
    '  File "app.py", line 4, in main\n    return rows[0]["id"]\nTypeError: string indices must '
    "be integers, not 'str'"
)


def fenced(code: str, language: str = "python") -> str:
    """``code`` as people paste it."""
    return f"```{language}\n{code}\n```"


# fmt: off
DEVELOPMENT: tuple[Prompt, ...] = (
    Prompt(DOC, S, f"Write a docstring for this function:\n\n{fenced(ADDER)}"),
    Prompt(DOC, S, f"Add comments to this code\n\n{fenced(RACE)}"),
    Prompt(DOC, S, "Write a commit message for this diff:\n\n```diff\n-retries = 2\n+retries = 3\n```" ),
    Prompt(DOC, M, "Write a README for my command-line tool that renames photos by the date they were taken."),
    Prompt(DOC, S, "document the public methods of UserService", agent=True),
    Prompt(DOC, M, "Update the docs in docs/configuration.md: the new key retries is missing there", agent=True),
    Prompt(DOC, S, "Draft release notes for version 2.3: faster start, dark mode, fixed crash on login" ),
    Prompt(DOC, S, "Can you write the PR description for these changes? We moved the retry loop into the client and deleted the old one."),
    Prompt(DOC, S, f"Schreibe einen Docstring für diese Funktion:\n{fenced(ADDER)}"),
    Prompt(DOC, S, f"Ajoute des commentaires à cette fonction s'il te plaît\n{fenced(ADDER)}"),
    Prompt(FMT, S, "Format this SQL:\n\nselect a,b from t join u on t.id=u.id where a>3 order by b" ),
    Prompt(FMT, S, 'Pretty-print this JSON: {"a":1,"b":[1,2,3],"c":{"d":null}}'),
    Prompt(FMT, S, "Convert this CSV to JSON:\n\nname,age\nAda,36\nAlan,41"),
    Prompt(FMT, S, "Turn these notes into a markdown table: Ada 36 London, Alan 41 Wilmslow, Grace 85 Arlington"),
    Prompt(FMT, S, "Fix the spelling and grammar: i has went too the stor yesterday and buyed milk" ),
    Prompt(FMT, S, "Sort this list alphabetically: pear, apple, fig, quince, banana"),
    Prompt(FMT, S, "Make this email sound more polite: Send me the report today. You are late again." ),
    Prompt(FMT, S, f"fix the indentation\n\n{fenced('def f():' + chr(10) + '  x=1' + chr(10) + '      return x')}"),
    Prompt(FMT, S, 'Formatiere dieses JSON: {"a":1,"b":[2,3]}'),
    Prompt(FMT, S, "Corrige l'orthographe de ce texte : je suis aller au marché hier et j'ai acheter des pomme"),
    Prompt(SUM, M, f"Summarise this article in two sentences.\n\n{STORY}"),
    Prompt(SUM, M, f"{STORY}\n\ntl;dr please"),
    Prompt(SUM, M, f"What are the key points of the following text?\n\n{STORY}"),
    Prompt(SUM, S, 'Generate a title for this conversation:\n\n"My dishwasher leaks from below after ten minutes, what can it be?"'),
    Prompt(SUM, M, f"Write minutes of this meeting with decisions and open points, at most 150 words:\n\n{STORY}\n\n{STORY}"),
    Prompt(SUM, M, f"Fasse den folgenden Text in drei Sätzen zusammen:\n\n{STORY}"),
    Prompt(SUM, M, f"Résume cet article en trois phrases :\n\n{STORY}"),
    Prompt(SUM, M, f"Resume el siguiente texto en una frase: {STORY}"),
    Prompt(SUM, M, f"{STORY}", system="You summarise news articles in one sentence."),
    Prompt(EXT, S, f"Extract all dates and amounts of money from this text:\n\n{STORY}"),
    Prompt(EXT, S, "Ada Lovelace was 36 when she died.", schema=PERSON),
    Prompt(EXT, S, "List every email address in the text below.\n\nWrite to ada@example.org or, if she is away, to alan@example.org."),
    Prompt(EXT, S, f"According to the passage, who warned about the northern pier?\n\n{STORY}"),
    Prompt(EXT, M, "Get the invoice number, the due date and every line with its quantity, unit price and tax from this invoice:\n\nInvoice 2231, due 1 March. 3 x bolts at 0.20, 19% tax. 1 x hammer at 12.00, 7% tax.", schema=INVOICE),
    Prompt(EXT, S, "Pull out the names of all people mentioned: Anna met Bert and Carla in Rome."),
    Prompt(EXT, S, "Extrahiere alle Telefonnummern aus diesem Text: Büro 030 1234, mobil 0171 555"),
    Prompt(EXT, S, "Estrai i nomi delle città dal testo: siamo andati da Roma a Milano e poi a Torino" ),
    Prompt(CLS, S, "Is this email spam? Answer yes or no.\n\nDear friend, you have won ten million dollars, send us your bank details."),
    Prompt(CLS, S, "Classify the sentiment of this review as positive, negative or neutral: The battery dies after an hour."),
    Prompt(CLS, S, "The app crashes whenever I open the settings", schema=LABEL),
    Prompt(CLS, S, "You have won! Click here to claim your prize", schema=SPAM),
    Prompt(CLS, S, "Which category does this ticket belong to: billing, technical or account?\n\nI was charged twice in May."),
    Prompt(CLS, S, "My card was declined", system="Label each support message with one of: billing, login, other. Reply with the label only."),
    Prompt(CLS, S, "Klassifiziere diese Nachricht als dringend oder nicht dringend: Der Server ist seit einer Stunde aus."),
    Prompt(CLS, S, "Decide whether the following comment is toxic or not: you people are the worst" ),
    Prompt(COD, M, "Write a Python function that reverses a string"),
    Prompt(COD, M, f"Fix the bug in this function\n\n{fenced(RACE)}"),
    Prompt(COD, M, f"Translate this function to Rust:\n\n{fenced(ADDER)}"),
    Prompt(COD, M, "Write a SQL query that returns the three best customers of each month by revenue" ),
    Prompt(COD, H, "Debug this race condition: two workers sometimes take the same connection from the pool.\n\n" + fenced(RACE)),
    Prompt(COD, M, "Write unit tests for the date parser in src/dates.py", agent=True),
    Prompt(COD, S, "rename the variable foo to total in billing.py", agent=True),
    Prompt(COD, M, "the login page shows a blank screen after the last deploy, please fix", agent=True ),
    Prompt(COD, H, "Refactor the billing module: split invoice.py, tax.py and ledger.py into a package, keep the public API, add type hints, keep all tests green and do not touch the migrations.", agent=True),
    Prompt(COD, H, "Implement a lock-free queue in C++ for many producers and many consumers, with no ABA problem and a proof that it is linearizable."),
    Prompt(COD, M, "regex for a UK postcode"),
    Prompt(COD, M, "How do I read a file line by line in Go?"),
    Prompt(COD, M, TRACE),
    Prompt(COD, M, f"I get this error, what's wrong?\n\n{fenced(TRACE, '')}"),
    Prompt(COD, M, "Write a script that extracts all links from a web page and saves them as CSV"),
    Prompt(COD, M, "add a --json flag to the export command", agent=True),
    Prompt(COD, M, f"Review this code for security problems\n{fenced(RACE)}"),
    Prompt(COD, M, f"Behebe den Fehler in dieser Funktion:\n{fenced(RACE)}"),
    Prompt(COD, M, "Écris une fonction Python qui vérifie si un nombre est premier"),
    Prompt(COD, M, "Escribe una función en JavaScript que invierta una cadena"),
    Prompt(COD, M, "Schrijf een functie die twee gesorteerde lijsten samenvoegt"),
    Prompt(COD, H, "Build a rate limiter service in Go with Redis: sliding window, per-key limits, graceful degradation when Redis is down, metrics, integration tests and a Helm chart."),
    Prompt(COD, S, "git command to undo the last commit but keep the changes"),
    Prompt(MAT, S, "what is 17*23"),
    Prompt(MAT, S, "What is 15% of 240?"),
    Prompt(MAT, S, "Solve for x: 3x + 7 = 22"),
    Prompt(MAT, M, "Natalia sold 48 clips in April and half as many in May. How many clips did she sell altogether?"),
    Prompt(MAT, H, "Prove that there are infinitely many primes of the form 4k+3."),
    Prompt(MAT, H, "Find all functions f: R -> R such that f(x^2 + y) = f(x)^2 + f(y) for all real x, y."),
    Prompt(MAT, M, "Compute the integral of x^2 e^x dx"),
    Prompt(MAT, M, "A train leaves at 9:00 at 80 km/h and another at 10:00 at 120 km/h on the same track. When does the second catch up with the first?"),
    Prompt(MAT, S, "Berechne die Fläche eines Kreises mit Radius 5"),
    Prompt(MAT, S, "Combien font 125 divisé par 5 ?"),
    Prompt(REA, M, "Why is the sky blue but sunsets red?"),
    Prompt(REA, M, f"Explain this regex: {chr(96)}^(?=.*[A-Z]).{{8,}}${chr(96)}"),
    Prompt(REA, M, f"What does this code do?\n\n{fenced(RACE)}"),
    Prompt(REA, M, "Compare PostgreSQL and MongoDB for a small shop with many reports. Which one would you choose and why?"),
    Prompt(REA, H, "Design the architecture of a payment system for 40 countries: consistency, failover, audits, data residency. Discuss the trade-offs."),
    Prompt(REA, M, "Three boxes are labelled apples, oranges and mixed, and every label is wrong. You may draw one fruit from one box. How do you find out what is in each?"),
    Prompt(REA, M, "Which of the following is a consequence of Gödel's theorem?\nA) Arithmetic is inconsistent\nB) Some true statements cannot be proved\nC) All sets are countable\nD) None"),
    Prompt(REA, M, "What are the pros and cons of buying a house instead of renting?"),
    Prompt(REA, M, "Should I use threads or asyncio for a crawler that fetches 10,000 pages?"),
    Prompt(REA, M, "Erkläre mir, warum Eis auf Wasser schwimmt"),
    Prompt(REA, M, "Explique pourquoi le ciel est bleu"),
    Prompt(TRA, S, "Translate to French: Where is the railway station?"),
    Prompt(TRA, S, 'How do you say "I am hungry" in Japanese?'),
    Prompt(TRA, S, "Übersetze ins Englische: Der Zug hat Verspätung."),
    Prompt(TRA, S, "Traduis en anglais : le chat dort sur le canapé"),
    Prompt(TRA, S, "Traduce al inglés: mañana no puedo venir"),
    Prompt(TRA, S, "Good morning, is breakfast included?", system="Translate everything the user writes into German."),
    Prompt(TRA, M, f"Translate the following article into Spanish. Keep names as they are.\n\n{STORY}\n\n{STORY}"),
    Prompt(TRA, S, "Vertaal naar het Nederlands: the meeting has been moved to Friday"),
    Prompt(CHA, S, "hi"),
    Prompt(CHA, S, "Hello! How are you today?"),
    Prompt(CHA, S, "thanks, that's great"),
    Prompt(CHA, S, "What is the capital of France?"),
    Prompt(CHA, M, "Write a short poem about autumn for my grandmother"),
    Prompt(CHA, S, "Tell me a joke"),
    Prompt(CHA, S, "Guten Morgen!"),
    Prompt(CHA, S, "Say hello", agent=True),
    Prompt(CHA, S, "recommend me a good crime novel"),
    Prompt(STEP, M, "Fix the failing test", results=("1 failed, 41 passed",)),
    Prompt(STEP, S, "what is in notes.txt", results=("milk, eggs",)),
    Prompt(STEP, M, "Write a README", results=("src tests pyproject.toml", "def main(): ...")),
    Prompt(DOC, S, f"can u add jsdoc to this\n{fenced('export const area = (w, h) => w * h;', 'js')}" ),
    Prompt(DOC, M, "The setup section of our README is out of date, bring it in line with the Makefile", agent=True),
    Prompt(DOC, S, "What would be a good commit message for: moved the mail templates out of the code and into a folder"),
    Prompt(DOC, M, "write an ADR about why we chose SQLite over Postgres", agent=True),
    Prompt(DOC, S, "Explain in a comment above each field what it is for\n\n" + fenced("class Limits:\n    soft: int\n    hard: int")),
    Prompt(FMT, S, 'my json is all on one line, can you make it readable? {"x":[1,2],"y":{"z":true}}' ),
    Prompt(FMT, S, "Change these dates to ISO 8601: 3/4/2021, 12 May 1999, Jan 5th 2020"),
    Prompt(FMT, S, "remove duplicate lines from this list: ann, bob, ann, cy, bob"),
    Prompt(FMT, S, "Check my grammar please. Yesterday I goes to school and she don't like it."),
    Prompt(FMT, S, "rewrite this in a friendlier tone: Your application is rejected."),
    Prompt(SUM, M, f"what is this article about, briefly?\n\n{STORY}"),
    Prompt(SUM, M, f"I missed the meeting. Here is the transcript, tell me what was decided and who has to do what.\n\n{STORY}\n\n{STORY}"),
    Prompt(SUM, S, "Make this shorter: We would like to inform all of our valued customers that, owing to works on the line, there will be no trains at the weekend."),
    Prompt(SUM, M, f"Gib mir die wichtigsten Punkte aus diesem Bericht\n\n{STORY}"),
    Prompt(SUM, S, "Name this chat in at most five words.\n\nUser: my basil keeps dying\nAssistant: how often do you water it?"),
    Prompt(EXT, S, f"how much would the repairs cost?\n\n{STORY}"),
    Prompt(EXT, S, "Please give me just the URLs from this: see https://example.org/a and also http://example.com/b?c=1 for more"),
    Prompt(EXT, S, "From the CV below, fill in: name, last employer, years of experience.\n\nMaria Silva, at Acme since 2012, before that ten years at Initech."),
    Prompt(EXT, S, "Kim, 52, lives in Busan", system="You are a data entry clerk. Read the sentence and fill in the record.", schema=PERSON),
    Prompt(EXT, S, "Welche Firmen werden in diesem Text genannt?\n\nSiemens und Bosch haben gestern einen Vertrag mit der Bahn unterschrieben."),
    Prompt(CLS, S, 'is this review fake or genuine? "Best product ever, changed my life, buy now!!!"' ),
    Prompt(CLS, S, "Sort these tickets into 'hardware', 'software' and 'other': printer jams; excel will not open; lost my badge"),
    Prompt(CLS, S, "What language is this written in: Ég tala ekki íslensku"),
    Prompt(CLS, S, "On a scale from 1 to 5, how angry is this customer? I have been waiting for two hours!"),
    Prompt(CLS, S, "C'est du spam ou pas ? Gagnez un iPhone maintenant"),
    Prompt(COD, M, "how to flatten a nested list in python"),
    Prompt(COD, M, "npm run build fails with ELIFECYCLE since yesterday", agent=True),
    Prompt(COD, M, "I want the sidebar to collapse when the window is narrower than 600px", agent=True ),
    Prompt(COD, M, f"is there anything wrong with this?\n\n{fenced(RACE)}"),
    Prompt(COD, M, "we should cache the results of get_user for a minute", agent=True),
    Prompt(COD, H, "Make the importer ten times faster. It reads 4 GB of XML, must not use more than 500 MB, has to survive broken records, and the order of rows has to stay the same.", agent=True),
    Prompt(COD, M, "excel formula to sum column B where column A is 'paid'"),
    Prompt(COD, M, "Mach aus dieser Klasse ein Dataclass und ergänze Typen\n\n" + fenced("class P:\n    def __init__(self, a):\n        self.a = a")),
    Prompt(MAT, S, "12 squared minus 44"),
    Prompt(MAT, M, "A shirt costs $40 after a 20% discount. What did it cost before?"),
    Prompt(MAT, M, "I have 3 red and 5 blue marbles and draw two of them. What are the chances both are blue?"),
    Prompt(MAT, H, "Prove or disprove: every continuous function on a closed interval is uniformly continuous."),
    Prompt(MAT, S, "Was ist die Wurzel aus 196?"),
    Prompt(REA, M, "My sourdough never rises although the starter bubbles. What could be the cause?" ),
    Prompt(REA, M, "Is it cheaper in the long run to lease or to buy an electric car if I drive 8000 km a year? Give reasons."),
    Prompt(REA, M, "what's the difference between a mutex and a semaphore"),
    Prompt(REA, M, "If all of Anna's sisters have the same number of brothers as Anna has, could Anna be an only child? Think carefully."),
    Prompt(REA, H, "We have 6 weeks, 4 engineers and a hard legal deadline. Propose a plan to move our customer data out of the US, list the risks and say what you would drop first."),
    Prompt(TRA, S, "what does 'Feierabend' mean in English"),
    Prompt(TRA, S, "English to Polish: where can I buy a ticket?"),
    Prompt(TRA, S, "I need this sentence in Spanish and Portuguese: The store closes at nine."),
    Prompt(TRA, S, "Kannst du das bitte auf Französisch schreiben: Ich komme morgen später."),
    Prompt(CHA, S, "lol ok"),
    Prompt(CHA, S, "what should I cook for dinner, I have eggs and spinach"),
    Prompt(CHA, M, "Write a toast for my brother's wedding, funny but warm"),
    Prompt(CHA, S, "When did the Berlin Wall fall?"),
    Prompt(CHA, S, "Are you a real person?"),
    Prompt(CHA, S, "¿Cuál es el río más largo de América?"),
    Prompt(STEP, M, "Please document the API", results=("routes.py", "def users(): ...")),
)
# fmt: on

# fmt: off
HELD_OUT: tuple[Prompt, ...] = (
    Prompt(DOC, S, f"This needs a proper doc comment, javadoc style please.\n\n{fenced('int add(int a, int b) { return a + b; }', 'java')}"),
    Prompt(DOC, M, "We need an API reference page for the three endpoints in routes.py", agent=True ),
    Prompt(DOC, S, "git diff is below, give me a one line commit subject\n\n```diff\n-timeout=5\n+timeout=30\n```"),
    Prompt(DOC, M, "Write an onboarding guide for new developers of this repository", agent=True),
    Prompt(DOC, S, "Add an entry to CHANGELOG.md for the new export button", agent=True),
    Prompt(FMT, S, 'Reformat the following as YAML:\n\n{"port": 80, "hosts": ["a", "b"]}'),
    Prompt(FMT, S, "Please put these references in APA style: Smith J, 2019, On Bees, Nature"),
    Prompt(FMT, S, "proofread: Their going to there house over they're"),
    Prompt(FMT, S, "capitalize every heading in this document\n\n# on bees\n\n## where they live"),
    Prompt(FMT, S, "Wandle diese Liste in eine Tabelle um: Apfel 2, Birne 5, Pflaume 9"),
    Prompt(SUM, M, f"Give me the gist of this:\n\n{STORY}"),
    Prompt(SUM, M, f"Condense the report below to a single paragraph for the board.\n\n{STORY}"),
    Prompt(SUM, S, f"Suggest a headline for this story. {STORY}"),
    Prompt(SUM, M, f"Riassumi questo testo in due frasi:\n\n{STORY}"),
    Prompt(SUM, M, f"Vat deze tekst samen: {STORY}"),
    Prompt(EXT, S, f"Which people and organisations are named here?\n\n{STORY}"),
    Prompt(EXT, S, "Find the order number in this message: Hello, my parcel DE-4471-X has not arrived." ),
    Prompt(EXT, S, "Grace Hopper, born 1906, rear admiral", system="Return the person's data as JSON.", schema=PERSON),
    Prompt(EXT, S, "Return a JSON object with the fields name, street and city: I am Bo Ek and live at Storgatan 4 in Umeå."),
    Prompt(EXT, S, "Extrae los nombres y las fechas del siguiente texto: Juan nació el 3 de mayo de 1990 en Lima."),
    Prompt(CLS, S, "Positive or negative? 'I would not wish this hotel on my enemies.'"),
    Prompt(CLS, S, "Does this tweet contain hate speech? Reply with true or false.\n\nI love Mondays" ),
    Prompt(CLS, S, "Tag this bug report with a priority from P0 to P3: the checkout button does nothing"),
    Prompt(CLS, S, "Where is my refund? It has been three weeks.", schema=LABEL),
    Prompt(CLS, S, "Classe ce message comme urgent ou non urgent : le serveur est en panne"),
    Prompt(COD, M, "create a bash one-liner that counts the lines of all .py files"),
    Prompt(COD, M, "Why does this throw a KeyError and how can I fix it?\n\n```python\nd = {}\nprint(d['a'])\n```"),
    Prompt(COD, M, "port the parser from JavaScript to Go", agent=True),
    Prompt(COD, M, "make the tests pass", agent=True),
    Prompt(COD, H, "Our service deadlocks under load about once a day. Find out why and fix it without changing the public interface; the code is in pool.py, worker.py and scheduler.py.", agent=True),
    Prompt(COD, M, "Write a CSS rule that centers a div"),
    Prompt(COD, M, "Given a string s, return the length of the longest substring without repeating characters. Constraints: 0 <= s.length <= 50000"),
    Prompt(COD, H, "Write a distributed key-value store in Rust with Raft, snapshots, membership changes and a fault-injection test harness"),
    Prompt(COD, M, "Scrivi una funzione che calcola il massimo comune divisore in Python"),
    Prompt(COD, M, "Convert this class component to hooks\n\n```jsx\nclass A extends React.Component { render() { return <p>{this.props.a}</p> } }\n```"),
    Prompt(MAT, S, "144 / 12 + 7 = ?"),
    Prompt(MAT, M, "If 5 machines make 5 widgets in 5 minutes, how long do 100 machines need for 100 widgets?"),
    Prompt(MAT, M, "Differentiate ln(x^2 + 1) with respect to x"),
    Prompt(MAT, H, "Let a, b, c be positive reals with abc = 1. Show that a^2 + b^2 + c^2 >= a + b + c."),
    Prompt(MAT, S, "Quanto fa il 20% di 350?"),
    Prompt(MAT, M, "What's the probability of rolling at least one six in four throws of a die?"),
    Prompt(REA, M, "How does a heat pump work in winter?"),
    Prompt(REA, M, "walk me through what this query does\n\n```sql\nselect count(*) over (partition by a) from t\n```"),
    Prompt(REA, H, "Plan the migration of a monolith with 300 tables to services without downtime; consider teams, data ownership, rollback and compliance."),
    Prompt(REA, M, "All bloops are razzies and some razzies are lazzies. Are some bloops lazzies?"),
    Prompt(REA, M, "What would happen to tides if the moon were twice as heavy?"),
    Prompt(REA, M, "¿Por qué flotan los barcos de acero?"),
    Prompt(TRA, S, "what's the Italian word for butterfly"),
    Prompt(TRA, S, "Put this into German please: The invoice is overdue."),
    Prompt(TRA, S, "Traduza para inglês: a reunião foi adiada para sexta-feira"),
    Prompt(TRA, S, "Bonjour, je voudrais réserver une table pour deux", system="You are a translator. Output the English version of the input only."),
    Prompt(CHA, S, "good evening :)"),
    Prompt(CHA, S, "who won the world cup in 1998"),
    Prompt(CHA, M, "Write a cover letter for a job as a gardener"),
    Prompt(CHA, S, "I feel a bit lonely tonight"),
    Prompt(CHA, S, "Wie heißt die Hauptstadt von Norwegen?"),
    Prompt(STEP, M, "Find the slow query and speed it up", results=("EXPLAIN: Seq Scan on orders", "42 rows")),
    Prompt(STEP, S, "Translate README.md to German", results=("# Hello",)),
)
# fmt: on
"""Written before the cues were, by who wrote the cues too and saw what they missed: a rosy figure."""

# fmt: off
UNSEEN: tuple[Prompt, ...] = (
    Prompt(DOC, S, f"Describe the parameters of this function in numpydoc format.\n\n{fenced(ADDER)}" ),
    Prompt(DOC, M, "the contributing guidelines don't mention how to run the linter, please add that", agent=True),
    Prompt(DOC, S, "Turn these merged PRs into a changelog: #12 dark mode, #15 fix login loop, #19 drop Python 3.8"),
    Prompt(DOC, M, "Write a troubleshooting page for people who cannot connect to our VPN"),
    Prompt(FMT, S, "add commas to these numbers: 1234567, 89012345, 6789"),
    Prompt(FMT, S, "Make a table out of this: red 3, green 5, blue 9"),
    Prompt(FMT, S, "put each sentence on its own line. I came. I saw. I conquered."),
    Prompt(FMT, S, "Bitte überprüfe die Kommasetzung: Ich glaube dass er kommt wenn es regnet"),
    Prompt(FMT, S, "change 'colour' to American spelling throughout: The colour of the harbour at dawn" ),
    Prompt(SUM, M, f"in plain words and not more than 30 of them, what happened here?\n\n{STORY}"),
    Prompt(SUM, M, f"Write a tweet-sized version of this press release.\n\n{STORY}"),
    Prompt(SUM, M, f"{STORY}\n\nSum that up for a ten-year-old."),
    Prompt(SUM, M, f"¿De qué trata este artículo?\n\n{STORY}"),
    Prompt(EXT, S, f"what date was the vote put off to?\n\n{STORY}"),
    Prompt(EXT, S, "I need the tracking codes only: Your parcels 1Z999 and 1Z888 have left our depot, the third one (1Z777) follows."),
    Prompt(EXT, S, "Read this receipt and tell me the shop, the total and the VAT.\n\nLIDL 12.03. milk 1.09 bread 2.49 total 3.58 VAT 0.23"),
    Prompt(EXT, S, "Quels sont les noms propres dans ce texte ? Marie et Paul sont partis à Lyon."),
    Prompt(CLS, S, "Would you call this headline clickbait? You will not believe what this dog did" ),
    Prompt(CLS, S, "Assign a topic (sports, politics, science) to: The probe has landed on the far side of the moon."),
    Prompt(CLS, S, "happy, sad or angry? They cancelled my flight again!!"),
    Prompt(CLS, S, "Answer PASS or FAIL: does the reply below mention a refund?\n\nWe are sorry and will send a new one."),
    Prompt(CLS, S, "Ist dieser Kommentar beleidigend? Du hast doch keine Ahnung."),
    Prompt(COD, S, "print hello world in java"),
    Prompt(COD, M, "The dropdown closes as soon as I move the mouse, it should stay open", agent=True ),
    Prompt(COD, M, f"speed this up\n\n{fenced('for a in x:' + chr(10) + '    for b in y:' + chr(10) + '        if a == b: n += 1')}"),
    Prompt(COD, M, "users with an apostrophe in their name cannot register", agent=True),
    Prompt(COD, M, "Read two integers from standard input and print their greatest common divisor. Time limit: 1 second."),
    Prompt(COD, H, "Two users can book the same seat when they click at the same moment. Close that hole in booking.py, seats.py and payments.py, also across several servers, and add a test that would have shown it.", agent=True),
    Prompt(COD, M, "Comment trier un dictionnaire par valeur en Python ?"),
    Prompt(MAT, S, "whats 3/8 as a decimal"),
    Prompt(MAT, M, "Tom is twice as old as Ann was when Tom was as old as Ann is now. Together they are 63. How old is Tom?"),
    Prompt(MAT, S, "convert 72 fahrenheit to celsius"),
    Prompt(MAT, H, "Determine all pairs (m, n) of integers with m^3 - n^2 = 2 and justify your answer rigorously."),
    Prompt(MAT, M, "Interest is 4% a year, compounded monthly. What do 2000 euros become in 6 years?" ),
    Prompt(REA, M, "my cat suddenly drinks much more water than before, what might be behind that?" ),
    Prompt(REA, M, "Why did the Roman Republic turn into an empire?"),
    Prompt(REA, M, "You have a 3 litre and a 5 litre jug. How can you measure exactly 4 litres?"),
    Prompt(REA, M, f"I don't get what happens in the second line\n\n{fenced('xs = [1, 2, 3]' + chr(10) + 'ys = [*xs, *xs[::-1]]')}"),
    Prompt(REA, H, "Sketch how you would build a chat service for 50 million users: delivery guarantees, storage, presence, end-to-end encryption, cost. Where are the weak points?"),
    Prompt(TRA, S, "how would a native speaker say 'I look forward to it' in Swedish?"),
    Prompt(TRA, S, "deutsch bitte: The delivery will arrive tomorrow between 8 and 10."),
    Prompt(TRA, S, "Give me the Dutch for: keep off the grass"),
    Prompt(TRA, S, "Come si dice 'buon viaggio' in tedesco?"),
    Prompt(CHA, S, "what's up"),
    Prompt(CHA, S, "How tall is Mount Everest?"),
    Prompt(CHA, S, "Got any tips for a first date?"),
    Prompt(CHA, M, "Write a bedtime story with a dragon and a lighthouse"),
    Prompt(CHA, S, "muchas gracias, hasta mañana"),
    Prompt(STEP, M, "users cannot register, look into it", results=("register.py", "UniqueViolation") ),
)
# fmt: on
"""Written to avoid the obvious words. Their misses were seen, and their kinds added to the corpus."""
