"""From selection sets to closures: projection and cost of every field, worked out once a document."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from graphql import (
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    build_schema,
    execute_sync,
    is_leaf_type,
)
from graphql.language import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    OperationDefinitionNode,
    SelectionSetNode,
)
from graphql.pyutils import Undefined
from graphql.utilities import type_from_ast

from syncline.connectors.shopify.simulator.coerce import Problems, TooManyItems, coercer, literal
from syncline.connectors.shopify.simulator.limits import connection_cost, page_factor
from syncline.connectors.shopify.simulator.operation import (
    Complete,
    CostOf,
    Operation,
    Page,
    Refused,
    Resolver,
    RootField,
    Run,
    too_many,
)

SCHEMA: GraphQLSchema = build_schema(Path(__file__).with_name("schema.graphql").read_text("utf-8"))
# These objects cost nothing: money, page information and errors (measured on 2026-04: an order with
# three money bags costs 1, a mutation's payload and its direct record cost nothing beyond the 10).
FREE_TYPES = frozenset({"MoneyBag", "MoneyV2", "PageInfo", "UserError"})


class Compiler:
    """Turns one document's selection sets into closures over records."""

    def __init__(
        self,
        document: DocumentNode,
        resolvers: Mapping[str, Mapping[str, Resolver]],
        type_of: Callable[[Any], str],
        scopes: Mapping[tuple[str, str], frozenset[str]],
    ) -> None:
        self._fragments = {
            d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)
        }
        self._resolvers = resolvers
        self._type_of = type_of
        self._scopes = scopes
        self._needed: set[str] = set()
        self._label = ""

    def operation(self, node: OperationDefinitionNode) -> Operation:
        is_mutation = node.operation.value == "mutation"
        self._label = f"{node.operation.value} {node.name.value}" if node.name else node.operation.value
        root_type = SCHEMA.mutation_type if is_mutation else SCHEMA.query_type
        if root_type is None or node.operation.value == "subscription":
            raise Refused([{"message": "Schema is not configured for subscriptions"}], "unknown_field")
        roots = [
            self._about(root_type, key, nodes, node)
            if nodes[0].name.value.startswith("__")
            else self._root(root_type, key, nodes, is_mutation)
            for key, nodes in self._collect(root_type, [node.selection_set]).items()
        ]
        variables = []
        for definition in node.variable_definitions or ():
            kind = type_from_ast(SCHEMA, definition.type)
            assert kind is not None
            default: Any = Undefined
            if definition.default_value is not None:
                problems: Problems = []
                default = coercer(kind)(literal(definition.default_value, {}), (), problems)  # type: ignore[arg-type]
            at = definition.loc.start_token if definition.loc else None
            place = (at.line, at.column) if at else (1, 1)
            variables.append((definition.variable.name.value, kind, default, place, str(kind)))
        return Operation(is_mutation, roots, variables, depends_on_variables=bool(variables))

    def _root(self, parent: GraphQLObjectType, key: str, nodes: list[FieldNode], mutation: bool) -> RootField:
        node = nodes[0]
        name = node.name.value
        self._needed = set()
        definition = parent.fields[name]
        if mutation:
            # The payload and the records directly in it are part of a mutation's ten points.
            selections = [n.selection_set for n in nodes if n.selection_set]
            complete, cost = self._object(_object_type(definition.type), selections, charge=0, inner_charge=0)
        else:
            complete, cost = self._value(definition.type, nodes)
        directives = []
        for directive in node.directives or ():
            arguments = {a.name.value: a.value for a in directive.arguments or ()}
            directives.append((directive.name.value, arguments))
        scopes = self._scopes.get((parent.name, name), frozenset())
        return RootField(
            key=key,
            name=name,
            nullable=not isinstance(definition.type, GraphQLNonNull),
            node=node,
            directives=directives,
            arguments=self._arguments(definition.args, node),
            resolve=self._resolvers[parent.name][name],
            complete=complete,
            cost=cost,
            included=_inclusion(nodes),
            scopes=scopes | self._needed,
        )

    def _about(
        self, parent: GraphQLObjectType, key: str, nodes: list[FieldNode], operation: OperationDefinitionNode
    ) -> RootField:
        """What the schema tells of itself; it costs nothing here."""
        if nodes[0].name.value == "__typename":
            value: Any = parent.name
        else:
            only = OperationDefinitionNode(
                operation=operation.operation,
                variable_definitions=operation.variable_definitions,
                selection_set=SelectionSetNode(selections=tuple(nodes)),
            )
            told = execute_sync(SCHEMA, DocumentNode(definitions=(only, *self._fragments.values())))
            value = (told.data or {}).get(key)
        return RootField(
            key=key,
            name=nodes[0].name.value,
            nullable=True,
            node=nodes[0],
            directives=[],
            arguments=lambda _: {},
            resolve=_constant(value),
            complete=_leaf,
            cost=_nothing,
            included=_inclusion(nodes),
        )

    # -- values

    def _value(
        self, kind: GraphQLOutputType, nodes: list[FieldNode], charge: int | None = None
    ) -> tuple[Complete, CostOf]:
        inner = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
        if isinstance(inner, GraphQLList):
            one, cost = self._value(inner.of_type, nodes, charge)

            def each(run: Run, value: Any) -> Any:
                if value is None:
                    return None
                before = run.cost
                result = [one(run, item) for item in value]
                # A list counts as one object however long it is (measured on 2026-04).
                if result:
                    run.cost = before + (run.cost - before) // len(result)
                return result

            return each, cost
        if is_leaf_type(inner):
            return _leaf, _nothing
        selections = [n.selection_set for n in nodes if n.selection_set]
        if isinstance(inner, GraphQLInterfaceType):
            return self._interface(inner, selections)
        assert isinstance(inner, GraphQLObjectType)
        if inner.name.endswith("Connection"):
            return self._connection(inner, selections, nodes[0])
        return self._object(inner, selections, charge)

    def _object(
        self,
        kind: GraphQLObjectType,
        selections: list[SelectionSetNode],
        charge: int | None = None,
        inner_charge: int | None = None,
    ) -> tuple[Complete, CostOf]:
        project, cost_inside = self._projection(kind, selections, inner_charge)
        own = charge if charge is not None else 1
        if kind.name in FREE_TYPES or kind.name.endswith("UserError"):
            own = 0

        def complete(run: Run, value: Any) -> Any:
            if value is None:
                return None
            run.cost += own
            return project(run, value)

        return complete, lambda variables: own + cost_inside(variables)

    def _interface(
        self, kind: GraphQLInterfaceType, selections: list[SelectionSetNode]
    ) -> tuple[Complete, CostOf]:
        plans: dict[str, Complete] = {}
        costs: list[CostOf] = []
        for possible in SCHEMA.get_possible_types(kind):
            plans[possible.name], cost = self._object(possible, selections)
            costs.append(cost)
        type_of = self._type_of

        def complete(run: Run, value: Any) -> Any:
            return None if value is None else plans[type_of(value)](run, value)

        return complete, lambda variables: max(cost(variables) for cost in costs)

    def _connection(
        self, kind: GraphQLObjectType, selections: list[SelectionSetNode], node: FieldNode
    ) -> tuple[Complete, CostOf]:
        entries: list[tuple[str, str, Any]] = []
        costs: list[CostOf] = []
        for key, nodes in self._collect(kind, selections).items():
            name = nodes[0].name.value
            inner = [n.selection_set for n in nodes if n.selection_set]
            if name == "__typename":
                entries.append((key, name, kind.name))
            elif name == "nodes":
                complete, cost = self._value(_item_type(kind.fields["nodes"].type), nodes)
                entries.append((key, name, _each(complete)))
                costs.append(cost)
            elif name == "edges":
                edge_type = _named(kind.fields["edges"].type)
                assert isinstance(edge_type, GraphQLObjectType)
                project, cost = self._edge(edge_type, inner)
                entries.append((key, name, project))
                costs.append(cost)
            else:
                info, _ = self._projection(_object_type(kind.fields[name].type), inner)
                entries.append((key, name, info))
        size_of = _page_size(node)

        def complete_page(run: Run, page: Page) -> dict[str, Any]:
            result: dict[str, Any] = {}
            before = run.cost
            for key, name, plan in entries:
                if name in {"nodes", "edges"}:
                    result[key] = plan(run, page)
                elif name == "__typename":
                    result[key] = plan
                else:
                    result[key] = plan(run, page)
            count = len(page.nodes)
            inside = run.cost - before
            if count:
                inside = inside * page_factor(count) // count
            run.cost = before + 2 + inside
            return result

        def cost_of(variables: Mapping[str, Any]) -> int:
            child = sum(cost(variables) for cost in costs)
            return connection_cost(size_of(variables), child)

        return complete_page, cost_of

    def _edge(
        self, kind: GraphQLObjectType, selections: list[SelectionSetNode]
    ) -> tuple[Callable[[Run, Page], list[dict[str, Any]]], CostOf]:
        plans: list[tuple[str, Complete | None]] = []
        costs: list[CostOf] = []
        for key, nodes in self._collect(kind, selections).items():
            if nodes[0].name.value == "node":
                complete, cost = self._value(kind.fields["node"].type, nodes)
                plans.append((key, complete))
                costs.append(cost)
            elif nodes[0].name.value == "cursor":
                plans.append((key, None))

        def project(run: Run, page: Page) -> list[dict[str, Any]]:
            return [
                {key: page.cursor(node) if plan is None else plan(run, node) for key, plan in plans}
                for node in page.nodes
            ]

        return project, lambda variables: sum(cost(variables) for cost in costs)

    def _projection(
        self, kind: GraphQLObjectType, selections: list[SelectionSetNode], charge: int | None = None
    ) -> tuple[Callable[[Run, Any], dict[str, Any]], CostOf]:
        table = self._resolvers.get(kind.name, {})
        plans: list[tuple[str, Resolver, Any, Complete | None, Any]] = []
        costs: list[CostOf] = []
        for key, nodes in self._collect(kind, selections).items():
            name = nodes[0].name.value
            if name == "__typename":
                plans.append((key, _constant(kind.name), None, None, None))
                continue
            definition = kind.fields[name]
            self._needed |= self._scopes.get((kind.name, name), frozenset())
            complete, cost = self._value(definition.type, nodes, charge)
            arguments = self._arguments(definition.args, nodes[0]) if definition.args else None
            included = _inclusion(nodes)
            plans.append(
                (
                    key,
                    table[name],
                    arguments,
                    None if complete is _leaf else complete,
                    None if included is _always else included,
                ),
            )
            if cost is not _nothing:
                costs.append(cost)
        nothing: dict[str, Any] = {}

        def cost_of(variables: Mapping[str, Any]) -> int:
            return sum(cost(variables) for cost in costs)

        leaves = [(key, resolve) for key, resolve, *rest in plans if rest == [None, None, None]]
        if len(leaves) == len(plans):  # no arguments, nothing inside, nothing left out: most objects

            def project_leaves(run: Run, value: Any) -> dict[str, Any]:
                context = run.context
                return {key: resolve(context, value, nothing) for key, resolve in leaves}

            return project_leaves, cost_of

        def project(run: Run, value: Any) -> dict[str, Any]:
            result: dict[str, Any] = {}
            context = run.context
            for key, resolve, arguments, complete, included in plans:
                if included is not None and not included(run.variables):
                    continue
                given = nothing if arguments is None else arguments(run.variables)
                found = resolve(context, value, given)
                result[key] = found if complete is None else complete(run, found)
            return result

        return project, cost_of

    # -- selection sets

    def _collect(
        self, kind: GraphQLObjectType, selections: Iterable[SelectionSetNode]
    ) -> dict[str, list[FieldNode]]:
        fields: dict[str, list[FieldNode]] = {}
        for selection_set in selections:
            self._collect_into(kind, selection_set, fields)
        return fields

    def _collect_into(
        self,
        kind: GraphQLObjectType,
        selection_set: SelectionSetNode,
        fields: dict[str, list[FieldNode]],
        conditions: tuple[DirectiveNode, ...] = (),
    ) -> None:
        for node in selection_set.selections:
            if isinstance(node, FieldNode):
                key = node.alias.value if node.alias else node.name.value
                # A fragment's conditions are those of its fields.
                fields.setdefault(key, []).append(_under(node, conditions) if conditions else node)
                continue
            fragment: Any = node
            if node.kind == "fragment_spread":
                fragment = self._fragments[node.name.value]  # type: ignore[attr-defined]
            condition = fragment.type_condition
            if condition is not None:
                target = SCHEMA.get_type(condition.name.value)
                applies = target is kind or target in kind.interfaces
                if not applies:
                    continue
            self._collect_into(kind, fragment.selection_set, fields, (*conditions, *(node.directives or ())))

    def _arguments(
        self, definitions: Mapping[str, Any], node: FieldNode
    ) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
        given = {a.name.value: a.value for a in node.arguments or ()}
        constant: dict[str, Any] = {}
        variable: list[tuple[str, Any, Any, Any]] = []
        for name, definition in definitions.items():
            if name in given:
                if _has_variable(given[name]):
                    variable.append((name, given[name], coercer(definition.type), definition.default_value))
                else:
                    constant[name] = self._literal(definition.type, given[name], name, node)
            elif definition.default_value is not Undefined:
                constant[name] = definition.default_value
        if not variable:
            return lambda _: constant

        def arguments(variables: Mapping[str, Any]) -> dict[str, Any]:
            result = dict(constant)
            for name, value_node, coerce, default in variable:
                if value_node.kind == "variable":  # coerced with the operation's variables already
                    value = variables.get(value_node.name.value, default)
                else:
                    value = coerce(literal(value_node, variables), (name,), [])
                if value is not Undefined:
                    result[name] = value
            return result

        return arguments

    def _literal(self, kind: Any, value: Any, name: str, node: FieldNode) -> Any:
        problems: Problems = []
        plain = literal(value, {})
        try:
            result = coercer(kind)(plain, (), problems)
        except TooManyItems as error:
            raise Refused([too_many(node, name, error)], "over_array_limit") from None
        if problems:
            start = node.loc.start_token if node.loc else None
            told = {
                "message": problems[0][1],
                "locations": [{"line": start.line, "column": start.column}] if start else [],
                "path": [self._label, (node.alias or node.name).value, name],
                "extensions": {"code": "argumentLiteralsIncompatible", "typeName": "CoercionError"},
            }
            raise Refused([told], "unknown_field")
        return result


