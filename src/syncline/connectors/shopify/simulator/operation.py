"""A compiled operation: what a document asks for, what it costs, and its variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLNonNull
from graphql.language import FieldNode, VariableNode
from graphql.pyutils import Undefined

from syncline.connectors.shopify.simulator.coerce import Problems, TooManyItems, coercer
from syncline.connectors.shopify.simulator.limits import MUTATION_COST

Resolver = Callable[[Any, Any, dict[str, Any]], Any]  # (context, object, arguments) -> value
Complete = Callable[["Run", Any], Any]
CostOf = Callable[[Mapping[str, Any]], int]


class Refused(Exception):
    """A top-level error of the whole request: no ``data`` at all."""

    def __init__(self, errors: list[dict[str, Any]], kind: str) -> None:
        super().__init__(errors[0]["message"])
        self.errors = errors
        self.kind = kind


class FieldRefused(Exception):
    """A top-level error of one root field, which becomes null."""

    def __init__(self, message: str, code: str, **more: Any) -> None:
        super().__init__(message)
        self.message = message
        self.extensions = {"code": code, **more}


@dataclass(slots=True)
class Page:
    """What a connection resolver returns; cursors are made only where asked for."""

    nodes: list[Any]
    has_next: bool
    has_previous: bool
    cursor: Callable[[Any], str]


@dataclass(slots=True)
class Run:
    """One execution: the shop, the variables, and the cost of what was really returned."""

    context: Any
    variables: Mapping[str, Any]
    cost: int = 0


@dataclass(slots=True)
class RootField:
    """A root field, compiled."""

    key: str
    name: str
    nullable: bool
    node: FieldNode
    directives: list[tuple[str, dict[str, Any]]]
    arguments: Callable[[Mapping[str, Any]], dict[str, Any]]
    resolve: Resolver
    complete: Complete
    cost: CostOf
    included: Callable[[Mapping[str, Any]], bool]
    scopes: frozenset[str] = field(default_factory=frozenset)


@dataclass(slots=True)
class Operation:
    """A compiled operation."""

    is_mutation: bool
    roots: list[RootField]
    variables: list[tuple[str, Any, Any, tuple[int, int], str]]
    depends_on_variables: bool

    @property
    def label(self) -> str:
        """Root field names, as the ledger records them."""
        return "+".join(root.name for root in self.roots)

    def cost(self, variables: Mapping[str, Any]) -> int:
        """The requested cost."""
        total = sum(root.cost(variables) for root in self.roots if root.included(variables))
        return total + (MUTATION_COST * len(self.roots) if self.is_mutation else 0)

    def _too_many(self, variable: str, error: TooManyItems) -> dict[str, Any]:
        for root in self.roots:
            for argument in root.node.arguments or ():
                if isinstance(argument.value, VariableNode) and argument.value.name.value == variable:
                    return too_many(root.node, argument.name.value, error)
        return too_many(self.roots[0].node, variable, error)

    def coerce(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Variables by the schema.

        Raises:
            Refused: with `INVALID_VARIABLE` or `MAX_INPUT_SIZE_EXCEEDED`, as the vendor words it.
        """
        result: dict[str, Any] = {}
        for name, kind, default, (line, column), text in self.variables:
            if name not in given:
                if default is not Undefined:
                    result[name] = default
                    continue
                if not isinstance(kind, GraphQLNonNull):
                    continue
            value = given.get(name)
            problems: Problems = []
            try:
                result[name] = coercer(kind)(value, (), problems)
            except TooManyItems as error:
                raise Refused([self._too_many(name, error)], "over_array_limit") from None
            if problems:
                raise Refused([_variable_error(name, text, value, problems, line, column)], "unknown_field")
        return result


def too_many(node: FieldNode, argument: str, error: TooManyItems) -> dict[str, Any]:
    """An array that is too long, told of the field and the argument that it is given to (live answers of 2026-04)."""
    start = node.loc.start_token if node.loc else None
    return {
        "message": str(error),
        "locations": [{"line": start.line, "column": start.column}] if start else [],
        "path": [(node.alias or node.name).value, argument, *error.path],
        "extensions": {"code": "MAX_INPUT_SIZE_EXCEEDED"},
    }


def _variable_error(
    name: str, kind: str, value: Any, problems: Problems, line: int, column: int
) -> dict[str, Any]:
    message = f"Variable ${name} of type {kind} was provided invalid value"
    told = ", ".join(f"{'.'.join(path)} ({why})" for path, why in problems if path)
    return {
        "message": f"{message} for {told}" if told else message,
        "locations": [{"line": line, "column": column}],
        "extensions": {
            "code": "INVALID_VARIABLE",
            "value": value,
            "problems": [
                {"path": [int(p) if p.isdigit() else p for p in path], "explanation": why}
                for path, why in problems
            ],
        },
    }
