"""What is wrong with a document, in the vendor's words: message, code, what it is about, and the path to it.

Sentences, codes and paths are those of live answers of 2026-04; codes that no answer showed are graphql-ruby's, which Shopify runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    get_named_type,
    visit,
)
from graphql.language import DocumentNode, FieldNode, Node, OperationDefinitionNode, Visitor, print_ast

Told = tuple[str, str, dict[str, Any]]  # message, code, what else the extensions say
Words = re.Match[str]


Owner = tuple[str, str, Node | None]  # what has arguments: its kind, its name, and where it stands


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node stands: the path to it, its operation, whose argument it is, and what type is wanted there."""

    path: tuple[str, ...] = ()
    operation: OperationDefinitionNode | None = None
    owner: Owner = ("", "", None)
    input_type: str = ""
    wants: Mapping[str, str] = field(default_factory=dict)  # of an input object: its fields' types

    @property
    def by(self) -> str:
        """The operation as a sentence names it."""
        if self.operation is None:
            return "anonymous query"
        name = self.operation.name
        return name.value if name else f"anonymous {self.operation.operation.value}"


class _Places(Visitor):
    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self.of: dict[int, _Place] = {}
        self._info = info
        self._path: list[str] = []
        self._operation: OperationDefinitionNode | None = None
        self._owners: list[Owner] = []

    def enter(self, node: Node, *_: Any) -> None:
        label = _label(node)
        if isinstance(node, OperationDefinitionNode):
            self._operation = node
        if label is not None:
            self._path.append(label)
        owner = self._owners[-1] if self._owners else ("", "", None)
        wanted = self._info.get_input_type()
        kind = None if wanted is None else get_named_type(wanted)
        fields = kind.fields if isinstance(kind, GraphQLInputObjectType) else {}
        wants = {name: str(one.type) for name, one in fields.items()}
        told = "" if wanted is None else str(wanted)
        self.of[id(node)] = _Place(tuple(self._path), self._operation, owner, told, wants)
        if isinstance(node, FieldNode):
            self._owners.append(("Field", node.name.value, node))
        elif node.kind == "object_value":
            self._owners.append(("InputObject", str(kind or ""), node))

    def leave(self, node: Node, *_: Any) -> None:
        if _label(node) is not None:
            self._path.pop()
        if node.kind in {"field", "object_value"}:
            self._owners.pop()


def _label(node: Any) -> str | None:
    kind = node.kind
    if kind == "operation_definition":
        return f"{node.operation.value} {node.name.value}" if node.name else str(node.operation.value)
    if kind == "fragment_definition":
        return f"fragment {node.name.value}"
    if kind == "field":
        return str((node.alias or node.name).value)
    if kind == "inline_fragment":
        return f"... on {node.type_condition.name.value}" if node.type_condition else "..."
    return str(node.name.value) if kind in {"argument", "object_field"} else None


def _undefined_field(found: Words, _node: Any, _at: _Place) -> Told:
    field, kind = found["field"], found["kind"]
    about = {"typeName": kind, "fieldName": field}
    return f"Field '{field}' doesn't exist on type '{kind}'", "undefinedField", about


def _unknown_argument(found: Words, _node: Any, _at: _Place) -> Told:
    field, argument = found["field"], found["argument"]
    about = {"name": field, "typeName": "Field", "argumentName": argument}
    return f"Field '{field}' doesn't accept argument '{argument}'", "argumentNotAccepted", about


def _unknown_input(_found: Words, node: Any, at: _Place) -> Told:
    field, kind = node.name.value, at.owner[1]
    about = {"name": kind, "typeName": "InputObject", "argumentName": field}
    return f"InputObject '{kind}' doesn't accept argument '{field}'", "argumentNotAccepted", about


def _missing_argument(found: Words, node: Any, _at: _Place) -> Told:
    field, argument = node.name.value, found["argument"]
    about = {"className": "Field", "name": field, "arguments": argument}
    return f"Field '{field}' is missing required arguments: {argument}", "missingRequiredArguments", about


