"""Where the mirror's database would answer differently from the product's, or where it is laxer.

Of Oracle's language: nothing joined to a text is the text; 7 / 2 is 3.5; what has no value comes last, or first where the order is
descending; what is not grouped is not selected. Of SuiteQL's own limits (article_0824094533, section_156257796125): at most 1,000
values in an ``IN``, both ways of joining never in one query, no text compared with a date.
"""

from __future__ import annotations

from syncline.connectors.netsuite.simulator.errors import bad_query

IN_MAX = 1_000
AGGREGATES = frozenset("count sum min max avg median stddev variance approx_count_distinct".split())
# Columns that always have a value, so that an index still gives their order; the second ones where several give it.
_FILLED = frozenset(
    "id lastmodifieddate createddate datecreated deleteddate trandate itemid entityid uniquekey linesequencenumber recordid internalid".split()
)
_KEYS = _FILLED | frozenset(
    "company currency customer entity item location pricelevel quantity transaction".split()
)
_CLAUSES = frozenset("where group having order union except intersect limit".split())
_JOINING = frozenset("on inner left right full outer cross limit".split())
_NO_ALIAS = frozenset("end null asc desc is not and or then else when case in like between".split())

# What a number of days can be added to, or taken from.
DATES = frozenset(
    "trandate shipdate duedate createddate lastmodifieddate datecreated deleteddate startdate enddate".split()
)
OF_DATES = frozenset("to_date to_timestamp trunc add_months last_day next_day".split())
_COMPARED = frozenset("= <> != < > <= >= between in".split())

Tokens = list[str]


def unsupported() -> Exception:
    """What the product says of most that it does not take."""
    return bad_query("Search error occurred: Invalid or unsupported search.")


def follow(tokens: Tokens) -> Tokens:
    """A query as the mirror has to run it for the product's answer.

    Raises:
        ApiError: the product would refuse it.
    """
    _check_joins(tokens)
    _check_dates(tokens)
    _check_lists(tokens)
    _check_groups(tokens)
    return _joined(_quotients(_ordered(tokens)))


def _depths(tokens: Tokens) -> list[int]:
    found, depth = [], 0
    for word in tokens:
        depth -= word == ")"
        found.append(depth)
        depth += word == "("
    return found


def _close(tokens: Tokens, at: int) -> int:
    """Where the parenthesis closes that opens at ``at``."""
    depths = _depths(tokens[at:])
    return next((at + n for n, word in enumerate(tokens[at:]) if word == ")" and not depths[n]), len(tokens))


def _split(tokens: Tokens) -> list[Tokens]:
    """At the commas that are in no parentheses."""
    found: list[Tokens] = [[]]
    for word, depth in zip(tokens, _depths(tokens), strict=True):
        if word == "," and not depth:
            found.append([])
        else:
            found[-1].append(word)
    return found


def _region(tokens: Tokens, start: int, ends: frozenset[str]) -> tuple[int, int]:
    """From ``start`` to the next of some words at the same depth, to the end of the parentheses, or to the end."""
    depth = 0
    for at in range(start, len(tokens)):
        word = tokens[at]
        if not depth and (word in ends or word == ")"):
            return start, at
        depth += (word == "(") - (word == ")")
    return start, len(tokens)


def sources(tokens: Tokens) -> dict[str, str]:
    """What a query reads, by the name that it has there."""
    found: dict[str, str] = {}
    for at, word in enumerate(tokens):
        if word != "from":
            continue
        first, last = _region(tokens, at + 1, _CLAUSES)
        parts: list[Tokens] = [[]]
        for one in tokens[first:last]:
            parts += [[]] if one in (",", "join") else []
            parts[-1] += [] if one in (",", "join") else [one]
        for part in parts:
            names = [one.strip('"') for one in part if one != "as"]
            if names and names[0].isidentifier():
                alias = names[1] if len(names) > 1 and names[1] not in _JOINING else names[0]
                found[alias] = names[0]
    return found


# -- what is refused ------------------------------------------------------------------------------


def _check_joins(tokens: Tokens) -> None:
    for at, word in enumerate(tokens):
        if word == "from":
            first, last = _region(tokens, at + 1, _CLAUSES)
            inside = tokens[first:last]
            plain = [word for word, depth in zip(inside, _depths(inside), strict=True) if not depth]
            if "," in plain and "join" in plain:
                raise unsupported()


