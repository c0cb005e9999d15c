"""GraphQL: parse and validate with graphql-core, execute by a compiled projection.

A document becomes closures over plain records once and is kept by its text. graphql-core's own
executor would spend most of a simulated year on coroutine and type checks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from graphql import GraphQLError, parse, validate
from graphql.language import DocumentNode, OperationDefinitionNode

from syncline.connectors.shopify.simulator.compiler import SCHEMA, Compiler
from syncline.connectors.shopify.simulator.operation import Operation, Refused, Resolver

DOCUMENTS_MAX = 512

# -- validation errors in the vendor's words

_SAYINGS: list[tuple[re.Pattern[str], str, str]] = [
    (
        re.compile(r"Cannot query field '(\w+)' on type '(\w+)'"),
        "Field '{0}' doesn't exist on type '{1}'",
        "undefinedField",
    ),
    (
        re.compile(r"Unknown argument '(\w+)' on field '\w+\.(\w+)'"),
        "Field '{1}' doesn't accept argument '{0}'",
        "argumentNotAccepted",
    ),
    (
        re.compile(r"Field '(\w+)' argument '(\w+)' of type"),
        "Field '{0}' is missing required arguments: {1}",
        "missingRequiredArguments",
    ),
    (
        re.compile(r"Field '(\w+)' is not defined by type '(\w+)'"),
        "InputObject '{1}' doesn't accept argument '{0}'",
        "argumentNotAccepted",
    ),
    (
        re.compile(r"Unknown directive '@(\w+)'"),
        "Directive @{0} is not defined",
        "undefinedDirective",
    ),
    (
        re.compile(r"Variable '\$(\w+)' is not defined"),
        "Variable ${0} is used but not declared",
        "variableNotDefined",
    ),
    (
        re.compile(r"Variable '\$(\w+)' is never used"),
        "Variable ${0} is declared but not used",
        "variableNotUsed",
    ),
]


def _validation_error(error: GraphQLError) -> dict[str, Any]:
    message, code = error.message, "invalid"
    for pattern, saying, its_code in _SAYINGS:
        found = pattern.search(error.message)
        if found:
            message, code = saying.format(*found.groups()), its_code
            break
    places = [{"line": at.line, "column": at.column} for at in error.locations or ()]
    return {"message": message, "locations": places, "extensions": {"code": code}}


@lru_cache(maxsize=DOCUMENTS_MAX)
def _checked(text: str) -> DocumentNode:
    """A document that fits the schema; the same text is parsed once for all simulators of a process."""
    try:
        document = parse(text)
    except GraphQLError as error:
        places = [{"line": at.line, "column": at.column} for at in error.locations or ()]
        told = {"message": error.message, "locations": places, "extensions": {"code": "parseError"}}
        raise Refused([told], "unknown_field") from None
    errors = validate(SCHEMA, document)
    if errors:
        raise Refused([_validation_error(error) for error in errors], "unknown_field")
    return document


class Engine:
    """Compiled documents over one table of resolvers."""

    def __init__(
        self,
        resolvers: Mapping[str, Mapping[str, Resolver]],
        type_of: Callable[[Any], str],
        scopes: Mapping[tuple[str, str], frozenset[str]],
    ) -> None:
        self._resolvers = resolvers
        self._type_of = type_of
        self._scopes = scopes
        self._operations: dict[tuple[str, str | None], Operation] = {}

    def operation(self, text: str, name: str | None) -> Operation:
        """The compiled operation of a document.

        Raises:
            Refused: the document does not parse or does not fit the schema.
        """
        key = (text, name)
        found = self._operations.get(key)
        if found is None:
            if len(self._operations) >= DOCUMENTS_MAX:
                self._operations.pop(next(iter(self._operations)))
            found = self._operations[key] = self._compile(text, name)
        return found

    def _compile(self, text: str, name: str | None) -> Operation:
        document = _checked(text)
        operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
        if name:
            operations = [d for d in operations if d.name and d.name.value == name]
        if len(operations) != 1:
            told = {
                "message": "An operation name is required" if not name else f'No operation named "{name}"'
            }
            raise Refused([told], "unknown_field")
        return Compiler(document, self._resolvers, self._type_of, self._scopes).operation(operations[0])
