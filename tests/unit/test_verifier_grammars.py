"""code_parses in the extra's languages: what is broken fails, what may be a macro's does not."""

from __future__ import annotations

import pytest

from rung.core.verdicts import Status
from rung.verifiers import grammars
from rung.verifiers.code_parses import LANGUAGES, code_parses
from rung.verifiers.grammars import GRAMMARS, folders
from support.gates import seconds, status, verdict

pytestmark = pytest.mark.skipif(
    folders(GRAMMARS.values()) is None, reason="needs the grammars: pip install 'rung[code]'"
)


def block(language, text):
    return f"Here it is:\n\n```{language}\n{text}\n```\nDone."


GOOD = {
    "javascript": "export const f = async ({ a, ...b }) => (await g(a))?.c ?? `${b}`;\n",
    "jsx": "const A = () => <div className='x'>{items.map((i) => <B key={i} />)}</div>;\n",
    "typescript": "type M<T> = { readonly [K in keyof T]?: T[K] };\nlet x = y satisfies M<Z>;\n",
    "tsx": "const A: React.FC<{ a: number }> = ({ a }) => <p>{a}</p>;\n",
    "go": "package main\n\nfunc Map[T, U any](xs []T, f func(T) U) []U { return nil }\n",
    "rust": "impl<T: Clone> Foo for Bar<T> {\n    fn f(&self) -> Option<&'_ str> { None }\n}\n",
    "java": "record P(int x) {}\nclass A { var y = switch (1) { case 1 -> 2; default -> 3; }; }\n",
    "c": "#define MAX(a, b) ((a) > (b) ? (a) : (b))\nint main(void) { return MAX(1, 2); }\n",
    "c++": "template <typename T> requires std::integral<T>\nauto f(T a) -> T { return a; }\n",
    "c#": 'namespace A;\npublic record P(int X);\nclass B { string N { get; } = $"{1}"; }\n',
    "ruby": "class A\n  attr_reader :a\n  def f(x:, **o) = x&.then { |y| y + 1 }\nend\n",
    "php": "<?php\nenum S: string { case A = 'a'; }\nfunction f(?int $a): A|B { return $a?->b; }\n",
    "bash": 'for f in *.txt; do\n  [[ -f $f ]] && echo "${f%.txt}"\ndone\ncat <<EOF\n$x\nEOF\n',
    "yaml": "on:\n  push: {branches: [main]}\njobs: &a\n  - run: |\n      make test\n",
}
FRAGMENTS = {
    "go": ["x := 5\nfmt.Println(x)", "type S[T any] struct{ v T }", 'import "fmt"\nfunc f() {}'],
    "java": ["int x = 5;\nSystem.out.println(x);", "@Override\npublic int f() { return 1; }"],
    "csharp": ['public string Name { get; set; } = "";', "var x = 5;\nConsole.WriteLine(x);"],
    "php": ["$x = 5;\necho $x;", "public function f(): int { return 1; }"],
    "rust": ['let x = 5;\nprintln!("{x}");'],
    "cpp": ["std::vector<int> v{1, 2};\nfor (auto& x : v) std::cout << x;"],
    "c": ['for (int i = 0; i < 3; i++) printf("%d", i);'],
    "ruby": ["puts 1 if x"],
}
BROKEN = [
    ("javascript", "function f( { return 1; }"),
    ("js", "const a = 'one;\nconst b = 2;"),
    ("jsx", "const a = <div><p></div>;"),
    ("typescript", "interface A { b: string"),
    ("ts", "let x: number = ;"),
    ("tsx", "const a: number = <p>{</p>;"),
    ("go", 'package main\nfunc main() { fmt.Println("a) }'),
    ("golang", "func f( int { }"),
    ("rust", "fn main() { let x = 5 let y = 6; }"),
    ("rs", "struct A { b: u8"),
    ("java", "class A { void f() { int x = 5 } }"),
    ("c", "int main(void) { return (1; }"),
    ("cpp", "class A { public: void f() { }"),
    ("csharp", "class A { int F() => 1 }"),
    ("cs", "if (x) { y();"),
    ("ruby", "def f(x)\n  x + 1\n"),
    ("php", "<?php function f( { }"),
    ("php", "$x = ;"),
    ("bash", "if [ -f x ]; then\n  echo y\n"),
    ("sh", 'echo "one'),
    ("yaml", "a: 1\n  b: 2"),
    ("yml", "a: [1, 2"),
]


