"""Who wins where both sides changed a customer: its fields have owners, and what others did is put back or left."""

from __future__ import annotations

from syncline.mapping.customers import seen
from syncline.model.copying import replace
from syncline.model.customers import CARD_FIELDS, CustomerCard, CustomerField


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