def _under(node: FieldNode, conditions: tuple[DirectiveNode, ...]) -> FieldNode:
    return FieldNode(
        alias=node.alias,
        name=node.name,
        arguments=node.arguments,
        directives=(*(node.directives or ()), *conditions),
        selection_set=node.selection_set,
        loc=node.loc,
    )


def _leaf(_run: Run, value: Any) -> Any:
    return value


def _nothing(_variables: Mapping[str, Any]) -> int:
    return 0


def _always(_variables: Mapping[str, Any]) -> bool:
    return True


def _constant(value: Any) -> Resolver:
    return lambda _context, _object, _arguments: value


def _each(complete: Complete) -> Callable[[Run, Page], list[Any]]:
    return lambda run, page: [complete(run, node) for node in page.nodes]


def _item_type(kind: Any) -> Any:
    """The type inside ``[T!]!``, so that a page is not charged by the rule for plain lists."""
    while not isinstance(kind, GraphQLList):
        kind = kind.of_type
    return kind.of_type


def _named(kind: Any) -> Any:
    while isinstance(kind, GraphQLNonNull | GraphQLList):
        kind = kind.of_type
    return kind


def _object_type(kind: Any) -> GraphQLObjectType:
    named = _named(kind)
    assert isinstance(named, GraphQLObjectType)
    return named


