"""Who a customer is at a channel, and who wins where both sides changed it: its fields have owners."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from syncline.mapping.customers import seen
from syncline.model.copying import replace
from syncline.model.customers import CARD_FIELDS, MERGED, CustomerCard, CustomerField, MatchKey
from syncline.model.errors import Rejected
from syncline.model.payloads import PutCustomer

Hit = TypeVar("Hit")


async def by_keys(
    payload: PutCustomer,
    find: Callable[[str, str], Awaitable[Sequence[Hit]]],
    of: Callable[[Hit], str | None],
    *,
    mark: str,
    where: str,
) -> Hit | None:
    """The company that stands for a customer, by our reference and then by the declared keys in their order.

    Args:
        payload: the customer.
        find: companies at the channel, by the name of a key (``MatchKey``) and its value.
        of: whose a company is: our reference on it.
        mark: how the channel calls that reference.
        where: the channel.

    Raises:
        Rejected: several have the key, or the one that has it is another customer's.
    """
    keys = dict(payload.content.keys)
    former = [value for name, value in payload.content.keys if name == MERGED]
    for name, value in (MatchKey.EXTERNAL_ID.value, payload.key), *payload.content.keys:
        if name == MERGED:
            continue
        hits = await find(name, value)
        if len(hits) > 1:
            raise Rejected(
                f"customer {payload.key}: {len(hits)} companies have the {name} {value!r}; give the right one the "
                f"{mark} {payload.key} in {where}, then release this"
            )
        if hits:
            whose = of(hits[0]) or ""
            if whose not in ("", payload.key, keys.get(MatchKey.NUMBER), *former):
                raise Rejected(
                    f"customer {payload.key}: the company with its {name} has the {mark} {whose!r}, so it is another's; "
                    "correct one of the two, then release this"
                )
            return hits[0]
    return None


def resolved(
    before: CustomerCard | None, shown: CustomerCard, wanted: CustomerCard
) -> tuple[CustomerCard, tuple[CustomerField, ...]]:
    """What is to be written over what a channel shows.

    Args:
        before: what was surely written last; ``None`` if nobody knows, and then the owner's word stands.
        shown: what the channel has now.
        wanted: what the owners say; a field of ``None`` is the channel's own.

    Returns:
        The card to write, without what is to be left alone, and the fields that both sides had changed: there the
        owner's value is written over the channel's.
    """
    there = seen(shown, wanted)
    leave: list[str] = []
    overwritten: list[CustomerField] = []
    for field, name in CARD_FIELDS.items():
        ours, theirs = getattr(wanted, name), getattr(there, name)
        was = None if before is None else getattr(seen(before, wanted), name)
        if ours is None or was is None or theirs in (ours, was):
            continue
        if ours != was:
            overwritten.append(field)
        elif not wanted.put_back:
            leave.append(name)
    return replace(wanted, **dict.fromkeys(leave)), tuple(overwritten)