@pytest.mark.parametrize("language", GOOD)
async def test_code_that_parses_passes(language):
    found = await verdict(code_parses(), block(language, GOOD[language]))
    assert (found.status, found.vacuous) == (Status.PASSED, False), found.reason


@pytest.mark.parametrize("language", FRAGMENTS)
async def test_what_stands_in_a_file_or_a_function_or_a_class_is_code_by_itself(language):
    for text in FRAGMENTS[language]:
        found = await verdict(code_parses(), block(language, text))
        assert found.status is Status.PASSED, (text, found.reason)


@pytest.mark.parametrize(("language", "code"), BROKEN)
async def test_each_broken_one_fails(language, code):
    found = await verdict(code_parses(), block(language, code))
    assert (found.status, "does not parse" in found.reason) == (Status.FAILED, True), found.reason


async def test_the_reason_names_the_line_of_the_answer():
    found = await verdict(code_parses(), "Look:\n\n```js\nlet a = 1;\nlet = = 2;\n```\n")
    assert "line 5 of the answer" in found.reason
    assert "let = = 2" in found.reason


async def test_right_by_a_macro_that_is_elsewhere_is_not_called_wrong():
    for language, code in (
        ("cpp", "EXPORTED void WINAPI f(BOOL x) MUST_HOLD(lock) { x; }\nREGISTER(A)\nB c;"),
        ("c", "local char bye OF((char *m)) { key(BAD_CAST m); }"),
        ("csharp", "class A { int F() {\n#if X\n  if (a) { b(); }\n  else\n#endif\n  c();\n} }"),
    ):
        found = await verdict(code_parses(), block(language, code))
        assert found.status in {Status.ABSTAINED, Status.PASSED}, found.reason
        spoilt = await status(code_parses(), block(language, code.replace(")", "", 1)))
        assert spoilt is Status.FAILED, code


async def test_one_broken_block_among_good_ones_of_other_languages_fails():
    good = block("python", "a = 1") + "\n" + block("json", "{}") + "\n" + block("go", GOOD["go"])
    assert await status(code_parses(), good) is Status.PASSED
    assert await status(code_parses(), good + "\n" + block("rs", "fn f( {")) is Status.FAILED
    assert await status(code_parses(), good + "\n" + block("py", "a = = 1")) is Status.FAILED


async def test_a_language_can_be_asked_for_by_any_of_its_names():
    assert await status(code_parses("c++"), "int main() { return 0; }") is Status.PASSED
    assert await status(code_parses("JS"), "I cannot do that.") is Status.FAILED
    assert await status(code_parses("go"), block("python", "a = 1")) is Status.FAILED
    assert set(GRAMMARS) <= set(LANGUAGES)


async def test_without_the_grammars_it_abstains_with_the_fix_unless_something_else_is_wrong(
    monkeypatch,
):
    monkeypatch.setattr(grammars, "_folder_of", lambda module: None)
    found = await verdict(code_parses(), block("go", GOOD["go"]))
    assert (found.status, "rung[code]" in found.reason) == (Status.ABSTAINED, True)
    assert await status(code_parses(), block("python", "a = 1")) is Status.PASSED
    both = block("go", GOOD["go"]) + "\n" + block("python", "a = = 1")
    assert await status(code_parses(), both) is Status.FAILED


HOSTILE = {
    "brackets": "(" * 100_000,
    "nested": "(" * 100_000 + "1" + ")" * 100_000,
    "braces": "{" * 1_000_000,
    "quotes": "'" * 300_000,
    "tags": "<a>" * 300_000,
    "templates": "`${" * 100_000,
    "nul": "a\0b;\n" * 1_000,
    "strange": "é = '\u202e\U0001f600';\n" * 1_000,
    "lone surrogate": "x = '\ud800';",
    "lines": "\n" * 1_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_code_made_to_explode_ends_within_its_limits(name):
    for language in ("typescript", "cpp"):
        took, found = await seconds(code_parses(timeout_seconds=3), block(language, HOSTILE[name]))
        assert took < 6
        assert found.status in set(Status)
        assert found.reason.isprintable()
