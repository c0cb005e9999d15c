"""What an API says of itself: the service document, and ``$metadata`` as EDMX.

Microsoft, "API (v2.0) for Business Central"; OASIS, "OData Version 4.0 Part 3: Common Schema Definition Language".
Of the entities and fields that are simulated, not of all that the product has.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

from syncline.connectors.business_central.simulator.odata import EDM
from syncline.connectors.business_central.simulator.schema import ENTITIES, Entity, Field

NAMESPACE = "Microsoft.NAV"


def service(context: str, api: str) -> dict[str, object]:
    """The service document: the entity sets of an API."""
    return {
        "@odata.context": f"{context}/$metadata",
        "value": [{"name": x.name, "kind": "EntitySet", "url": x.name} for x in _sets(api)],
    }


def edmx(api: str) -> bytes:
    """``$metadata`` of an API."""
    sets = _sets(api)
    types = "".join(_type(entity, api) for entity in sets)
    options = {field.enum: field for entity in sets for field in entity.fields.values() if field.values}
    enums = "".join(_enum(name, field) for name, field in options.items())
    actions = "".join(_action(entity, name) for entity in sets for name in entity.actions)
    named = "".join(
        f'<EntitySet Name="{x.name}" EntityType="{NAMESPACE}.{x.singular}">{_bindings(x, api)}</EntitySet>'
        for x in sets
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
        f'<Schema Namespace="{NAMESPACE}" xmlns="http://docs.oasis-open.org/odata/ns/edm">'
        f'{types}{enums}{actions}<EntityContainer Name="NAV">{named}</EntityContainer>'
        "</Schema></edmx:DataServices></edmx:Edmx>"
    ).encode()


def _sets(api: str) -> list[Entity]:
    return [x for x in ENTITIES.values() if x.api == api or x.name == "companies"]


def _property(name: str, field: Field) -> str:
    kind = f"{NAMESPACE}.{field.enum}" if field.values else EDM[field.kind]
    size = f' MaxLength="{field.size}"' if field.size else ""
    scale = ' Scale="Variable"' if field.kind == "decimal" else ""
    key = ' Nullable="false"' if name == "id" else ""
    return f"<Property Name={quoteattr(name)} Type={quoteattr(kind)}{size}{scale}{key}/>"


def _navigations(entity: Entity, api: str) -> Iterable[tuple[str, str, bool]]:
    """Name, entity set and whether it leads to many."""
    if entity.name == "companies":
        yield from ((x.name, x.name, True) for x in _sets(api) if x is not entity)
    yield from ((name, name, True) for name in entity.many)
    yield from ((name, target, False) for name, (target, _) in entity.one.items())


def _type(entity: Entity, api: str) -> str:
    fields = "".join(_property(name, field) for name, field in entity.fields.items())
    leads = ""
    for name, target, many in _navigations(entity, api):
        kind = f"{NAMESPACE}.{ENTITIES[target].singular}"
        shown = f"Collection({kind})" if many else kind
        leads += f'<NavigationProperty Name="{name}" Type="{shown}" ContainsTarget="true"/>'
    return f'<EntityType Name="{entity.singular}"><Key><PropertyRef Name="id"/></Key>{fields}{leads}</EntityType>'


def _bindings(entity: Entity, api: str) -> str:
    return "".join(
        f'<NavigationPropertyBinding Path="{name}" Target="{target}"/>'
        for name, target, _ in _navigations(entity, api)
    )


def _enum(name: str, field: Field) -> str:
    members = "".join(f'<Member Name="{value}" Value="{n}"/>' for n, value in enumerate(field.values))
    return f'<EnumType Name="{name}">{members}</EnumType>'


def _action(entity: Entity, name: str) -> str:
    bound = f'<Parameter Name="bindingParameter" Type="{NAMESPACE}.{entity.singular}"/>'
    return f'<Action Name="{name.rpartition(".")[2]}" IsBound="true">{bound}</Action>'
