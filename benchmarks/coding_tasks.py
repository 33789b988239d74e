"""Twenty small Python functions, each with the tests that decide whether it was written right."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CodingTask:
    """What to write, and the tests: plain asserts about the function ``name`` of ``solution``."""

    signature: str
    what: str
    tests: str

    @property
    def name(self) -> str:
        """The function's name."""
        return self.signature.split("(")[0]

    @property
    def prompt(self) -> str:
        """The request, as a person would put it."""
        return (
            f"Write the Python function `def {self.signature}:` that {self.what}\n"
            "Answer with one Python code block that holds the function, and nothing else."
        )

    @property
    def source(self) -> str:
        """The tests as a file."""
        lines = "\n".join(f"    {line}" for line in self.tests.strip().splitlines())
        return f"from solution import {self.name}\n\n\ndef test_{self.name}():\n{lines}\n"


TASKS = (
    CodingTask(
        "add(a, b)", "returns the sum of a and b.", "assert add(2, 3) == 5\nassert add(-1, 1) == 0"
    ),
    CodingTask(
        "is_even(n)",
        "returns True if the integer n is even, else False.",
        "assert is_even(4) is True\nassert is_even(7) is False\nassert is_even(0) is True",
    ),
    CodingTask("square(x)", "returns x times x.", "assert square(5) == 25\nassert square(-3) == 9"),
    CodingTask(
        "maximum(numbers)",
        "returns the largest number of a list.",
        "assert maximum([3, 9, 2]) == 9\nassert maximum([-5, -2]) == -2",
    ),
    CodingTask(
        "reverse_string(s)",
        "returns the string s backwards.",
        'assert reverse_string("abc") == "cba"\nassert reverse_string("") == ""',
    ),
    CodingTask(
        "factorial(n)",
        "returns n! for an integer n >= 0.",
        "assert factorial(5) == 120\nassert factorial(0) == 1",
    ),
    CodingTask(
        "count_vowels(s)",
        "counts the letters a, e, i, o, u in s, capital ones too.",
        'assert count_vowels("Education") == 5\nassert count_vowels("xyz") == 0',
    ),
    CodingTask(
        "is_palindrome(s)",
        "returns True if s reads the same backwards, ignoring case and spaces.",
        'assert is_palindrome("Never odd or even") is True\nassert is_palindrome("rung") is False',
    ),
    CodingTask(
        "celsius_to_fahrenheit(c)",
        "converts degrees Celsius to Fahrenheit (F = C * 9 / 5 + 32).",
        "assert celsius_to_fahrenheit(100) == 212\nassert celsius_to_fahrenheit(-40) == -40",
    ),
    CodingTask(
        "fibonacci(n)",
        "returns the n-th Fibonacci number, with fibonacci(0) == 0 and fibonacci(1) == 1.",
        "assert [fibonacci(n) for n in range(8)] == [0, 1, 1, 2, 3, 5, 8, 13]",
    ),
    CodingTask(
        "unique(items)",
        "returns the items of a list without repetitions, in the order they first come.",
        "assert unique([3, 1, 3, 2, 1]) == [3, 1, 2]\nassert unique([]) == []",
    ),
    CodingTask(
        "word_count(text)",
        "returns how many words a text has; words are separated by blanks.",
        'assert word_count("the quick  brown fox") == 4\nassert word_count("") == 0',
    ),
    CodingTask(
        "flatten(lists)",
        "turns a list of lists into one list.",
        "assert flatten([[1, 2], [3], []]) == [1, 2, 3]",
    ),
    CodingTask(
        "is_prime(n)",
        "returns True if the integer n is a prime number, else False.",
        "assert [n for n in range(20) if is_prime(n)] == [2, 3, 5, 7, 11, 13, 17, 19]",
    ),
    CodingTask(
        "gcd(a, b)",
        "returns the greatest common divisor of two positive integers.",
        "assert gcd(12, 18) == 6\nassert gcd(7, 5) == 1",
    ),
    CodingTask(
        "average(numbers)",
        "returns the mean of a list of numbers, and 0 for an empty list.",
        "assert average([1, 2, 3, 4]) == 2.5\nassert average([]) == 0",
    ),
    CodingTask(
        "fizzbuzz(n)",
        'returns "Fizz" for multiples of 3, "Buzz" for multiples of 5, "FizzBuzz" for multiples of '
        "both, else the number as a string.",
        'assert fizzbuzz(9) == "Fizz"\nassert fizzbuzz(20) == "Buzz"\n'
        'assert fizzbuzz(30) == "FizzBuzz"\nassert fizzbuzz(7) == "7"',
    ),
    CodingTask(
        "second_largest(numbers)",
        "returns the second largest of the different numbers of a list.",
        "assert second_largest([4, 9, 9, 7]) == 7\nassert second_largest([1, 2]) == 1",
    ),
    CodingTask(
        "caesar(text, shift)",
        "shifts every letter of text by shift places in the alphabet, keeps its case, and leaves "
        "other characters as they are.",
        'assert caesar("Hello, World!", 3) == "Khoor, Zruog!"\nassert caesar("xyz", 3) == "abc"',
    ),
    CodingTask(
        "roman(n)",
        "writes an integer from 1 to 3999 as a Roman numeral.",
        'assert roman(1994) == "MCMXCIV"\nassert roman(4) == "IV"',
    ),
)
