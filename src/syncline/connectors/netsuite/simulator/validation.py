"""How strictly a request body is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from syncline.connectors.netsuite.simulator import fields as tables
from syncline.connectors.netsuite.simulator.errors import ApiError, invalid_content

MODES = ("error", "warning", "ignore")


@dataclass(slots=True)
class Validation:
    """How strictly a request asked to be read, and what was dropped from it."""

    names: str
    values: str
    dropped: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Validation:
        """Read the two headers; names default to *warning*, values to *error* (RB26.1)."""
        modes = []
        for header, default in (
            ("x-netsuite-propertynamevalidation", "warning"),
            ("x-netsuite-propertyvaluevalidation", "error"),
        ):
            mode = headers.get(header, default).lower()
            if mode not in MODES:
                raise ApiError(400, "INVALID_REQUEST", f"Invalid value of {header}.", header=header)
            modes.append(mode)
        return cls(modes[0], modes[1])

    def clean(self, kinds: Mapping[str, str], body: Mapping[str, Any], path: str = "") -> dict[str, Any]:
        """Keep what the table knows; refuse or drop the rest."""
        kept: dict[str, Any] = {}
        for name, value in body.items():
            kind = kinds.get(name)
            place = f"{path}{name}"
            if kind is None:
                # Custom fields exist per account; one that was not defined is unknown.
                self.dropped.append(place)
                if self.names == "error":
                    raise invalid_content(f"Unknown field {name}.", place)
                continue
            if not tables.fits(kind, value):
                if self.values == "error":
                    raise invalid_content(f"Invalid value for the field {name}.", place)
                self.dropped.append(place)
                continue
            if kind == "ro":
                continue
            if kind.startswith("list:") and value is not None:
                rows = tables.LINES[kind[5:]]
                value = [  # noqa: PLW2901
                    self.clean(rows, self._row(row, f"{place}.items[{n}]"), f"{place}.items[{n}].")
                    for n, row in enumerate(value["items"])
                ]
            elif kind.startswith("enum:") and isinstance(value, str):
                value = {"id": value}  # noqa: PLW2901
            kept[name] = value
        return kept

    @staticmethod
    def _row(row: Any, path: str) -> dict[str, Any]:
        if not isinstance(row, dict):
            raise invalid_content("A sublist line must be an object.", path)
        return row
