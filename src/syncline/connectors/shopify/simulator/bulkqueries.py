"""Bulk operations of queries: one document, every page of its connections, and a file with a line for each object.

What is refused and its words: live answers of 2026-04. Lines and ``__parentId``: shopify.dev "bulk-operations/queries". Assumed: how
long one takes; that the data is that of its end; that children follow their parents whether or not they are to be grouped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from graphql import GraphQLList, GraphQLNonNull, GraphQLObjectType, OperationType, get_named_type, parse
from graphql.language import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

if TYPE_CHECKING:
    from syncline.connectors.shopify.simulator import ShopifySimulator

from syncline.connectors.shopify.simulator.bulk import FIRST_S, in_progress
from syncline.connectors.shopify.simulator.compiler import SCHEMA
from syncline.connectors.shopify.simulator.operation import Refused
from syncline.connectors.shopify.simulator.records import BulkOperation
from syncline.connectors.shopify.simulator.search import WHOLE

TEXT_MAX = 65_535
CONNECTIONS_MAX, DEPTH_MAX = 5, 2


class _Shape:
    """What a bulk query asks for, as far as it decides whether it may run."""

    def __init__(self, document: DocumentNode) -> None:
        self._fragments = {
            one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)
        }
        self.connections = self.deepest = 0
        self.by_nodes: list[str] = []
        self.without_id: list[str] = []
        self.parents: set[str] = set()  # connections in whose nodes others were found
        self.in_lists = self.top_level_node = False
        for one in document.definitions:
            if isinstance(one, OperationDefinitionNode) and SCHEMA.query_type:
                self.top_level_node |= any(
                    name in ("node", "nodes") for name, _ in self._names(one.selection_set)
                )
                self._look(SCHEMA.query_type, one.selection_set, 0, "")

    def _names(self, selections: SelectionSetNode | None) -> list[tuple[str, FieldNode]]:
        found: list[tuple[str, FieldNode]] = []
        for one in selections.selections if selections else ():
            if isinstance(one, FieldNode):
                found.append((one.name.value, one))
            elif isinstance(one, InlineFragmentNode):
                found += self._names(one.selection_set)
            elif isinstance(one, FragmentSpreadNode) and one.name.value in self._fragments:
                found += self._names(self._fragments[one.name.value].selection_set)
        return found

    def _look(
        self, kind: Any, at: SelectionSetNode | None, depth: int, inside: str, *, listed: bool = False
    ) -> None:
        """Looks for connections in what is chosen of a type, inside of another connection's nodes or of none."""
        for name, node in self._names(at):
            field = getattr(kind, "fields", {}).get(name)
            if field is None:
                continue
            inner = get_named_type(field.type)
            if inner.name.endswith("Connection"):
                self.connections += 1
                self.deepest = max(self.deepest, depth)
                self.in_lists |= listed
                self.parents.add(inside)
                self._contents(name, inner, node, depth)
            else:
                bare = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
                several = listed or isinstance(bare, GraphQLList)
                self._look(inner, node.selection_set, depth, inside, listed=several)

    def _contents(self, name: str, kind: GraphQLObjectType, node: FieldNode, depth: int) -> None:
        of = get_named_type(kind.fields["nodes"].type)
        for part, at in self._names(node.selection_set):
            if part == "nodes":
                self.by_nodes.append(name)
                self._look(of, at.selection_set, depth + 1, name)
            for chosen in (
                [x for n, x in self._names(at.selection_set) if n == "node"] if part == "edges" else ()
            ):
                before, self.parents = self.parents, set()
                self._look(of, chosen.selection_set, depth + 1, name)
                fields = self._names(chosen.selection_set)
                if name in self.parents and not any(n == "id" and x.alias is None for n, x in fields):
                    self.without_id.append(name)
                self.parents = before

    def problems(self) -> list[str]:
        """Why it may not run."""
        found = []
        if self.top_level_node:
            found.append("Bulk queries cannot contain a top level `node` field.")
        if not self.connections:
            found.append("Bulk queries must contain at least one connection.")
        if self.by_nodes:
            first, names = self.by_nodes[0], ", ".join(dict.fromkeys(self.by_nodes))
            found.append(
                "All connection fields in a bulk query must select their contents using 'edges' > 'node', e.g: "
                f"'{first} {{ edges {{ node {{'. Selecting via 'nodes' is not supported. Invalid connection fields: '{names}'."
            )
        if self.connections > CONNECTIONS_MAX:
            found.append(f"Bulk queries cannot contain more than {CONNECTIONS_MAX} connections.")
        if self.deepest > DEPTH_MAX:
            found.append(
                f"Bulk queries cannot contain connections with a nesting depth greater than {DEPTH_MAX}."
            )
        if self.in_lists:
            found.append(
                "Queries that contain a connection field within a list field are not currently supported."
            )
        if self.without_id:
            found.append(
                "The parent 'node' field for a nested connection must select the 'id' field without an alias and must be of "
                f"'ID' return type. Connection fields without 'id': {', '.join(dict.fromkeys(self.without_id))}."
            )
        return found


