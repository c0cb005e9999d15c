"""The language of mappings: what it computes, what it refuses and where, and that nothing escapes its bounds."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.mapping.expressions import (
    CHARS_MAX,
    DEPTH_MAX,
    FUNCTIONS,
    LARGE,
    NAMED,
    NODES_MAX,
    TEXT_MAX,
    MappingError,
    Type,
    evaluate,
    parse,
)

SCHEMA = {
    "name": Type.STRING,
    "order.note": Type.STRING,
    "total": Type.DECIMAL,
    "placed": Type.DATE,
    "gift": Type.BOOLEAN,
    "skus": Type.LIST,
}
RECORD = {
    "name": "Café Müller",
    "order.note": "it's a Gift",
    "total": Decimal("20.50"),
    "placed": date(2026, 2, 28),
    "gift": True,
    "skus": ("A-1", "B-2"),
}


def value(text, record=RECORD):
    return evaluate(parse(text, SCHEMA), record)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'it''s'", "it's"),
        ("name", "Café Müller"),
        ("order.note & '!'", "it's a Gift!"),
        ("1 + 2 * 3 - 4 / 2", Decimal(5)),
        ("-(1 - 3)", Decimal(2)),
        ("--3", Decimal(3)),
        ("total * 1.1", Decimal("22.550")),
        ("round(total / 3, 2)", Decimal("6.83")),
        ("round(2.5, 0)", Decimal(2)),
        ("upper(left(name, 4))", "CAFÉ"),
        ("right(name, 3) & right(name, 0)", "ler"),
        ("left(name, -1)", ""),
        ("length(trim('  a '))", Decimal(1)),
        ("replace(name, 'é', 'e')", "Cafe Müller"),
        ("contains(lower(order.note), 'gift')", True),
        ("starts_with(name, 'C') and ends_with(name, 'r')", True),
        ("number(' 12.50 ') + 1", Decimal("13.50")),
        ("number('1e9')", None),
        ("number('٣')", None),
        ("text(total) & text(gift) & text(placed)", "20.50true2026-02-28"),
        ("add_days(placed, 1)", date(2026, 3, 1)),
        ("format_date(placed, 'DD.MM.YYYY')", "28.02.2026"),
        ("date('2026-02-30')", None),
        ("date('2026-02-03') < placed", True),
        ("join(skus, ' / ')", "A-1 / B-2"),
        ("count(skus) = 2 and has(skus, 'B-2') and not has(skus, 'C')", True),
        ("first(skus)", "A-1"),
        ("min(total, 5) + max(1, 2) + abs(-1)", Decimal(8)),
        ("if(total > 20, 'large', 'small')", "large"),
        ("not not gift or false", True),
        ("1 < 2 and 2 <= 2 and 3 > 2 and 3 >= 3 and 1 != 2", True),
        ("coalesce(none, name)", "Café Müller"),
        ("coalesce(none, none)", None),
        ("none = none", True),
        ("upper(none)", None),
        ("none & 'a'", "a"),
        ("none < 1", False),
    ],
)
def test_what_is_computed(text, expected):
    found = value(text)
    assert (found, type(found)) == (expected, type(expected))


def test_what_a_record_does_not_have_is_none():
    empty = {}
    assert value("name", empty) is None
    assert value("upper(name) & 'x'", empty) == "x"
    assert value("name = none", empty) is True
    assert value("total + 1", empty) is None
    assert value("if(gift, 'a', 'b')", empty) == "b"


def test_only_the_chosen_side_is_computed():
    assert value("if(total = 0, 1 / 0, 2)") == 2
    assert value("coalesce(1, 1 / 0)") == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "at character 1: a value is missing"),
        ("1 +", "a value is missing"),
        ("1 2", "at character 3: '2' is too much"),
        ("(1", "a ) is missing"),
        ("nmae", "there is no 'nmae'; did you mean 'name'?"),
        ("uper(name)", "there is no function 'uper'; did you mean 'upper'?"),
        ("order.not", "did you mean 'order.note'?"),
        ("__import__('os')", "there is no function"),
        ("name.upper", "there is no 'name.upper'"),
        ("upper(total)", "upper takes a string as value 1, not a decimal; make it one with text()"),
        ("total + name", "+ takes a decimal as value 2, not a string; make it one with number()"),
        ("total & name", "& takes a string as value 1, not a decimal; make it one with text()"),
        ("upper(name, name)", "upper takes 1 values, not 2"),
        ("upper(name", "a , or ) is missing"),
        ("if(name, 1, 2)", "if takes a condition"),
        ("if(gift, 1, 'a')", "if gives values of one type, not decimal and string"),
        ("coalesce()", "coalesce takes one value"),
        ("text(skus)", "a list is joined with join()"),
        ("name = total", "= compares a string with a decimal"),
        ("gift < gift", "< cannot order values of type boolean"),
        ("'open", "at character 1"),
        ("1 ; 2", "at character 3: '; 2' is no number"),
        ("1.2.3", "at character 1"),
        ("9" * 19, "at character 1"),
        ("and", "there is no 'and'"),
        ("(" * (DEPTH_MAX + 1) + "1", f"more than {DEPTH_MAX} deep"),
        ("1" + "+1" * NODES_MAX, f"more than {NODES_MAX} parts"),
        ("'" + "a" * CHARS_MAX + "'", f"longer than {CHARS_MAX} characters"),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_mend(text, says):
    with pytest.raises(MappingError) as error:
        parse(text, SCHEMA)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("total / 0", "divided by nothing"),
        ("total / (total - total)", "divided by nothing"),
        ("999999999999999999 * 999999999999999999", "larger than"),
        ("add_days(placed, 999999999999)", "outside of the calendar"),
        ("add_days(placed, 999999999)", "outside of the calendar"),
        (f"replace('{'a' * 900}', 'a', '{'b' * 900}')", "longer than"),
        (f"join(skus, '{'b' * 1900}') & name", "join fewer"),
    ],
)
def test_what_cannot_be_computed_says_so(text, says):
    record = {**RECORD, "skus": ("a",) * 4}
    with pytest.raises(MappingError, match=says):
        value(text, record)


# --- total and bounded --------------------------------------------------------------------------------------------

pieces = st.sampled_from(
    [*NAMED, *SCHEMA, "and", "or", "not", "true", "false", "none", "(", ")", ",", "+", "-", "*", "/", "&", "=", "!=", "<", ">=", "'a'", "''", "1", "0.5", "99999999999", "'YYYY'", "'2026-01-01'"]
)  # fmt: skip
texts = st.one_of(st.text(max_size=200), st.lists(pieces, max_size=40).map(" ".join))
records = st.fixed_dictionaries(
    {},
    optional={
        "name": st.text(max_size=TEXT_MAX),
        "order.note": st.text(max_size=50),
        "total": st.decimals(-LARGE + 1, LARGE - 1, places=6),
        "placed": st.dates(),
        "gift": st.booleans(),
        "skus": st.lists(st.text(max_size=90), max_size=60).map(tuple),
    },
)
KINDS = {Type.STRING: str, Type.DECIMAL: Decimal, Type.DATE: date, Type.BOOLEAN: bool, Type.LIST: tuple}


def check(node, found):
    """A value is of its node's type, and within the bounds."""
    assert found is None or isinstance(found, KINDS[node.type])
    if isinstance(found, str):
        assert len(found) <= TEXT_MAX
    if isinstance(found, Decimal):
        assert found.is_finite()


