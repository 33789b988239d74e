"""The bound on what a validation can cost: never below what a naive validator would visit."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.verifiers.schema_cost import cost
from rung.verifiers.schema_weights import _TOKEN, PER_VISIT, states_of
from rung.verifiers.strict_json import sizes

# ------------------------------------------------------------------ the bound holds

NAMES = ("a", "b")
DEFINED = ("p", "q")


def schemas_over(inner):
    """Schemas whose references go through properties or items, so that none loops in place."""
    below = st.one_of(inner, st.sampled_from([{"$ref": "#"}, *REFERENCES]))
    return st.fixed_dictionaries(
        {},
        optional={
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "properties": st.dictionaries(st.sampled_from(NAMES), below, max_size=2),
            "additionalProperties": below,
            "items": below,
            "minItems": st.just(0),
        },
    )


REFERENCES = [{"$ref": f"#/$defs/{name}"} for name in DEFINED]
LEAF = st.sampled_from([{}, {"type": "string"}, {"const": 1}])
SUBSCHEMA = st.recursive(LEAF, schemas_over, max_leaves=5)
SCHEMA = st.builds(
    lambda root, defined: {**root, "$defs": dict(zip(DEFINED, defined, strict=True))},
    schemas_over(SUBSCHEMA),
    st.tuples(SUBSCHEMA, SUBSCHEMA),
)
VALUE = st.recursive(
    st.just(1),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=6,
)


def visits(root, schema, value):
    """Subschema applications of a validator that shares and skips nothing."""
    count = 1
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        count += visits(root, root if name == "#" else root["$defs"][name], value)
    for branch in (*schema.get("anyOf", ()), *schema.get("allOf", ())):
        count += visits(root, branch, value)
    if "not" in schema:
        count += visits(root, schema["not"], value)
    if isinstance(value, list) and "items" in schema:
        count += sum(visits(root, schema["items"], item) for item in value)
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for name, item in value.items():
            if name in known:
                count += visits(root, known[name], item)
            elif "additionalProperties" in schema:
                count += visits(root, schema["additionalProperties"], item)
    return count


@settings(max_examples=400)
@given(SCHEMA, VALUE)
def test_the_bound_is_never_below_what_a_naive_validator_visits(schema, value):
    assert cost(schema).visits(sizes(value)) >= visits(schema, schema, value)


# ------------------------------------------------------------------ and is not far above


def worst(schema, depth=0):
    return cost(schema).visits([1] * (depth + 1))


def growth(schema, depth=500):
    """How much dearer the value at the bottom is than one a little below the top."""
    found = cost(schema)
    bottom = found.visits([0] * depth + [1])
    return bottom / found.visits([0, 0, 1])


def doubling(times):
    twice = {f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 2} for i in range(times)}
    return {"$defs": {**twice, f"a{times}": {}}, "$ref": "#/$defs/a0"}


def test_doubling_references_double_the_cost():
    assert (
        1.9
        < worst(json.loads(json.dumps(doubling(12)))) / worst(json.loads(json.dumps(doubling(11))))
        < 2.1
    )


def test_a_tree_costs_the_same_at_every_depth():
    tree = {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}
    assert growth(tree) == 1


def test_an_expression_grammar_costs_the_same_at_every_depth():
    def node(*names):
        return {"type": "object", "properties": {name: {"$ref": "#"} for name in names}}

    grammar = {"anyOf": [{"type": "number"}, node("left", "right"), node("operand")]}
    assert growth(grammar) == 1


def test_an_optional_child_costs_the_same_at_every_depth():
    def optional():
        return {"anyOf": [{"$ref": "#"}, {"type": "null"}]}

    node = {"type": "object", "properties": {"left": optional(), "right": optional()}}
    assert growth(node) == 1


def test_branches_that_recurse_into_the_same_property_grow_without_bound():
    def node():
        return {"properties": {"next": {"$ref": "#"}}}

    grammar = {"anyOf": [node(), node()]}
    assert growth(grammar, 10) == 2**8
    assert worst(grammar, 500) > 10**20


@pytest.mark.parametrize(
    "schema",
    [
        {"unevaluatedProperties": False},
        {"items": {"unevaluatedItems": False}},
        {"properties": {"a": {"$dynamicRef": "#x"}}},
        {"$recursiveRef": "#"},
    ],
)
def test_what_cannot_be_counted_is_said_to_be_so(schema):
    assert cost(schema) is None


def test_unique_items_are_read_once_for_each_level_above():
    unique = cost({"uniqueItems": True, "items": {"$ref": "#"}})
    plain = cost({"uniqueItems": False, "items": {"$ref": "#"}})
    extra = unique.nanoseconds([1] * 100, 0) - plain.nanoseconds([1] * 100, 0)
    assert extra == sum(range(101)) * PER_VISIT
    assert unique.nanoseconds([1] * 100, 1_000) - unique.nanoseconds([1] * 100, 0) >= 100 * 1_000


def test_arithmetic_takes_time_and_finds_no_more_faults():
    exact, free = cost({"multipleOf": 0.01}), cost({"title": ""})
    assert exact.nanoseconds([10], 0) > 100_000 + free.nanoseconds([10], 0)
    assert exact.visits([10]) <= 2 * free.visits([10])


def test_composite_options_cost_one_comparison_each():
    options = [{"a": i} for i in range(1_000)]
    assert worst({"enum": options}) > 100 * worst({"enum": list(range(1_000))})


# ------------------------------------------------------------------ patterns


@pytest.mark.parametrize(
    ("pattern", "least", "most"),
    [
        ("^[a-z]+$", 1, 1),
        ("abc", 3, 3),
        ("a{10}b{10}", 20, 20),
        ("(ab){100}", 200, 200),
        ("(a{100}){100}", 10_000, 10_000),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", 36, 36),
        (r"\p{L}{100}", 10_000, 100_000),
        (r"[\]{9}]{3}", 3, 3),
        (r"\{9}{2}", 4, 5),
        ("a{2,}", 2, 2),
    ],
)
def test_the_size_of_a_pattern_is_estimated(pattern, least, most):
    assert least <= states_of(pattern) <= most


@pytest.mark.parametrize("part", ["[", "\\p{", "(", "{1", "[^\\", "((", "a{999999999}"])
def test_the_size_of_any_pattern_is_estimated_in_linear_time(part):
    began = time.perf_counter()
    states_of(part * (200_000 // len(part)))
    assert time.perf_counter() - began < 2


@given(st.text())
def test_a_pattern_is_read_whole(pattern):
    assert "".join(token[0] for token in _TOKEN.finditer(pattern)) == pattern


# ------------------------------------------------------------------ the count itself is bounded


LARGE = {
    "wide": {
        "properties": {f"p{i}": {"type": "string", "pattern": f"^{i}$"} for i in range(5_000)}
    },
    "long cycle": {
        "$defs": {
            f"d{i}": {"items": {"$ref": f"#/$defs/d{(i + 1) % 5_000}"}} for i in range(5_000)
        },
        "$ref": "#/$defs/d0",
    },
    "long chain": {
        "$defs": {
            **{f"d{i}": {"not": {"$ref": f"#/$defs/d{i + 1}"}} for i in range(5_000)},
            "d5000": {},
        },
        "$ref": "#/$defs/d0",
    },
    "dense": {
        "$defs": {
            f"d{i}": {"anyOf": [{"items": {"$ref": f"#/$defs/d{j}"}} for j in range(40)]}
            for i in range(40)
        },
        "$ref": "#/$defs/d0",
    },
}


@pytest.mark.parametrize("schema", LARGE.values(), ids=LARGE)
def test_counting_a_large_schema_takes_no_long_time(schema):
    parsed = json.loads(json.dumps(schema))
    began = time.perf_counter()
    cost(parsed)
    assert time.perf_counter() - began < 2
