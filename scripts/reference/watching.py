"""The pages of metrics, alerts and the API."""

from __future__ import annotations

import dataclasses
import importlib
import re
import types
import typing
from decimal import Decimal
from typing import Any

from scripts.reference.text import cell, table


def sample(type_: Any) -> Any:
    """A value of a type, with one entry in every list."""
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    if dataclasses.is_dataclass(type_) and isinstance(type_, type):
        hints = typing.get_type_hints(type_)
        return type_(**{part.name: sample(hints[part.name]) for part in dataclasses.fields(type_)})
    if origin is tuple:
        return (sample(arguments[0]),)
    if origin is dict:
        return {sample(arguments[0]): sample(arguments[1])}
    if origin in (typing.Union, types.UnionType):
        return sample(arguments[0])
    return {int: 1, float: 1.0, str: "x", bool: True, Decimal: Decimal(1)}[type_]


def watched() -> Any:
    """As much of a watch as its metrics need: one open alert, one way out, a disk."""
    way = importlib.import_module("syncline.engine.alerts.watch").WayStatus("email", 1, 0, 0, "")
    book = types.SimpleNamespace(open=list)
    return types.SimpleNamespace(book=book, ways=lambda: [way], disk=(1, 2), looks=1)


def metrics() -> str:
    """Every metric of ``/metrics``."""
    status = importlib.import_module("syncline.engine.status").Status
    exposition = importlib.import_module("syncline.web.metrics").exposition
    text = exposition(sample(status), watched()).decode()
    rows = []
    for name, meaning in re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE):
        type_ = re.search(rf"^# TYPE {name} (\w+)$", text, re.MULTILINE)
        labels = re.search(rf"^{name}\{{(.*?)\}} ", text, re.MULTILINE)
        names = re.findall(r'(\w+)="', labels[1]) if labels else []
        rows.append([f"`{name}`", meaning, type_[1] if type_ else "", cell(sorted(names))])
    return (
        "# Metrics\n\n`GET /metrics`, in the text format of Prometheus; see "
        "[how to read them](../howto/read-the-dashboard.md). Labels are configured names: nothing personal is among "
        "them.\n\n" + table(["metric", "meaning", "type", "labels"], rows)
    )


def alerts() -> str:
    """Every kind of alert."""
    kinds = importlib.import_module("syncline.engine.alerts.kinds").KINDS
    rows = [
        [f"[`{kind.name}`](#{kind.name})", kind.title, kind.severity, kind.parts] for kind in kinds.values()
    ]
    head = (
        "# Alerts\n\nAn alert is one cause. Its key is its kind, a slash, and what it is about, such as "
        "`system_down/erp`. `critical`: data is wrong, late or not moving now. `warning`: it will be, or a person has to look "
        "within the day. Each message says besides what is at stake: which flows, how many changes, since when. How they "
        "are told is in [get alerted](../howto/get-alerted.md).\n\n"
    )
    each = [
        f"\n## {kind.name}\n\n**{kind.title}.** {kind.meaning}\n\n- Opens {kind.opens}.\n- What to do: {kind.mend}\n"
        for kind in kinds.values()
    ]
    return "".join([head, table(["kind", "what", "at first", "about"], rows), *each])


def api() -> str:
    """Every endpoint of the API."""
    module = importlib.import_module("syncline.web.api")
    rows = [
        [
            f"`{endpoint.method} {endpoint.path.replace(':int', '')}`",
            endpoint.summary,
            endpoint.needs or "a signature",
            cell(endpoint.query),
        ]
        for endpoint in module.ENDPOINTS
    ]
    return (
        "# HTTP API\n\nJSON, with `Authorization: Bearer TOKEN`. `GET /v1/openapi.json` describes every type. Each role may "
        "do all that the ones before it may: viewer, operator, admin. A checkout, the role of a shop's token, may do what names it and "
        "nothing else; an operator may do that as well. `GET /healthz` needs no login.\n\n"
        + table(["endpoint", "what it does", "role", "query"], rows)
    )