def _missing_input(found: Words, _node: Any, at: _Place) -> Told:
    field, kind = found["field"], at.input_type.strip("[]!")
    about = {"argumentName": field, "argumentType": at.wants.get(field, ""), "inputObjectType": kind}
    message = f"Argument '{field}' on InputObject '{kind}' is required. Expected type {about['argumentType']}"
    return message, "missingRequiredInputObjectAttribute", about


def _one_of(_found: Words, _node: Any, at: _Place) -> Told:
    kind = at.input_type.strip("[]!")
    message = f"OneOf Input Object '{kind}' must specify exactly one key."
    return message, "invalidOneOfInputObject", {"inputObjectType": kind}


def _bad_literal(_found: Words, node: Any, at: _Place) -> Told:
    kind, name, _ = at.owner
    argument = at.path[-1] if at.path else ""
    value = f"has an invalid value ({print_ast(node)})"
    message = f"Argument '{argument}' on {kind} '{name}' {value}. Expected type '{at.input_type}'."
    return message, "argumentLiteralsIncompatible", {"typeName": kind, "argumentName": argument}


def _mismatch(found: Words, _node: Any, at: _Place) -> Told:
    name, given, argument = found["variable"], found["given"], at.path[-1] if at.path else ""
    message = f"Type mismatch on variable ${name} and argument {argument} ({given} / {found['wanted']})"
    about = {
        "variableName": name,
        "typeName": given,
        "argumentName": argument,
        "errorMessage": "Type mismatch",
    }
    return message, "variableMismatch", about


def _directive(found: Words, _node: Any, _at: _Place) -> Told:
    name = found["name"]
    return f"Directive @{name} is not defined", "undefinedDirective", {"directiveName": name}


def _undeclared(found: Words, _node: Any, at: _Place) -> Told:
    name = found["name"]
    return (
        f"Variable ${name} is used by {at.by} but not declared",
        "variableNotDefined",
        {"variableName": name},
    )


def _unused(found: Words, _node: Any, at: _Place) -> Told:
    name = found["name"]
    return f"Variable ${name} is declared by {at.by} but not used", "variableNotUsed", {"variableName": name}


def _no_selection(found: Words, _node: Any, _at: _Place) -> Told:
    field, kind = found["field"], found["kind"].strip("[]!")
    hint = f"Did you mean '{field} {{ ... }}'?"
    message = f"Field must have selections (field '{field}' returns {kind} but has no selections. {hint})"
    return message, "selectionMismatch", {"nodeName": f"field '{field}'", "typeName": kind}


def _scalar(found: Words, node: Any, _at: _Place) -> Told:
    field, kind = found["field"], found["kind"].strip("[]!")
    names = ", ".join(f'"{print_ast(one)}"' for one in node.selections)
    message = (
        f"Selections can't be made on scalars (field '{field}' returns {kind} but has selections [{names}])"
    )
    return message, "selectionMismatch", {"nodeName": f"field '{field}'", "typeName": kind}


def _no_type(found: Words, _node: Any, at: _Place) -> Told:
    kind = found["kind"]
    if at.path and at.path[-1].startswith(("...", "fragment")):
        message = f"No such type {kind}, so it can't be a fragment condition"
        return message, "undefinedType", {"typeName": kind}
    return f"{kind} isn't a defined input type", "variableRequiresValidType", {"typeName": kind}


def _no_fragment(found: Words, _node: Any, _at: _Place) -> Told:
    name = found["name"]
    return f"Fragment {name} was used, but not defined", "useAndDefineFragment", {"fragmentName": name}


def _idle_fragment(found: Words, _node: Any, _at: _Place) -> Told:
    name = found["name"]
    return f"Fragment {name} was defined, but not used", "useAndDefineFragment", {"fragmentName": name}


