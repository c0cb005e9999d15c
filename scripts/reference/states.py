"""The pages of states and errors, which the code says itself."""

from __future__ import annotations

import importlib
import inspect
import re
from enum import Enum

from scripts.reference.text import plain, table


def remarks(type_: type[Enum]) -> dict[str, str]:
    """The remark behind each member, as the source has it."""
    found = {}
    for line in inspect.getsource(type_).splitlines():
        match = re.match(r'    (\w+) = "\w+"(?:  # (.*))?$', line)
        if match:
            found[match[1]] = match[2] or ""
    return found


def states() -> str:
    """Where a delivery may stand, and what may become of an item of a call."""
    delivery = importlib.import_module("syncline.model.delivery")
    said = {"COMPLETED": "done, or nothing had to be sent"}
    rows = [
        [f"`{state.value}`", remarks(delivery.DeliveryState)[state.name] or said[state.name]]
        for state in delivery.DeliveryState
    ]
    results = {"DONE": "applied, or found to be applied already"}
    outcomes = [
        [f"`{result.value}`", remarks(delivery.Result)[result.name] or results[result.name]]
        for result in delivery.Result
    ]
    return (
        "# States\n\n## Delivery\n\nOne intended effect on one system stands in one of these. Nothing that is unresolved "
        "expires: it ends as completed, cancelled or superseded, or it is parked.\n\n"
        + table(["state", "meaning"], rows)
        + "\n## Result\n\nWhat a connector answers for each item of a call.\n\n"
        + table(["result", "meaning"], outcomes)
    )


def errors() -> str:
    """The error tree: its picture, and what each error means."""
    module = importlib.import_module("syncline.model.errors")
    parts = ["# Errors\n\n", inspect.getdoc(module) or "", "\n"]
    for name, value in vars(module).items():
        if inspect.isclass(value) and value.__module__ == module.__name__:
            parts.append(f"\n## {name}\n\n{plain(inspect.getdoc(value) or '')}\n")
    # The picture is a literal block in the docstring; in Markdown it is fenced.
    text = "".join(parts)
    intro, _, rest = text.partition("::\n\n")
    picture, _, rest = rest.partition("\n\n")
    picture = "\n".join(line.removeprefix("    ") for line in picture.splitlines())
    return f"{intro}```text\n{picture}\n```\n\n{rest.lstrip()}" if rest else text
