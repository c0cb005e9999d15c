"""The page of ``plan.toml``."""

from __future__ import annotations

import importlib

from scripts.reference.meaning import PLAN_MEANING
from scripts.reference.settings import settings
from scripts.reference.text import cell, table


def plan() -> str:
    """Every key of ``plan.toml``, and every vendor that a plan can name."""
    file = importlib.import_module("syncline.runtime.plan")
    known = importlib.import_module("syncline.planner.vendors").vendors()
    rows = []
    for name, vendor in known.items():
        limits = [
            f"{licence}: {', '.join(limit.words() for limit in found)}"
            for licence, found in vendor.licences.items()
        ]
        limits += [f"`{need}` is needed" for need in vendor.needs]
        events = [flow for flow, reads in vendor.reads.items() if reads.event_ms]
        connector = "yes" if vendor.connector else "–"
        rows.append(
            [
                f"`{name}`", vendor.title, "–" if vendor.part == "broker" else connector, cell("; ".join(limits) or "–"),
                cell(events), cell(list(vendor.writes)),
            ]
        )  # fmt: skip
    return "".join(
        [
            (
                "# plan.toml\n\nWhat `syncline plan` is asked; see [plan before you build](../howto/plan-before-you-build.md). "
                "`syncline plan --ask` writes one. An unknown key is an error.\n\n"
            ),
            settings(file.PlanFile, PLAN_MEANING["file"], "plan"),
            "\n## [systems.NAME]\n\n" + settings(file.PlanSystem, PLAN_MEANING["systems"], "plan.systems"),
            "\n## [volumes]\n\n" + settings(file.PlanVolumes, PLAN_MEANING["volumes"], "plan.volumes"),
            "\n## [[flows]]\n\n" + settings(file.PlanFlow, PLAN_MEANING["flows"], "plan.flows"),
            "\n### [flows.segments.NAME]\n\nParts of a flow with a tolerance of their own. What none of them names keeps the "
            "flow's.\n\n" + settings(file.PlanSegment, PLAN_MEANING["segments"], "plan.segments"),
            "\n## [compare]\n\n" + settings(file.PlanCompare, PLAN_MEANING["compare"], "plan.compare"),
            "\n## [effort]\n\nEvery figure is an assumption.\n\n"
            + settings(file.PlanEffort, PLAN_MEANING["effort"], "plan.effort"),
            (
                "\n## Vendors\n\nFigures with their sources are in `src/syncline/planner/vendors.toml`. Where there is a connector, "
                "what it [declares](connectors.md) is taken instead.\n\n"
            ),
            table(["vendor", "product", "connector", "limits", "tells by events", "takes"], rows),
        ]
    )