# What graphql-core says, in either of its wordings; the first that fits counts.
_SAYINGS: list[tuple[re.Pattern[str], Callable[[Words, Any, _Place], Told]]] = [
    (re.compile(r"Cannot query field '(?P<field>\w+)' on type '(?P<kind>\w+)'"), _undefined_field),
    (re.compile(r"Unknown argument '(?P<argument>\w+)' on field '\w+\.(?P<field>\w+)'"), _unknown_argument),
    (re.compile(r"Field '\w+' argument '(?P<argument>\w+)' of type"), _missing_argument),
    (re.compile(r"Argument '[\w<>]+\.\w+\((?P<argument>\w+):\)' of type"), _missing_argument),
    (re.compile(r"Field '\w+' is not defined by type '|not to include unknown field '"), _unknown_input),
    (re.compile(r"Field '\w+\.(?P<field>\w+)' of required type '"), _missing_input),
    (re.compile(r"to include required field '(?P<field>\w+)'"), _missing_input),
    (re.compile(r"OneOf Input Object"), _one_of),
    (re.compile(r"Unknown directive '@(?P<name>\w+)'"), _directive),
    (re.compile(r"Variable '\$(?P<name>\w+)' is not defined"), _undeclared),
    (re.compile(r"Variable '\$(?P<name>\w+)' is never used"), _unused),
    (
        re.compile(
            r"Variable '\$(?P<variable>\w+)' of type '(?P<given>[^']+)' used in position expecting type '(?P<wanted>[^']+)'"
        ),
        _mismatch,
    ),
    (re.compile(r"Field '(?P<field>\w+)' of type '(?P<kind>[^']+)' must have a selection"), _no_selection),
    (
        re.compile(r"Field '(?P<field>\w+)' must not have a selection since type '(?P<kind>[^']+)'"),
        _scalar,
    ),
    (re.compile(r"Unknown type '(?P<kind>\w+)'"), _no_type),
    (re.compile(r"Unknown fragment '(?P<name>\w+)'"), _no_fragment),
    (re.compile(r"Fragment '(?P<name>\w+)' is never used"), _idle_fragment),
    (re.compile(r"Expected value of |does not exist in '\w+' enum|cannot represent"), _bad_literal),
]


def of_validation(
    schema: GraphQLSchema, document: DocumentNode, errors: list[GraphQLError]
) -> list[dict[str, Any]]:
    """Each error as Shopify tells it."""
    info = TypeInfo(schema)
    places = _Places(info)
    visit(document, TypeInfoVisitor(info, places))
    return [_told(error, places) for error in errors]


def _told(error: GraphQLError, places: _Places) -> dict[str, Any]:
    # Of a variable that does not fit where it is used, the place is told and not the declaration.
    node = error.nodes[-1 if "used in position" in error.message else 0] if error.nodes else None
    at = places.of.get(id(node)) or _Place()
    message, code, about = error.message, "invalid", dict[str, Any]()
    for pattern, say in _SAYINGS:
        found = pattern.search(error.message)
        if found:
            message, code, about = say(found, node, at)
            break
    # The vendor points at what has the fault: an argument's field, a variable's operation.
    path, pointed = at.path, node
    if code == "variableNotUsed":
        path, pointed = path[:1], at.operation
    elif code == "argumentLiteralsIncompatible":
        pointed = at.owner[2]
    elif code == "missingRequiredInputObjectAttribute":
        path = (*path, about["argumentName"])
    start = pointed.loc.start_token if pointed is not None and pointed.loc else None
    where = [{"line": start.line, "column": start.column}] if start else []
    return {"message": message, "locations": where, "path": list(path), "extensions": {"code": code, **about}}


def of_parsing(error: GraphQLError) -> dict[str, Any]:
    """A document that is none."""
    places = error.locations or []
    line, column = (places[0].line, places[0].column) if places else (1, 1)
    found = re.search(r"(?:found|Unexpected) (.+?)\.?$", error.message)
    what = found[1] if found else "character"
    what = "end of file" if what == "<EOF>" else what
    return {
        "message": f"syntax error, unexpected {what} at [{line}, {column}]",
        "locations": [{"line": line, "column": column}],
        "extensions": {"code": "PARSE_ERROR"},
    }
