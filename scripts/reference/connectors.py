"""The page of what connectors declare."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
from typing import Any

from scripts.reference.text import cell, table


def registered() -> list[Any]:
    """The connectors that this project registers, by name."""
    entries = importlib.metadata.entry_points(group="syncline.connectors")
    ours = [entry.load() for entry in entries if entry.value.startswith("syncline.")]
    return sorted(ours, key=lambda connector: str(connector.name))


def capabilities() -> str:
    """What each registered connector can do, one column a connector; then its calls."""
    connectors = registered()
    if not connectors:
        return "# Connectors\n\nNone is registered.\n"
    fields = [field.name for field in dataclasses.fields(connectors[0].capabilities)]
    rows = [
        [f"`{field}`", *(cell(getattr(connector.capabilities, field)) for connector in connectors)]
        for field in fields
    ]
    parts = [
        (
            "# Connectors\n\nWhat each connector declares. The planner, the conformance tests and the dashboard read the "
            "same data.\n\n"
        ),
        table(["", *(connector.title for connector in connectors)], rows),
    ]
    for connector in connectors:
        manifest = importlib.import_module(connector.settings.__module__)
        calls = [
            [
                f"`{name}`",
                cell(call.batch_items_max),
                cell(call.reads_only),
                f"{call.retry_same_key_ms // 3_600_000} h" if call.retry_same_key_ms else "–",
                f"{call.look_up_window_ms // 1000} s" if call.look_up else "–",
                cell(call.urgent),
            ]
            for name, call in manifest.OPERATIONS.items()
        ]
        streams = [
            [
                f"`{stream.name}`",
                cell([flow.value for flow in (*stream.flows, *stream.records)]),
                "all" if stream.snapshot else "changes",
            ]
            for stream in manifest.STREAMS
        ]
        parts += [
            (
                f"\n## {connector.title}\n\nCalls. *Same key*: for how long an unanswered call is repeated under its "
                "idempotency key. *Look-up*: for how long a missing effect is looked for before it counts as absent.\n\n"
            ),
            table(["call", "items at most", "only reads", "same key", "look-up", "urgent"], calls),
            "\nStreams that are read.\n\n",
            table(["stream", "flows", "reads"], streams),
        ]
    return "".join(parts)
