"""``metadata-catalog``: what record types there are, as JSON schema and as OpenAPI 3.0 (RB26.1, NS:section_1540810174).

True to this simulator: it names what is served and no more. A field's type is that of what a read answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from syncline.connectors.netsuite.simulator.errors import ApiError
from syncline.connectors.netsuite.simulator.fields import LINES, RECORDS

TRANSFORMS = {
    "salesOrder": ("itemFulfillment", "invoice", "returnAuthorization"),
    "returnAuthorization": ("itemReceipt",),
}
_RESOURCE = "application/vnd.oracle.resource+json; type="
_PLAIN = {"str": "string", "num": "number", "int": "integer", "bool": "boolean", "date": "string"}
# Fields that are computed, by the kind of what they hold; any other is a number.
_TEXTS = frozenset("id internalId refName linkedTrackingNumbers defaultAddress itemType".split())
_MOMENTS = frozenset("createdDate lastModifiedDate dateCreated".split())
_LINKS: dict[str, Any] = {"type": "array", "items": {"$ref": "#/components/schemas/nsLink"}}
_LINK = {"type": "object", "properties": {name: {"type": "string"} for name in ("rel", "href")}}
_ERROR = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "o:errorDetails": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    name: {"type": "string"}
                    for name in ("detail", "o:errorCode", "o:errorPath", "o:errorQueryParam", "o:errorHeader")
                },
            },
        },
    },
}


def _shape(name: str, kind: str, links: Mapping[str, Any]) -> dict[str, Any]:
    if name == "links":
        return dict(links)
    if kind in _PLAIN:
        date = {"format": "date"} if kind == "date" else {}
        return {"type": _PLAIN[kind], "nullable": True, **date}
    if kind.startswith("list:"):
        rows = {at: _shape(at, one, links) for at, one in LINES[kind[5:]].items()}
        lines = {"type": "array", "items": {"type": "object", "properties": {"links": dict(links), **rows}}}
        counts = {at: {"type": "integer"} for at in ("count", "offset", "totalResults")}
        return {
            "type": "object",
            "properties": {"links": dict(links), "items": lines, "hasMore": {"type": "boolean"}, **counts},
        }
    if kind.startswith("enum:") or name in ("status", "source"):
        known = {"enum": kind[5:].split("|")} if kind.startswith("enum:") else {}
        return _object(id={"type": "string", **known}, refName={"type": "string"})
    if kind == "ref" or name == "entity":
        texts = {at: {"type": "string"} for at in ("id", "externalId", "refName")}
        return _object(links=dict(links), **texts)
    if kind != "ro":
        return {"type": "object"}
    if name in _MOMENTS:
        return {"type": "string", "format": "date-time", "nullable": True}
    return {"type": "string" if name in _TEXTS else "number", "nullable": True}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def schema(record: str, links: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of one record type. ``links``: that of a list of links."""
    return {
        "type": "object",
        "properties": {
            name: _shape(name, kind, links)
            | ({} if kind == "obj" or kind.startswith("list:") else {"x-ns-filterable": True})
            for name, kind in RECORDS[record].items()
        },
    }


def catalog(
    parts: list[str],
    query: Mapping[str, str],
    headers: Mapping[str, str],
    origin: str,
) -> tuple[bytes, dict[str, str]]:
    """Answer ``metadata-catalog``: body and headers."""
    names = [parts[1]] if len(parts) > 1 else [x for x in query.get("select", "").split(",") if x]
    names = names or list(RECORDS)
    if unknown := [n for n in names if n not in RECORDS]:
        raise ApiError(404, "INVALID_REQUEST", f"Record type '{unknown[0]}' does not exist.")
    accept = headers.get("accept", "")
    if "schema+json" in accept and len(parts) > 1:
        answer: dict[str, Any] = {
            "$schema": "http://json-schema.org/draft-06/hyper-schema#",
            **schema(parts[1], {"type": "array", "items": _LINK}),
        }
        kind = "application/schema+json"
    elif "swagger+json" in accept:
        answer, kind = _openapi(names, origin), "application/swagger+json"
    else:
        entries = [{"name": n, "links": _described(origin, n)} for n in names]
        answer = {"items": entries} if len(parts) == 1 else entries[0]
        kind = "application/json"
    return msgspec.json.encode(answer), {"content-type": kind}


def _described(origin: str, record: str) -> list[dict[str, str]]:
    """Where a record type is described, in which forms, and where its records are."""
    base = f"{origin}/services/rest/record/v1"
    forms = ("canonical", "json"), ("alternate", "swagger+json"), ("alternate", "schema+json")
    return [
        *(
            {"rel": rel, "href": f"{base}/metadata-catalog/{record}", "mediaType": f"application/{form}"}
            for rel, form in forms
        ),
        {"rel": "describes", "href": f"{base}/{record}"},
    ]


def _openapi(names: list[str], origin: str) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for name in names:
        paths[f"/{name}"] = {
            "get": _operation(name, "200", "collection", "nsResourceCollection", q="string", **_PAGE),
            "post": _operation(name, "204", body=name),
        }
        wanted = {"expandSubResources": "boolean", "fields": "string", "simpleEnumFormat": "boolean"}
        paths[f"/{name}/{{id}}"] = {
            "parameters": [_ID],
            "get": _operation(name, "200", "singular", name, **wanted),
            "patch": _operation(name, "204", body=name, replace="string"),
            "put": _operation(name, "204", body=name, replace="string"),
            "delete": _operation(name, "204"),
        }
        for target in TRANSFORMS.get(name, ()):
            made = _operation(name, "204", body=target)
            paths[f"/{name}/{{id}}/!transform/{target}"] = {"parameters": [_ID], "post": made}
    described = {*names, *(target for name in names for target in TRANSFORMS.get(name, ()))}
    counts = {at: {"type": "integer"} for at in ("count", "offset", "totalResults")}
    resource = _object(links=_LINKS, id={"type": "string"})
    return {
        "openapi": "3.0.1",
        "info": {"title": "NetSuite REST Record API", "version": "v1"},
        "servers": [{"url": f"{origin}/services/rest/record/v1"}],
        "paths": paths,
        "components": {
            "schemas": {
                **{name: schema(name, _LINKS) for name in sorted(described)},
                "nsError": _ERROR,
                "nsLink": _LINK,
                "nsResource": resource,
                "nsResourceCollection": _object(
                    links=_LINKS,
                    items={"type": "array", "items": {"$ref": "#/components/schemas/nsResource"}},
                    hasMore={"type": "boolean"},
                    **counts,
                ),
            }
        },
    }


_PAGE = {"limit": "integer", "offset": "integer"}
_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}


def _operation(
    record: str, status: str, kind: str = "", answer: str = "", *, body: str = "", **asked: str
) -> dict[str, Any]:
    """One operation: what may be asked in its address, what it takes and what it answers."""
    done: dict[str, Any] = {"description": "Done."}
    if answer:
        done["content"] = {f"{_RESOURCE}{kind}": {"schema": {"$ref": f"#/components/schemas/{answer}"}}}
    refused = {"schema": {"$ref": "#/components/schemas/nsError"}}
    told: dict[str, Any] = {
        "tags": [record],
        "parameters": [{"name": name, "in": "query", "schema": {"type": of}} for name, of in asked.items()],
        "responses": {
            status: done,
            "default": {"description": "Refused.", "content": {f"{_RESOURCE}error": refused}},
        },
    }
    if body:
        given = {"schema": {"$ref": f"#/components/schemas/{body}"}}
        told["requestBody"] = {"content": {f"{_RESOURCE}singular": given}}
    return told
