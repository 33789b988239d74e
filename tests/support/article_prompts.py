"""Requests with the tier that the preset `articles` should start them at.

By the author of the corpus that the weights are fitted on, and kept out of it. The one miss was seen,
and requests of its kind were added. ``SURE`` are
those that everybody would send to the same tier; they have to go there.
"""

# ruff: noqa: E501 - a row is a request

from __future__ import annotations

# fmt: off
SURE: tuple[tuple[str, str], ...] = (
    ("local", "Write a docstring for this function:\n\n```python\ndef area(r):\n    return 3.14159 * r * r\n```"),
    ("local", "Write a README for my photo sorting tool"),
    ("local", 'Format this JSON: {"a":1,"b":[1,2]}'),
    ("local", "What is the capital of Finland?"),
    ("local", "hello there"),
    ("workhorse", "Implement a trie with insert and search in Python"),
    ("workhorse", "My function returns None and I can't see why\n\n```python\ndef f(x):\n    x + 1\n```"),
    ("workhorse", "Refactor this class and add unit tests\n\n```java\nclass A { int x; int y; void go() { x++; y++; } }\n```"),
    ("cheap", "Compare leasing and buying a car for a small firm and explain which is better in the long run"),
    ("cheap", "Why did the Soviet Union collapse? Discuss three causes."),
)

OTHERS: tuple[tuple[str, str], ...] = (
    ("local", "Add a changelog entry: search is faster, two crashes fixed"),
    ("local", "commit message for a change that raises the timeout to 30 seconds"),
    ("local", "Write the installation section of our docs for Debian and Fedora"),
    ("local", "comment each line of this\n\n```js\nconst even = xs.filter(x => x % 2 === 0);\n```"),
    ("local", "Write a user guide for our time tracking app, chapters for login, entry of hours and reports"),
    ("local", "API reference for GET /books and POST /books please"),
    ("local", "Put these into a Markdown table: tea 2.10, coffee 2.80, water 1.50"),
    ("local", "Sort alphabetically: walnut, oak, birch, elm"),
    ("local", "fix the grammar: she don't has any money left"),
    ("local", 'Convert to YAML: {"name": "web", "port": 80}'),
    ("local", "Rewrite this in a more polite tone: Where is my money?"),
    ("local", "Turn this text into bullet points: We open at nine. We close at five. On Sundays we are closed."),
    ("local", "make all of this lower case: SALE ENDS ON FRIDAY"),
    ("local", "What does GDP stand for?"),
    ("local", "who wrote Moby Dick"),
    ("local", "When did the Titanic sink?"),
    ("local", "thank you so much!"),
    ("local", "What is 12 times 14?"),
    ("local", "Convert 3 kilometres to miles"),
    ("local", 'How do you say "good night" in Swedish?'),
    ("local", "Is this review positive or negative? The soup was cold and the waiter rude."),
    ("local", "Extract the email address: you can reach me at kim@example.org after six"),
    ("local", "synonym for quick"),
    ("local", "tell me a joke about cats"),
    ("local", "Is this mail spam, yes or no? You have inherited 4 million, reply with your bank details."),
    ("workhorse", "Write a SQL query that lists the five most sold products per country"),
    ("workhorse", "regex that matches hex colours"),
    ("workhorse", "Why does my while loop never end?"),
    ("workhorse", "TypeError: unsupported operand type(s) for +: 'int' and 'str'"),
    ("workhorse", "Build a REST endpoint in Express that stores a comment in MongoDB"),
    ("workhorse", "how do I make a sticky header with css"),
    ("workhorse", "Write a bash script that deletes logs older than a week"),
    ("workhorse", "Convert this function to TypeScript\n\n```js\nfunction add(a, b) { return a + b; }\n```"),
    ("workhorse", "Write a Dockerfile for a Django app with Postgres"),
    ("workhorse", "Debug this: the second thread never wakes up\n\n```python\nimport threading\ncond = threading.Condition()\n```"),
    ("workhorse", "Write unit tests for a function that parses ISO dates"),
    ("workhorse", "Optimise this pandas code, it takes ten minutes for a million rows"),
    ("workhorse", "Write a Rust program that counts words in a file"),
    ("workhorse", "Schreibe eine Funktion in Java, die eine Liste umdreht"),
    ("workhorse", "my react component renders twice and the state is old, how do I fix that"),
    ("cheap", "Explain how a heat pump works and when it is a bad idea"),
    ("cheap", "A shop sells 240 apples in bags of 8 at 3.20 each and throws away 5 bags. How much does it earn after paying 45 for the stall?"),
    ("cheap", "Write a short story about a clockmaker who loses track of time, about 500 words"),
    ("cheap", "Plan a four-day trip to Vienna for two people who like music"),
    ("cheap", "What are the pros and cons of a four-day working week?"),
    ("cheap", "Draft an email to a supplier who delivered late for the third time; firm but friendly"),
    ("cheap", "Analyse why our newsletter loses readers since spring and propose three experiments"),
    ("cheap", "Should I rent or buy a flat if I may move in five years?"),
    ("cheap", "Translate the following paragraph into German.\n\nThe harbour was built in 1880 and enlarged twice. Today it is used by fishermen and by a ferry that runs three times a day. In winter the ferry stays in port, and the island can be reached by plane only."),
    ("cheap", "Explain quantum tunnelling to a high school student"),
)
# fmt: on