def _check_dates(tokens: Tokens) -> None:
    """A date is compared with what ``TO_DATE`` gives, never with a text."""
    for at, word in enumerate(tokens):
        if word not in _COMPARED or not at:
            continue
        left, right = tokens[at - 1].strip('"'), [one for one in tokens[at + 1 : at + 3] if one != "("]
        if left in DATES and right and right[0].startswith("'"):
            raise unsupported()
        name = [one.strip('"') for one in tokens[at + 1 : at + 4]]
        if left.startswith("'") and name and (name[0] in DATES or (name[1:2] == ["."] and name[-1] in DATES)):
            raise unsupported()


def _check_lists(tokens: Tokens) -> None:
    for at, word in enumerate(tokens[:-1]):
        if word == "in" and tokens[at + 1] == "(":
            inside = tokens[at + 2 : _close(tokens, at + 1)]
            if inside[:1] != ["select"] and len(_split(inside)) > IN_MAX:
                raise unsupported()


def _check_groups(tokens: Tokens) -> None:
    for at, word in enumerate(tokens):
        if word != "select":
            continue
        start = at + 1 + (tokens[at + 1 : at + 2] in (["distinct"], ["all"]))
        first, last = _region(tokens, start, frozenset({"from"}))
        columns = _split(tokens[first:last])
        rest, end = _region(tokens, last + 1, frozenset({"union", "except", "intersect"}))
        grouped = _grouped(tokens[rest:end])
        if not grouped and not any(
            "select" not in column and _without_aggregates(column) != column for column in columns
        ):
            continue
        names = {column[-1] for column in grouped}
        for column in columns:
            bare = _unnamed(column)
            if bare not in grouped and not _named(_without_aggregates(bare)) <= names:
                raise unsupported()


def _grouped(tokens: Tokens) -> list[Tokens]:
    for at, depth in enumerate(_depths(tokens)):
        if not depth and tokens[at : at + 2] == ["group", "by"]:
            first, last = _region(tokens, at + 2, _CLAUSES)
            return _split(tokens[first:last])
    return []


def _unnamed(column: Tokens) -> Tokens:
    """A column without the name that is given to it."""
    if "as" in column[-2:-1]:
        return column[:-2]
    last, before = column[-1:], column[-2:-1]
    if last and before and last[0].replace('"', "").isidentifier() and last[0] not in _NO_ALIAS:
        named = (
            before[0] in (")", "end") or before[0][:1] in "'\":" or before[0].isalnum() or "(" in before[0]
        )
        return column[:-1] if named and before[0] not in _NO_ALIAS - {"end"} else column
    return column


def _without_aggregates(column: Tokens) -> Tokens:
    """What is left of a column where each aggregate is a number; those over a window are none."""
    found: Tokens = []
    at = 0
    while at < len(column):
        if column[at] in AGGREGATES and column[at + 1 : at + 2] == ["("]:
            close = _close(column, at + 1)
            if column[close + 1 : close + 2] != ["over"]:
                found.append("0")
                at = close + 1
                continue
        found.append(column[at])
        at += 1
    return found


def _named(column: Tokens) -> set[str]:
    """The columns that are read in an expression; none of one that has a query inside."""
    if "select" in column or column == ["*"]:
        return set()
    found = set()
    for at, word in enumerate(column):
        after, before = column[at + 1 : at + 2], column[at - 1 : at]
        name = word.strip('"')
        if name.startswith(("ns_display(", "ns_status(")) or (
            name.isidentifier() and after not in (["("], ["."]) and not _is_word(word, before)
        ):
            found.add(word)
    return found


def _is_word(word: str, before: Tokens) -> bool:
    return (
        before != ["."]
        and word
        in (
            "case when then else end and or not in is null like between over partition by order asc desc nulls first last "
            "distinct exists current_date"
        ).split()
    )


def moments(tokens: Tokens) -> frozenset[int]:
    """Which columns of the whole query are moments that were worked out; they show as the columns of that kind do."""
    if tokens[:1] != ["select"]:
        return frozenset()
    first, last = _region(tokens, 1 + (tokens[1:2] in (["distinct"], ["all"])), frozenset({"from"}))
    columns = [_unnamed(column) for column in _split(tokens[first:last])]
    if any(column[-1:] == ["*"] for column in columns):
        return frozenset()
    return frozenset(at for at, column in enumerate(columns) if _is_moment(column))


