"""The part of a route that says how customers travel: ``[routes.customers]``, and who owns which field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from syncline.mapping.customers import ANY, CustomerRules
from syncline.model.capabilities import Capabilities
from syncline.model.customers import CustomerField, MatchKey
from syncline.model.errors import Misconfigured

Match = Literal["external_id", "number", "tax_id"]


class CustomersConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[routes.customers]``: by what customers are found, and what the source's words mean at the channel."""

    match: list[Match] = msgspec.field(default_factory=lambda: ["external_id"])
    roles: dict[str, str] = {}
    terms: dict[str, str] = {}
    groups: dict[str, str] = {}
    merged: dict[str, str] = {}

    def rules(
        self, field: str, owner: Mapping[str, str], ends: tuple[str, str], sink: Capabilities
    ) -> CustomerRules:
        """The same for the engine.

        Args:
            field: of the route, for messages.
            owner: the system that owns a field; what is left out belongs to the source.
            ends: the route's source and sink.
            sink: what the channel can hold.

        Raises:
            Misconfigured: a value makes no sense, or the channel cannot hold it.
        """
        where = f"{field}.customers"
        if not self.match or len(set(self.match)) != len(self.match):
            raise Misconfigured(f'{where}.match: name at least one key, each once, such as ["external_id"]')
        if any(not value for table in (self.roles, self.terms, self.groups) for value in table.values()):
            raise Misconfigured(f"{where}: an empty word of the channel means nothing; leave such lines out")
        held = sink.customer_fields
        if self.terms and CustomerField.TERMS not in held:
            raise Misconfigured(f"{where}.terms: this channel keeps no terms of a customer; leave them out")
        if self.groups and CustomerField.GROUP not in held:
            raise Misconfigured(f"{where}.groups: this channel keeps no group of a customer; leave them out")
        for old in self.merged:
            seen, key = {old}, self.merged[old]
            while key in self.merged and key not in seen:
                seen.add(key)
                key = self.merged[key]
            if key in seen or not key:
                raise Misconfigured(f"{where}.merged.{old}: it ends nowhere; name who took its place")
        theirs = _theirs(field, owner, ends)
        ours = tuple(one for one in held if one not in theirs)
        if CustomerField.CONTACTS in ours and not self.roles:
            raise Misconfigured(
                f'{where}.roles: say what contacts may do at the channel, such as {{ "{ANY}" = "Ordering only" }}'
            )
        return CustomerRules(
            ours,
            theirs,
            dict(self.roles),
            dict(self.terms),
            dict(self.groups),
            tuple(MatchKey(one) for one in self.match),
            dict(self.merged),
        )


def _theirs(field: str, owner: Mapping[str, str], ends: tuple[str, str]) -> tuple[CustomerField, ...]:
    """The fields that the channel owns."""
    source, sink = ends
    for name, system in owner.items():
        if name not in [one.value for one in CustomerField]:
            raise Misconfigured(f"{field}.owner.{name}: no such field; there are {', '.join(CustomerField)}")
        if system not in ends:
            raise Misconfigured(f"{field}.owner.{name}: {system!r} is neither {source} nor {sink}")
    return tuple(one for one in CustomerField if owner.get(one.value) == sink)