def _has_variable(node: Any) -> bool:
    if node.kind == "variable":
        return True
    if node.kind == "list_value":
        return any(_has_variable(value) for value in node.values)
    if node.kind == "object_value":
        return any(_has_variable(field.value) for field in node.fields)
    return False


def _page_size(node: FieldNode) -> Callable[[Mapping[str, Any]], int]:
    sizes = [a.value for a in node.arguments or () if a.name.value in {"first", "last"}]

    def size(variables: Mapping[str, Any]) -> int:
        given = [literal(value, variables) for value in sizes]
        numbers = [number for number in given if isinstance(number, int)]
        return max(numbers, default=0)

    return size


def _inclusion(nodes: list[FieldNode]) -> Callable[[Mapping[str, Any]], bool]:
    """A field is there if any of the places that ask for it is."""
    ways: list[list[tuple[Any, bool]]] = []
    for node in nodes:
        conditions: list[tuple[Any, bool]] = []
        for directive in node.directives or ():
            if directive.name.value in {"include", "skip"}:
                wanted = directive.name.value == "include"
                conditions.extend((a.value, wanted) for a in directive.arguments or ())
        if not conditions:
            return _always
        ways.append(conditions)
    return lambda variables: any(
        all(literal(node, variables) is wanted for node, wanted in conditions) for conditions in ways
    )
