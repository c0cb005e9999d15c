"""GraphQL: parse and validate with graphql-core, execute by a compiled projection.

A document becomes closures over plain records once and is kept by its text. graphql-core's own
executor would spend most of a simulated year on coroutine and type checks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from graphql import GraphQLError, parse, validate
from graphql.language import DocumentNode, OperationDefinitionNode

from syncline.connectors.shopify.simulator.compiler import SCHEMA, Compiler
from syncline.connectors.shopify.simulator.operation import Operation, Refused, Resolver
from syncline.connectors.shopify.simulator.refusals import of_parsing, of_validation

DOCUMENTS_MAX = 512


@lru_cache(maxsize=DOCUMENTS_MAX)
def _checked(text: str) -> DocumentNode:
    """A document that fits the schema; the same text is parsed once for all simulators of a process."""
    try:
        document = parse(text)
    except GraphQLError as error:
        raise Refused([of_parsing(error)], "unknown_field") from None
    errors = validate(SCHEMA, document)
    if errors:
        raise Refused(of_validation(SCHEMA, document, errors), "unknown_field")
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
