"""The plan in the API, and its page in a real browser."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.web.support import Client, make_site

from syncline.engine.alerts.planned import Planned, PlannedRoute
from syncline.engine.alerts.watch import Settings, Watch
from syncline.model.copying import replace
from syncline.planner.choice import planned
from syncline.planner.document import document
from syncline.runtime.plan import question_of
from syncline.web import serve
from syncline.web.planned import page, place

EXAMPLE = Path(__file__).parents[2] / "examples" / "06_plan" / "plan.toml"
ROUTE = "inventory:erp->shop"


async def test_without_a_plan_that_is_said():
    site = await make_site()
    found = await Client(site.app, site.tokens["viewer"]).get("/v1/plan")
    assert found.status == 200
    assert found.json()["compared"] == []
    assert "syncline plan --write" in found.json()["notes"][0]


async def test_every_figure_stands_beside_what_is_measured():
    site = await make_site()
    settings = Settings(planned=Planned({ROUTE: PlannedRoute(1, 1, 0)}, {"shop": 5}))
    site.app.site.watch = Watch(site.engine, settings=settings)
    found = (await Client(site.app, site.tokens["viewer"]).get("/v1/plan")).json()
    figures = {(one["subject"], one["figure"]): one for one in found["compared"]}
    assert figures[ROUTE, "worst case"]["drift"]
    assert figures[ROUTE, "worst case"]["measured"] > 1
    assert figures["shop", "calls an hour"]["measured"] is None
    assert any("configured and not planned" in note for note in found["notes"])


async def test_the_watch_tells_of_a_drift_by_itself():
    site = await make_site()
    watch = Watch(site.engine, settings=Settings(planned=Planned({ROUTE: PlannedRoute(1, 1, 0)})))
    found = await watch._conditions(site.clock.now_ms(), site.clock.monotonic())
    assert f"plan_drift/{ROUTE}" in {one.key for one in found}
    plain = Watch(site.engine)
    found = await plain._conditions(site.clock.now_ms(), site.clock.monotonic())
    assert not any(one.kind == "plan_drift" for one in found)


async def subscribed(monkeypatch, *, events: bool) -> tuple[list[str], list[str]]:
    """Which systems are asked for their events, and what is said, if the routes from the ERP do without or not."""
    site = await make_site()
    routes = [replace(one, events=events if one.source == "erp" else True) for one in site.engine.routes.all]
    site.engine.routes.all = tuple(routes)
    asked: list[str] = []

    async def keep(engine, name, address, say):
        asked.append(name)

    monkeypatch.setattr(serve, "keep", keep)
    said: list[str] = []
    await serve._prepare(
        SimpleNamespace(engine=site.engine, access=site.access), "https://us.example", said.append
    )
    return asked, [one for one in said if "do without events" in one]


async def test_a_source_whose_routes_all_do_without_events_is_not_asked_for_them(monkeypatch):
    assert await subscribed(monkeypatch, events=True) == (["erp", "shop"], [])
    asked, said = await subscribed(monkeypatch, events=False)
    assert asked == ["shop"]
    assert said == ["erp: its routes do without events, so none are subscribed."]


async def test_a_route_that_does_without_events_is_not_promised_their_delay():
    site = await make_site()
    heard = [one for one in (await site.app.site.snapshots.status()).routes if one.by_events]
    assert heard
    site = await make_site()
    site.engine.routes.all = tuple(replace(one, events=False) for one in site.engine.routes.all)
    found = {one.name: one for one in (await site.app.site.snapshots.status()).routes}
    assert not any(one.by_events for one in found.values())
    assert all(found[one.name].detect_ms != one.detect_ms for one in heard)


def test_the_scale_is_logarithmic_and_ends_are_inside():
    assert place(1) == place(1_000) == 0
    assert place(10**12) == place(None) == 100
    assert place(10_000) - place(1_000) == pytest.approx(place(100_000) - place(10_000), abs=0.02)


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.browser
def test_the_page_fits_a_phone_and_a_desk_in_light_and_dark(tmp_path):
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    plan = planned(question_of(EXAMPLE.read_text()))
    at = tmp_path / "plan.html"
    at.write_text(page(plan, document(plan)), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        papers = set()
        for width, scheme in ((360, "dark"), (1280, "light")):
            context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
            shown = context.new_page()
            faults: list[str] = []
            shown.on("console", lambda message, faults=faults: faults.append(message.text))
            shown.on("request", lambda request, faults=faults: faults.append(request.url))
            shown.goto(at.as_uri())
            assert faults == [at.as_uri()]  # nothing else is asked for
            assert shown.evaluate("document.documentElement.scrollWidth") <= width
            assert shown.locator("svg rect.a-card").count() == 7
            broken = shown.evaluate(
                "[...document.querySelectorAll('table td')].filter(e => e.getBoundingClientRect().height > 150)"
                ".map(e => e.textContent)"
            )
            assert broken == []  # no column so narrow that words stand upright
            wide = shown.evaluate(
                "[...document.querySelectorAll('svg text')].filter(t => t.getBoundingClientRect().right > "
                "t.ownerSVGElement.getBoundingClientRect().right + 1).map(t => t.textContent)"
            )
            assert wide == []
            shown.emulate_media(media="print")
            shown.set_viewport_size({"width": 690, "height": 900})  # an A4 page within its margins
            assert shown.evaluate("document.documentElement.scrollWidth") <= 690
            assert shown.evaluate("[...document.querySelectorAll('details > :not(summary)')].length") > 0
            assert shown.evaluate(  # nothing is folded away on paper
                "[...document.querySelectorAll('details > :not(summary)')]"
                ".every(e => e.checkVisibility({contentVisibilityAuto: true}) && e.getBoundingClientRect().height > 0)"
            )
            shown.emulate_media(media="screen")
            papers.add(shown.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert len(papers) == 2
        browser.close()