def _is_moment(column: Tokens) -> bool:
    if column == [":ns_date"]:
        return True
    whole = column[1:2] == ["("] and _close(column, 1) == len(column) - 1
    if not whole or "to_char" in column:
        return False
    named = any(word.strip('"') in DATES or word == ":ns_date" for word in column)
    return column[0] in OF_DATES | {"ns_shift"} or (
        column[0] in ("max", "min", "ifnull", "coalesce") and named
    )


# -- what is rewritten ----------------------------------------------------------------------------


def _ordered(tokens: Tokens) -> Tokens:
    """What has no value comes last, or first where the order is descending."""
    found = list(tokens)
    at = len(found) - 2
    while at >= 0:
        if found[at : at + 2] == ["order", "by"]:
            first, last = _region(found, at + 2, _CLAUSES - {"order"} | {"rows", "range"})
            terms = _split(found[first:last])
            filled = _KEYS if len(terms) > 1 and all(_column(term) in _KEYS for term in terms) else _FILLED
            terms = [term if _column(term) in filled else _nulls(term) for term in terms]
            written: Tokens = []
            for n, term in enumerate(terms):
                written += [",", *term] if n else term
            found[first:last] = written
        at -= 1
    return found


def _column(term: Tokens) -> str:
    name = [word for word in term if word not in ("asc", "desc")]
    return name[-1].strip('"') if len(name) in (1, 3) else ""


def _nulls(term: Tokens) -> Tokens:
    return term if "nulls" in term else [*term, "nulls", "first" if term[-1:] == ["desc"] else "last"]


def _quotients(tokens: Tokens) -> Tokens:
    """A quotient of whole numbers is no whole number."""
    found: Tokens = []
    for word in tokens:
        found += ["*", "1.0", "/"] if word == "/" else [word]
    return found


def _joined(tokens: Tokens) -> Tokens:
    """Texts that are joined: what has no value adds nothing."""
    found = list(tokens)
    at = 0
    while at < len(found):
        if found[at] == "||":
            left, right = _before(found, at), _after(found, at)
            inner_right = _wrapped(found[at + 1 : right])
            inner_left = found[left:at] if found[left : left + 1] == ["ns_text"] else _wrapped(found[left:at])
            found[left:right] = [*inner_left, "||", *inner_right]
            at = left + len(inner_left)
        at += 1
    return found


def _wrapped(tokens: Tokens) -> Tokens:
    if not tokens:
        raise unsupported()
    return ["ns_text", "(", *tokens, ")"]


def _before(tokens: Tokens, at: int) -> int:
    """Where the value begins that ends before ``at``."""
    last = at - 1
    if last < 0:
        raise unsupported()
    if tokens[last] == ")":
        depth = 0
        while last >= 0:
            depth += (tokens[last] == ")") - (tokens[last] == "(")
            if not depth:
                break
            last -= 1
        named = last > 0 and tokens[last - 1].replace("_", "a").isalnum() and tokens[last - 1] not in _NO_CALL
        return last - 1 if named else max(last, 0)
    if tokens[last] == "end":
        depth = 0
        while last >= 0:
            depth += (tokens[last] == "end") - (tokens[last] == "case")
            if not depth:
                return last
            last -= 1
        raise unsupported()
    return last - 2 if last >= 2 and tokens[last - 1] == "." else last


_NO_CALL = frozenset(
    "select distinct all where and or not on by having then else when in like between case from as".split()
)


def _after(tokens: Tokens, at: int) -> int:
    """Where the value ends that begins after ``at``."""
    first = at + 1
    if tokens[first : first + 1] == ["("]:
        return _close(tokens, first) + 1
    if tokens[first : first + 1] == ["case"]:
        depth = 0
        for n in range(first, len(tokens)):
            depth += (tokens[n] == "case") - (tokens[n] == "end")
            if not depth:
                return n + 1
        raise unsupported()
    if tokens[first + 1 : first + 2] == ["("]:
        return _close(tokens, first + 1) + 1
    return first + 3 if tokens[first + 1 : first + 2] == ["."] else first + 1
