"""An interview that writes ``plan.toml``: the questions that decide, each with a default and a reason to answer it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from syncline.model.errors import Misconfigured
from syncline.planner.vendors import Vendor, vendors
from syncline.planner.words import title_of
from syncline.runtime.config import NAME, duration_ms, share
from syncline.runtime.plan import FLOWS, SYSTEMS_MAX, TOLERANCES, question_of

Ask = Callable[..., Any]
Say = Callable[[str], object]

TRIES_MAX = 20
OWNERS = ("erp", "pim", "wms", "file")
# Who owns a flow and who receives it, by the parts of systems; what is not named goes from an owner to the channels.
TO_OWNER = frozenset({"orders", "payments", "returns"})
USUAL = ("inventory", "orders", "prices", "order_status")
ASKED = {
    "inventory": "units sold that are not there",
    "orders": "orders that are shipped late",
    "prices": "sales at a wrong price",
    "credit": "orders beyond a limit",
}


def interview(ask: Ask, say: Say) -> str:
    """Ask on a terminal and write down the answers.

    Args:
        ask: asks one question, with a ``default``, as ``typer.prompt`` does.
        say: tells something.

    Raises:
        Misconfigured: the answers contradict each other, or a question was answered wrongly too often.
    """
    parts = [
        _section("", {"title": ask("What is this plan for?", default="Integration plan")}),
        _section("", {"currency": _text(ask, say, "In which currency are costs?", "EUR", _currency)}),
    ]
    systems = _systems(ask, say)
    parts += [_section(f"[systems.{name}]", answers) for name, answers in systems.items()]
    parts.append(_section("[volumes]", _volumes(ask, say)))
    parts += [_section("[[flows]]", answers) for answers in _flows(ask, say, systems)]
    text = "\n".join(part for part in parts if part)
    question_of(text)
    return text


def _systems(ask: Ask, say: Say) -> dict[str, dict[str, Any]]:
    known = {name: one for name, one in vendors().items() if one.part != "broker"}
    say(f"Known are {', '.join(known)}.")
    found: dict[str, dict[str, Any]] = {}
    question = "Which product owns items, stock and prices?"
    default = "netsuite"
    while len(found) < SYSTEMS_MAX:
        vendor = _text(ask, say, question, default, lambda text: _known(text, known))
        if not vendor:
            break
        usual = _free("erp" if not found else "shop", found)
        name = _text(ask, say, "What shall it be called?", usual, lambda text: _name(text, found))
        found[name] = {"vendor": vendor, **_account(ask, say, known[vendor])}
        if len(found) == 1:
            question, default = "Which product is the first that receives them?", "shopify"
        else:
            question, default = "Another one? (empty: no more)", ""
    return found


def _account(ask: Ask, say: Say, vendor: Vendor) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    if len(vendor.licences) > 1:
        licences = list(vendor.licences)
        answers["licence"] = _text(
            ask, say, f"Which licence of {vendor.title}? ({', '.join(licences)})", licences[0],
            lambda text: _one_of(text, licences),
        )  # fmt: skip
    for need in vendor.needs:
        words = need.replace("_", " ")
        answers[need] = int(
            _text(ask, say, f"How many {words} does the account's licence allow?", "", _whole)
        )
    return answers


def _volumes(ask: Ask, say: Say) -> dict[str, Any]:
    questions = (
        ("skus", "How many SKUs?", "5000"),
        ("locations", "In how many locations is stock kept?", "1"),
        ("prices", "How many prices are there in all lists together?", "5000"),
        ("customers", "How many customers?", "1000"),
        ("orders_per_day", "How many orders on a usual day?", "200"),
        ("stock_moves_per_day", "How many movements of stock besides orders, such as receipts?", "200"),
    )
    return {key: int(_text(ask, say, words, usual, _whole)) for key, words, usual in questions}


def _flows(ask: Ask, say: Say, systems: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    known = vendors()
    names = list(systems)
    owners = [name for name in names if known[systems[name]["vendor"]].part in OWNERS] or names[:1]
    others = [name for name in names if name not in owners] or names[1:]
    wanted = _text(
        ask, say, f"Which flows, with commas between them? ({', '.join(FLOWS)})", ", ".join(USUAL),
        lambda text: _several(text, FLOWS),
    )  # fmt: skip
    found = []
    for flow in _split(wanted):
        say(f"{title_of(flow)}:")
        near, far = (others, owners) if flow in TO_OWNER else (owners, others)
        source = _text(
            ask, say, "  From which system?", near[0] if near else names[0], lambda text: _one_of(text, names)
        )
        usual = [name for name in far if name != source] or [name for name in names if name != source]
        sinks = _text(ask, say, "  To which?", ", ".join(usual), lambda text: _several(text, names))
        answers: dict[str, Any] = {"flow": flow, "from": source, "to": _split(sinks)}
        answers["tolerance"] = _text(
            ask, say, "  How old may it become before somebody is hurt?", TOLERANCES[flow], _duration
        )
        answers["consequence"] = ask("  What happens then?", default=ASKED.get(flow, ""))
        each = _text(ask, say, "  What does each such case cost? (0: not known)", "0", _number)
        if Decimal(each):
            answers["cost_each"] = Decimal(each)
            answers["hurt_share"] = _text(
                ask, say, "  Which share of values that are an hour old leads to it?", "1%", _share
            )
        found.append(answers)
    return found


# --- one answer --------------------------------------------------------------------------------------------


def _text(ask: Ask, say: Say, question: str, default: str, check: Callable[[str], str]) -> str:
    for _ in range(TRIES_MAX):
        answer = str(ask(question, default=default)).strip()
        try:
            return check(answer)
        except Misconfigured as error:
            say(str(error))
    raise Misconfigured(f"{question} {TRIES_MAX} answers made no sense")


def _known(text: str, known: Mapping[str, Vendor]) -> str:
    return _one_of(text, list(known)) if text else ""


def _one_of(text: str, known: list[str]) -> str:
    if text not in known:
        raise Misconfigured(f"{text!r} is not among {', '.join(known)}")
    return text


def _several(text: str, known: tuple[str, ...] | list[str]) -> str:
    for one in _split(text):
        _one_of(one, list(known))
    if not _split(text):
        raise Misconfigured("name at least one")
    return text


def _split(text: str) -> list[str]:
    return list(dict.fromkeys(part for one in text.split(",") if (part := one.strip())))


def _name(text: str, taken: Mapping[str, Any]) -> str:
    if not NAME.fullmatch(text) or text in taken:
        raise Misconfigured("a name is a lower-case letter and up to 15 letters or digits, and used once")
    return text


def _free(base: str, taken: Mapping[str, Any]) -> str:
    return next(
        name for n in range(1, SYSTEMS_MAX + 2) if (name := f"{base}{n if n > 1 else ''}") not in taken
    )


def _currency(text: str) -> str:
    if len(text) != 3 or not text.isalpha():
        raise Misconfigured("three letters, such as EUR")
    return text.upper()


def _whole(text: str) -> str:
    if not text.isdecimal() or not text.isascii():
        raise Misconfigured(f"{text!r} is no whole number")
    return text


def _number(text: str) -> str:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or value < 0:
        raise Misconfigured(f"{text!r} is no amount; write for example 35 or 12.50")
    return text


def _duration(text: str) -> str:
    duration_ms(text, "answer")
    return text


def _share(text: str) -> str:
    share(text, "answer")
    return text


# --- writing -----------------------------------------------------------------------------------------------


def _section(head: str, answers: Mapping[str, Any]) -> str:
    lines = [f"{key} = {_value(value)}" for key, value in answers.items() if value not in ("", 0)]
    return "\n".join([head, *lines] if head else lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_value(one) for one in value)}]" if len(value) != 1 else _value(value[0])
    if isinstance(value, int | Decimal):
        return str(value)
    escaped = "".join(
        {"\\": "\\\\", '"': '\\"'}.get(c, c if c.isprintable() else f"\\u{ord(c):04x}") for c in str(value)
    )
    return f'"{escaped}"'
