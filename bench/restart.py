"""A restart with a long queue: how soon ``syncline run`` accepts webhooks again."""

from __future__ import annotations

import socket
import statistics
import time
from pathlib import Path
from random import Random
from typing import cast

from bench import webhooks
from bench.harness import Meter, Report, cpu_s, folder, process, rss_mb
from bench.load import post
from syncline.connectors.netsuite.simulator import make_certificate
from syncline.engine.audit import Audit
from syncline.engine.codec import encode
from syncline.engine.routes import stock_key
from syncline.model.change import Kind
from syncline.model.records import Item
from syncline.ports import Store, Write
from syncline.runtime.clock import SystemClock
from syncline.stores.sqlite import SqliteStore
from syncline.web.access import Access

NAME = "restart"
PENDING = 100_000
SECRET = "a-server-secret-of-at-least-32-bytes!!"
LOCATION = "70123456789"


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configure(path: Path, port: int) -> None:
    """A configuration whose vendors are all out of reach, so that the queue stays as long as it is."""
    private_key, _, kid = make_certificate()
    (path / "netsuite.pem").write_text(private_key, encoding="utf-8")
    (path / "syncline.toml").write_text(
        f"""
[server]
port = {port}
secret = "{SECRET}"
[systems.erp]
connector = "netsuite"
account = "1234567"
client_id = "bench"
certificate_id = "{kid}"
private_key = "file:netsuite.pem"
base_url = "http://127.0.0.1:9"
timezone = "UTC"
web_customer = "1001"
[systems.shop]
connector = "shopify"
shop = "{webhooks.SHOP}"
access_token = "shpat_bench"
webhook_secrets = ["{webhooks.SECRET}"]
base_url = "http://127.0.0.1:9"
[[routes]]
flow = "inventory"
from = "erp"
to = "shop"
locations = {{ "1" = "{LOCATION}" }}
""",
        encoding="utf-8",
    )


def fill(path: Path, count: int) -> None:
    """A database with so many items, and a delivery pending for each."""
    now_ms = SystemClock().now_ms()
    store = SqliteStore.open(str(path / "syncline.sqlite"), now_ms=now_ms)
    for begin in range(0, count, 10_000):
        skus = [f"SKU-{n:07d}" for n in range(begin, min(count, begin + 10_000))]
        store.begin()
        store.write_rows([
            Write("record_put", [
                {"system": "shop", "kind": Kind.ITEM.value, "key": sku, "version": 1, "tiebreak": 0,
                 "changed_at_ms": now_ms, "observed_at_ms": now_ms, "offset": 1, "hash": "",
                 "body": encode(Item(sku, f"gid://shopify/ProductVariant/{n}", f"gid://shopify/InventoryItem/{n}", sku))}
                for n, sku in enumerate(skus, begin + 1)
            ]),
            Write("delivery_touch", [
                {"system": "shop", "operation": "set_stock", "key": stock_key(sku, LOCATION), "route": "inventory:erp->shop",
                 "changed_at_ms": now_ms, "deliver_by_ms": now_ms + 15_000, "not_before_ms": now_ms, "now_ms": now_ms,
                 "wanted": 1, "rev": 0}
                for sku in skus
            ]),
        ])  # fmt: skip
        store.commit()
    store._connection.close()  # noqa: SLF001 (closing it is a coroutine)


def hook_path() -> str:
    """Where the shop's webhooks go."""
    access = Access(
        cast("Store", None),  # nobody signs in
        SystemClock(),
        cast("Audit", None),
        secret=SECRET.encode(),
        token_bytes=bytes,
        metrics_token="",
        secure=False,
    )
    return f"/hooks/shop/{access.hook_token('shop')}"


def accepted(port: int, request: bytes) -> bool:
    """Whether a webhook is answered with 200 now."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5.0) as connection:
            connection.sendall(request)
            return connection.recv(4096).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def start_once(path: Path, port: int, number: int) -> tuple[float, float, float]:
    """Start, wait for the first accepted webhook; returns seconds, CPU seconds and MB then."""
    rng = Random(number)
    hook = webhooks.hook(number, webhooks.order_body(number, rng, ["SKU-0000001"]), rng)
    request = post(hook_path(), hook.headers, hook.body)
    began = time.perf_counter()
    with process(
        "-m", "syncline.cli", "run", "--config", str(path / "syncline.toml"), cwd=path, quiet=True
    ) as server:
        while not accepted(port, request):
            if server.poll() is not None or time.perf_counter() - began > 60:
                raise RuntimeError("syncline run did not come up")
            time.sleep(0.005)
        return time.perf_counter() - began, cpu_s(server.pid), rss_mb(server.pid)


def measure(report: Report, count: int, *, rounds: int, most: float, gated: bool) -> None:
    """Fill, start several times, add the figures."""
    with folder() as path:
        port = free_port()
        configure(path, port)
        fill(path, count)
        meter = Meter()
        runs = [start_once(path, port, number) for number in range(rounds)]
        with process(
            "-c", "import syncline.web.serve, syncline.connectors.shopify, syncline.connectors.netsuite"
        ) as bare:
            began = time.perf_counter()
            bare.wait()
            imports = time.perf_counter() - began
    report.add(f"{count:,} pending: start to first accepted webhook", statistics.median(r[0] for r in runs), "s",
               most=most, gated=gated)  # fmt: skip
    report.add(f"{count:,} pending: own CPU until then", statistics.median(r[1] for r in runs), "s")
    report.add(f"{count:,} pending: RSS then", statistics.median(r[2] for r in runs), "MB")
    report.add("importing alone, no work", imports, "s")
    report.add("other processes kept busy", meter.others(), "cores")


def run(*, quick: bool = False) -> Report:
    """The gated size; ``queue`` does the large one."""
    report = Report(NAME)
    measure(report, PENDING, rounds=3 if quick else 5, most=2.0, gated=True)
    return report
