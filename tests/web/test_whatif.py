"""The what-if report in a real browser: narrow and wide, light and dark, on paper, and without a network."""

from __future__ import annotations

import os
import shutil
from decimal import Decimal

import pytest

from syncline.planner.choice import planned
from syncline.runtime.plan import question_of
from syncline.simulate.case import Setting, cut
from syncline.simulate.history import generate_history, stock_case
from syncline.simulate.planned import all_flows, staged
from syncline.simulate.report.page import page as report
from syncline.simulate.whatif import Prices, play_all, result

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
SHOTS = os.environ.get("SYNCLINE_SHOTS", "")  # noqa: TID251 (a folder to keep pictures in, for people)

PLAN = """
systems.erp = { vendor = "business_central" }
systems.shop = { vendor = "shopify", licence = "advanced" }
systems.trade = { vendor = "adobe_commerce" }
systems.outlet = { vendor = "shopify", licence = "advanced" }
volumes = { skus = 12, customers = 100, orders_per_day = 100 }
flows = [
    { flow = "inventory", from = "erp", to = ["shop", "trade", "outlet"], tolerance = "5s" },
    { flow = "orders", from = "shop", to = "erp", tolerance = "10s" },
    { flow = "orders", from = "trade", to = "erp", tolerance = "10s" },
    { flow = "orders", from = "outlet", to = "erp", tolerance = "10s" },
    { flow = "prices", from = "erp", to = "trade", tolerance = "1h" },
    { flow = "order_status", from = "erp", to = ["shop", "trade", "outlet"], tolerance = "1h" },
]
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A report of a made-up day and a half."""
    history = generate_history(3, orders=120, skus=12)
    stock = stock_case(history.orders)
    stock.target.update({sku: max(1, units // 12) for sku, units in stock.target.items()})
    on = staged(planned(question_of(PLAN)))
    case = cut(
        history.orders,
        stock,
        from_ms=0,
        to_ms=1 << 60,
        seconds_known=True,
        split=(0.60, 0.25, 0.15),
        names=on.channels,
        erp=on.erp,
    )
    designs = ("batch:15m", "realtime", "hybrid")
    figures = play_all(case, [Setting(name, calls_per_s=10.0, planned=on.fed) for name in designs], draw=True)
    found = result(case, history, "orders.csv", figures, Prices(oversold=Decimal(3)))
    found["all_flows"] = all_flows(on, case, figures)
    path = tmp_path_factory.mktemp("report") / "whatif.html"
    path.write_text(report(found, case, history, figures), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(written):  # a report cannot be played in a thread where a browser is driven
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield started
        started.close()


@pytest.fixture
def opened(browser, written):
    """Opens the report; a console error, or a request for anything but the file, fails the test."""
    faults: list[str] = []
    contexts = []

    def open_at(width: int, scheme: str = "light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console", lambda said: faults.append(said.text) if said.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda asked: faults.append(asked.url) if asked.url != written.as_uri() else None)
        page.goto(written.as_uri())
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert faults == []


def keep(page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/whatif-{name}.png", full_page=True)


INK = """(id) => {
    const canvas = document.querySelector(`#${id} canvas`);
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    const found = new Set();
    for (let n = 0; n < pixels.length; n += 4) { if (pixels[n + 3]) { found.add(pixels.slice(n, n + 3).join()); } }
    return found.size;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_every_chart_is_drawn_and_nothing_is_wider_than_the_screen(opened, width, scheme):
    page = opened(width, scheme)
    for chart in ("numbers-chart", "lag-inventory", "lag-orders", "calls-chart"):
        assert page.evaluate(INK, chart) > 5, chart
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width == 1280:
        cut = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).length"
        assert page.evaluate(cut) == 0
    assert page.locator("#strip circle").count() > 3
    assert page.locator("#strip rect.high").count() > 0
    keep(page, f"{width}-{scheme}")


def test_another_sku_and_another_design_are_chosen(opened):
    page = opened(1280)
    about = page.locator("#about")
    first = about.inner_text()
    page.get_by_role("button", name="next ▶").click()
    assert about.inner_text().split(" ")[0] == page.locator("#sku").input_value() != first.split(" ")[0]
    page.get_by_role("button", name="◀ worse").click()
    assert about.inner_text() == first
    page.locator("#design").select_option("hybrid")
    assert " 0 units oversold" in about.inner_text()
    page.locator("#sku").fill("none-such")
    page.locator("#sku").press("Tab")
    assert "not among those kept" in about.inner_text()


def test_a_part_of_the_time_is_shown_and_the_strip_follows(opened):
    page = opened(1280)
    dots = page.locator("#strip circle").count()
    page.locator("#numbers-chart").scroll_into_view_if_needed()
    plot = page.locator("#numbers-chart .u-over").bounding_box()
    middle = plot["y"] + plot["height"] / 2
    page.mouse.move(plot["x"] + 0.45 * plot["width"], middle)
    page.mouse.down()
    page.mouse.move(plot["x"] + 0.55 * plot["width"], middle, steps=4)
    page.mouse.up()
    page.wait_for_function(
        "(all) => document.querySelectorAll('#strip circle').length < all", arg=dots, timeout=8_000
    )
    page.get_by_role("button", name="whole time").click()
    page.wait_for_function("(all) => document.querySelectorAll('#strip circle').length === all", arg=dots)


def test_calls_are_shown_for_each_system_beside_its_limit(opened):
    page = opened(1280)
    note = page.locator("#calls-note")
    assert "of the 36,000 that are allowed" in note.inner_text()
    page.locator("#system").select_option("erp")
    assert "allowed" not in note.inner_text() and "busiest hour has" in note.inner_text()


def test_it_can_be_printed(opened, tmp_path):
    page = opened(1280, "dark")
    path = tmp_path / "report.pdf"
    page.pdf(path=path, format="A4", print_background=True)
    assert path.read_bytes().startswith(b"%PDF")
    if SHOTS:
        shutil.copy(path, f"{SHOTS}/whatif.pdf")
    # What is printed is drawn in ink on paper, whatever the screen was.
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert (
        page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--ink').trim()")
        == "#1b2024"
    )
    page.evaluate("dispatchEvent(new Event('afterprint'))")


def test_the_table_and_the_words_need_no_script(browser, written):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(written.as_uri())
    assert page.locator("table").first.locator("tbody tr").count() == 3
    assert "sold" in page.get_by_role("heading", level=1).inner_text()
    flows = page.locator("section[aria-labelledby=flows]")
    assert flows.locator("tbody tr").count() > 5
    assert "predicted" in flows.get_by_role("row", name="Prices").inner_text()
    assert page.locator(".says li").count() > 4
    context.close()
