"""One alert in words, readable on a phone, and as data."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import Struct

from syncline.engine.alerts.book import Entry
from syncline.engine.alerts.kinds import KINDS
from syncline.engine.words import duration

EVENTS = {
    "opened": "",
    "changed": "cause known: ",
    "worse": "worse: ",
    "repeated": "still: ",
    "again": "again: ",
    "closed": "ended: ",
    "test": "test: ",
}


class Message(Struct, frozen=True):
    """What is sent. The same ``id`` again is the same message, sent twice because its receipt was lost."""

    id: str
    event: str
    key: str
    kind: str
    severity: str
    title: str
    meaning: str
    stake: str
    mend: str
    since_ms: int
    opened_at_ms: int
    closed_at_ms: int
    said_at_ms: int
    symptoms: tuple[str, ...]
    acknowledged_by: str
    thread: str
    link: str


def message_of(entry: Entry, public_url: str = "") -> Message:
    """The newest message of an entry."""
    return Message(
        id=f"{entry.id}.{entry.n}",
        event=entry.event,
        key=entry.key,
        kind=entry.kind,
        severity=entry.severity,
        title=entry.title,
        meaning=KINDS[entry.kind].meaning if entry.kind in KINDS else "",
        stake=entry.stake,
        mend=entry.mend,
        since_ms=entry.since_ms,
        opened_at_ms=entry.opened_at_ms,
        closed_at_ms=entry.closed_at_ms,
        said_at_ms=entry.said_at_ms,
        symptoms=tuple(entry.symptoms),
        acknowledged_by=entry.acked_by,
        thread=entry.id,
        link=f"{public_url.rstrip('/')}/alerts" if public_url else "",
    )


def trial(now_ms: int, id_: str, by: str = "") -> Message:
    """A message that says of itself that it is a test."""
    return Message(
        id=f"{id_}.1",
        event="test",
        key="test/syncline",
        kind="test",
        severity="warning",
        title="This is a test of Syncline's alerts",
        meaning="Nothing is wrong. If you read this, alerts reach you this way.",
        stake="",
        mend=f"Nothing to do.{f' It was sent by {by}.' if by else ''}",
        since_ms=now_ms,
        opened_at_ms=now_ms,
        closed_at_ms=0,
        said_at_ms=now_ms,
        symptoms=(),
        acknowledged_by="",
        thread=id_,
        link="",
    )


def subject(message: Message) -> str:
    """One line that says the whole."""
    return f"[Syncline] {EVENTS.get(message.event, '')}{message.title}"


def text(message: Message) -> str:
    """The message for a person, most important first, in lines that a phone can show."""
    lines = [message.title, ""]
    if message.event == "closed":
        lasted = duration(message.closed_at_ms - message.since_ms)
        lines += [
            f"It is over. It lasted {lasted}: from {_at(message.since_ms)} to {_at(message.closed_at_ms)}."
        ]
    else:
        lines += [
            f"{message.severity}, since {_at(message.since_ms)} ({duration(message.said_at_ms - message.since_ms)})"
        ]
        lines += _part("At stake", message.stake)
        lines += _part("What to do", message.mend)
        lines += _part("What it means", message.meaning)
        if message.symptoms:
            lines += ["", "What follows from it:", *(f"- {each}" for each in message.symptoms)]
        if message.event != "test":
            lines += ["", f"To silence repeats: syncline alert ack {message.key}"]
    if message.link:
        lines += ["", message.link]
    return "\n".join(lines) + "\n"


def _part(title: str, words: str) -> list[str]:
    return ["", f"{title}: {words}"] if words else []


def _at(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