def run_query(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`bulkOperationRunQuery`."""
    text = arguments["query"]
    problems = _problems(shop, text)
    if problems:
        errors = [{"field": ["query"], "message": one, "code": "INVALID"} for one in problems]
        return {"bulkOperation": None, "userErrors": errors}
    busy = in_progress(shop, "query")
    if busy:
        error = {"field": None, "message": busy, "code": "OPERATION_IN_PROGRESS"}
        return {"bulkOperation": None, "userErrors": [error]}
    operation = BulkOperation(shop.state.new_id(), text, shop.clock.now_ms(), [], kind="QUERY")
    shop.state.bulk[operation.id] = operation
    shop.clock.after(FIRST_S / 2, lambda: _begin(operation))
    shop.clock.after(FIRST_S, lambda: _complete(shop, operation))
    shop.applied(1)
    return {"bulkOperation": operation, "userErrors": []}


def _problems(shop: ShopifySimulator, text: str) -> list[str]:
    size = len(text.encode())
    if size > TEXT_MAX:
        return [f"Query is too large ({size} bytes; maximum is {TEXT_MAX} bytes)"]
    try:
        shop.http.engine.operation(text, None)
    except Refused as error:
        return [f"Invalid bulk query: {str(error).partition(' at [')[0]}"]
    document = parse(text)
    kinds = {one.operation for one in document.definitions if isinstance(one, OperationDefinitionNode)}
    if kinds != {OperationType.QUERY}:
        return ["Invalid operation type. Only `query` operations are supported."]
    return _Shape(document).problems()


def _begin(operation: BulkOperation) -> None:
    operation.status = "RUNNING"


def _complete(shop: ShopifySimulator, operation: BulkOperation) -> None:
    if shop.bulk.hangs:
        shop.clock.after(FIRST_S, lambda: _complete(shop, operation))
        return
    query = shop.http.engine.operation(operation.query, None)
    every = WHOLE.set(True)
    try:
        body = shop.http.line(query, {})
    finally:
        WHOLE.reset(every)
    operation.completed_ms = shop.clock.now_ms()
    if "errors" in body:
        code = body["errors"][0].get("extensions", {}).get("code")
        operation.status = "FAILED"
        operation.error = code if code == "ACCESS_DENIED" else "INTERNAL_SERVER_ERROR"
        return
    lines: list[dict[str, Any]] = []
    roots: list[Any] = []
    _without(body["data"], roots)
    for root in roots:
        _lines(root, None, lines)
    operation.roots = sum("__parentId" not in line for line in lines)
    operation.objects, operation.status = len(lines), "COMPLETED"
    if lines:  # no objects, no file
        operation.result = b"\n".join(map(msgspec.json.encode, lines)) + b"\n"


def _lines(value: Any, parent: str | None, out: list[dict[str, Any]]) -> None:
    """Every object of a connection as a line, and what hangs on it after it."""
    for edge in value["edges"]:
        held: list[Any] = []
        line = _without(edge["node"], held)
        out.append(line | ({"__parentId": parent} if parent else {}))
        for inside in held:
            _lines(inside, line["id"], out)


def _without(value: Any, held: list[Any]) -> Any:
    """A value without its connections, which are held for later."""
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, inside in value.items():
        if isinstance(inside, dict) and "edges" in inside:
            held.append(inside)
        else:
            kept[name] = _without(inside, held)
    return kept
