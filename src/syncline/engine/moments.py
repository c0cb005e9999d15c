"""What happened to one record, told one moment after the other."""

from __future__ import annotations

from dataclasses import dataclass

from syncline.engine.routing import told_of
from syncline.engine.words import plural
from syncline.ports import Store

CAUSES = {
    "accepted": "Decided where it is sent from",
    "edited": "Decided where its new units are sent from",
    "refused": "Decided again where it is sent from",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened. ``tone``: plain, good, warn or bad. ``reasons`` say why it came so, one sentence each.

    ``brief`` is what stands in place of a ``detail`` that may quote a person, for who may not see that; ``None``: it quotes nobody.
    """

    at_ms: int
    what: str
    detail: str = ""
    system: str = ""
    tone: str = "plain"
    reasons: tuple[str, ...] = ()
    brief: str | None = None


async def routing_moments(store: Store, channel: str, order_key: str) -> list[Moment]:
    """What was said about where an order is sent from, oldest first."""
    found = []
    for told in map(told_of, await store.read("routings", channel=channel, orders=[order_key])):
        if told.decision is not None:
            its = told.decision
            detail = f"{plural(len(its.locations), 'location')}: {', '.join(its.locations)}"
            found.append(Moment(told.at_ms, CAUSES[its.cause], detail, tone="good", reasons=its.reasons))
        elif told.refusal is not None:
            no = told.refusal
            what = f"{no.location} will not send {no.sku or 'anything of it'}"
            by = f" (says {no.by})" if no.by else ""
            found.append(Moment(told.at_ms, what, f"{no.why}{by}".strip(), tone="warn"))
        else:
            found.append(Moment(told.at_ms, "Every location may send it again"))
    return found