def computed(text, record):
    """Read and compute; what its own error says, or "". Anything else that is raised fails the test."""
    try:
        node = parse(text, SCHEMA)
        check(node, evaluate(node, record))
    except MappingError as error:
        return str(error)
    return ""


@settings(max_examples=600)
@given(texts, records)
def test_nothing_but_its_own_error_is_ever_raised(text, record):
    computed(text, record)


def expressions(type_, depth):
    """Expressions of a type that are right, up to a depth."""
    literals = {
        Type.STRING: ["name", "order.note", "'x'", "none"],
        Type.DECIMAL: ["total", "7", "0", "none"],
        Type.DATE: ["placed", "date('2026-01-31')"],
        Type.BOOLEAN: ["gift", "true", "false"],
        Type.LIST: ["skus"],
    }
    leaf = st.sampled_from(literals[type_])
    if not depth:
        return leaf
    calls = [
        st.tuples(*(expressions(part, depth - 1) for part in function.takes)).map(
            lambda parts, name=name: (
                f"{name}({', '.join(parts)})" if name in NAMED else f"({f' {name} '.join(parts)})"
            )
        )
        for name, function in FUNCTIONS.items()
        if function.gives is type_ and name != "not"
    ]
    chosen = st.tuples(
        expressions(Type.BOOLEAN, depth - 1), expressions(type_, depth - 1), expressions(type_, depth - 1)
    ).map(lambda parts: f"if({', '.join(parts)})")
    return st.one_of(leaf, chosen, *calls)


@settings(max_examples=300, deadline=None)
@given(st.data())
@pytest.mark.slow
def test_what_is_rightly_typed_is_read_and_gives_its_type(data):
    type_ = data.draw(st.sampled_from(list(KINDS)))
    text = data.draw(expressions(type_, 2))
    node = parse(text, SCHEMA)
    assert node.type in (type_, Type.NONE)
    said = computed(text, data.draw(records))
    assert not said or any(word in said for word in ("larg", "divided", "longer", "calendar"))
