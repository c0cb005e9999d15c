"""The status as Prometheus metrics. Labels are configured names; nothing personal is among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from syncline.engine.alerts.kinds import CRITICAL, KINDS, WARNING
from syncline.engine.alerts.watch import Watch
from syncline.engine.status import Status


class _Once(Collector):
    """Hands one status over as metrics."""

    def __init__(self, status: Status, watch: Watch | None) -> None:
        self._status = status
        self._watch = watch

    def collect(self) -> Iterator[Metric]:
        yield from _routes(self._status)
        yield from _lanes(self._status)
        yield from _reads(self._status)
        yield from _stock(self._status)
        yield from _proofs(self._status)
        yield from _store(self._status)
        if self._watch is not None:
            yield from _alerts(self._watch)


def _routes(status: Status) -> Iterator[Metric]:
    def gauge(name: str, text: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"syncline_{name}", text, labels=["route"])

    age = gauge("age_seconds", "Since the source was last confirmed")
    tolerance = gauge("tolerance_seconds", "How old data may become")
    bound = gauge("bound_seconds", "Computed worst case")
    limit = gauge("age_limit_seconds", "How old the source's confirmation may become")
    lost = gauge("bound_if_event_lost_seconds", "Computed worst case if an event is lost")
    pending = gauge("pending", "Deliveries that wait or are under way")
    late = gauge("late", "Deliveries past their deadline")
    parked = gauge("parked", "Deliveries that need a person")
    delivered = gauge("delivered_last_hour", "Changes that landed in the last hour")
    kept = gauge("kept_last_hour", "Changes that landed within the tolerance in the last hour")
    apart = gauge("late_by_mode_last_hour", "Of those, too late because of a pause or shadow")
    waits = gauge("late_by_mode", "Deliveries past their deadline because of a pause or shadow")
    stopped = GaugeMetricFamily(
        "syncline_route_stopped",
        "1 while a person has the route paused or in shadow",
        labels=["route", "mode"],
    )
    lag = GaugeMetricFamily(
        "syncline_lag_seconds", "Delivered minus changed, last hour", labels=["route", "quantile"]
    )
    blind = CounterMetricFamily(
        "syncline_blind_writes", "Numbers written over what was only read", labels=["route"]
    )
    window = CounterMetricFamily(
        "syncline_blind_window_seconds", "Time between reading and those writes", labels=["route"]
    )
    longest = gauge("blind_window_longest_seconds", "The longest of those times since the start")
    exposed = CounterMetricFamily(
        "syncline_blind_unit_seconds", "Units offered in that time, times its seconds", labels=["route"]
    )
    for route in status.routes:
        at = [route.name]
        if route.blind:
            blind.add_metric(at, route.blind_writes)
            window.add_metric(at, route.window_ms * route.blind_writes / 1000)
            longest.add_metric(at, route.window_ms_max / 1000)
            exposed.add_metric(at, route.exposed_unit_s)
        for family, ms in (
            (age, route.age_ms),
            (tolerance, route.tolerance_ms),
            (limit, route.age_limit_ms),
            (bound, route.bound_ms),
            (lost, route.bound_if_event_lost_ms),
        ):
            if ms is not None:
                family.add_metric(at, ms / 1000)
        pending.add_metric(at, route.pending)
        late.add_metric(at, route.late)
        parked.add_metric(at, route.parked)
        delivered.add_metric(at, route.lags.delivered)
        kept.add_metric(at, route.lags.kept)
        apart.add_metric(at, route.lags.apart)
        waits.add_metric(at, route.late_apart)
        for mode in ("paused", "shadow"):
            stopped.add_metric([*at, mode], any(one.mode == mode for one in route.modes))
        for quantile, ms in (
            ("0.5", route.lags.p50_ms),
            ("0.99", route.lags.p99_ms),
            ("1", route.lags.max_ms),
        ):
            lag.add_metric([*at, quantile], ms / 1000)
    yield from (
        age,
        tolerance,
        limit,
        bound,
        lost,
        pending,
        late,
        parked,
        delivered,
        kept,
        apart,
        waits,
        lag,
        stopped,
    )
    yield from (blind, window, longest, exposed)


def _lanes(status: Status) -> Iterator[Metric]:
    up = GaugeMetricFamily("syncline_lane_up", "1 while the system accepts calls", labels=["system"])
    refused = GaugeMetricFamily(
        "syncline_lane_refused", "1 while the credential is refused", labels=["system"]
    )
    paused = GaugeMetricFamily("syncline_lane_paused", "1 while a person has paused it", labels=["system"])
    share = GaugeMetricFamily("syncline_lane_limit_used", "Share of the API limit in use", labels=["system"])
    waiting = GaugeMetricFamily(
        "syncline_lane_pending", "Deliveries waiting for the system", labels=["system"]
    )
    calls = CounterMetricFamily("syncline_lane_calls", "Calls made", labels=["system"])
    throttled = CounterMetricFamily("syncline_lane_throttled", "Times asked to slow down", labels=["system"])
    waited = CounterMetricFamily(
        "syncline_lane_waited_seconds", "Time spent waiting for the limit", labels=["system"]
    )
    for lane in status.lanes:
        at = [lane.system]
        up.add_metric(at, lane.state in ("ok", "paused"))
        refused.add_metric(at, lane.state == "refused")
        paused.add_metric(at, lane.state == "paused")
        share.add_metric(at, lane.used_share)
        waiting.add_metric(at, lane.pending)
        calls.add_metric(at, lane.calls)
        throttled.add_metric(at, lane.throttled)
        waited.add_metric(at, lane.waited_s)
    ends = GaugeMetricFamily(
        "syncline_credential_end_timestamp_seconds",
        "When a credential ends, where that is known, as Unix time",
        labels=["system", "what"],
    )
    for ending in status.endings:
        ends.add_metric([ending.system, ending.what], ending.at_ms / 1000)
    yield from (up, refused, paused, share, waiting, calls, throttled, waited, ends)


def _reads(status: Status) -> Iterator[Metric]:
    labels = ["system", "stream"]
    age = GaugeMetricFamily("syncline_read_age_seconds", "Since the last complete read began", labels=labels)
    failing = GaugeMetricFamily("syncline_read_failing", "1 while the read fails", labels=labels)
    reads = CounterMetricFamily("syncline_reads", "Complete reads", labels=labels)
    failures = CounterMetricFamily("syncline_read_failures", "Reads that failed", labels=labels)
    for poller in status.pollers:
        at = [poller.system, poller.stream]
        if poller.age_ms is not None:
            age.add_metric(at, poller.age_ms / 1000)
        failing.add_metric(at, bool(poller.trouble))
        reads.add_metric(at, poller.reads)
        failures.add_metric(at, poller.failures)
    webhooks = CounterMetricFamily(
        "syncline_webhooks", "Webhooks by what became of them", labels=["system", "result"]
    )
    news = CounterMetricFamily(
        "syncline_news",
        "Changes by how they came: told by an event, or missed by one",
        labels=["system", "how"],
    )
    for address in status.ingress:
        news.add_metric([address.system, "told"], address.told)
        news.add_metric([address.system, "missed"], address.missed)
        for result in ("accepted", "duplicates", "forged", "refused"):
            webhooks.add_metric([address.system, result], getattr(address, result))
    yield from (age, failing, reads, failures, webhooks, news)


def _stock(status: Status) -> Iterator[Metric]:
    classes = GaugeMetricFamily("syncline_skus", "SKUs by class of velocity", labels=["velocity"])
    for velocity, count in status.classes.items():
        classes.add_metric([velocity], count)
    kept = GaugeMetricFamily(
        "syncline_auto_buffer_units", "Units that auto buffers keep back", labels=["route"]
    )
    units = GaugeMetricFamily(
        "syncline_recovered_units", "Units given back against a fixed buffer as safe", labels=["route"]
    )
    money = GaugeMetricFamily(
        "syncline_recovered_money",
        "The price of those units, where one is known",
        labels=["route", "currency"],
    )
    for route, found in status.recovered.items():
        kept.add_metric([route], found.kept)
        units.add_metric([route], found.units)
        for currency, amount in found.money.items():
            money.add_metric([route, currency], float(amount))
    holds = GaugeMetricFamily("syncline_holds", "Holds that have not ended", labels=["channel", "state"])
    held = GaugeMetricFamily("syncline_held_units", "Units that they hold", labels=["channel"])
    refused = CounterMetricFamily(
        "syncline_holds_refused", "Requests for a hold refused", labels=["channel", "reason"]
    )
    for at in status.holds:
        holds.add_metric([at.channel, "open"], at.open)
        holds.add_metric([at.channel, "confirmed"], at.confirmed)
        held.add_metric([at.channel], at.units)
        for reason, count in at.refused.items():
            refused.add_metric([at.channel, reason], count)
    decided = CounterMetricFamily(
        "syncline_credit_decisions",
        "Questions for credit, by what was decided",
        labels=["channel", "decision", "reason"],
    )
    for one in status.decisions:
        decided.add_metric([one.channel, one.decision, one.reason], one.times)
    yield from (classes, kept, units, money, holds, held, refused, decided)


def _proofs(status: Status) -> Iterator[Metric]:
    age = GaugeMetricFamily(
        "syncline_proof_age_seconds", "Since the last whole proof of a route ended", labels=["route"]
    )
    rows = GaugeMetricFamily("syncline_proof_rows", "Rows that it compared", labels=["route"])
    found = GaugeMetricFamily("syncline_proof_differed", "Rows of it that differed", labels=["route"])
    open_ = GaugeMetricFamily(
        "syncline_differences", "Differences that stand, as far as is known", labels=["route", "cause"]
    )
    waiting = GaugeMetricFamily(
        "syncline_differences_waiting", "Differences that wait for a decision", labels=["route"]
    )
    for proof in status.proofs:
        at = [proof.route]
        if proof.latest is not None and proof.latest.ended_at_ms is not None:
            age.add_metric(at, (status.now_ms - proof.latest.ended_at_ms) / 1000)
            rows.add_metric(at, proof.latest.rows)
            found.add_metric(at, proof.latest.found)
        for cause, count in proof.open.items():
            open_.add_metric([*at, cause], count)
        waiting.add_metric(at, proof.waiting)
    yield from (age, rows, found, open_, waiting)


def _store(status: Status) -> Iterator[Metric]:
    yield GaugeMetricFamily("syncline_backlog", "Events not taken in yet", value=status.store.backlog)
    yield GaugeMetricFamily(
        "syncline_log_applied", "How far the log has been applied", value=status.store.applied_to
    )
    oldest = min((group.oldest_at_ms for group in status.parked_groups), default=status.now_ms)
    yield GaugeMetricFamily(
        "syncline_parked_oldest_seconds",
        "How long the oldest of it waits",
        value=(status.now_ms - oldest) / 1000,
    )
    yield GaugeMetricFamily(
        "syncline_drift", "Differences that comparisons left", value=sum(each.left for each in status.drift)
    )
    yield GaugeMetricFamily("syncline_parked_all", "Everything that needs a person", value=status.parked)
    yield GaugeMetricFamily(
        "syncline_unseen_units",
        "Units that fell without an order",
        value=sum(row.units for row in status.unseen),
    )
    told = CounterMetricFamily(
        "syncline_level_events",
        "Numbers that a channel told by itself, by what they turned out to be",
        labels=["system", "verdict"],
    )
    for system, verdicts in status.store.told.items():
        for name, count in verdicts.items():
            told.add_metric([system, name], count)
    yield told
    verdict = GaugeMetricFamily("syncline_verdict", "1 for the verdict that holds", labels=["verdict"])
    for name in ("ok", "starting", "attention", "late"):
        verdict.add_metric([name], name == status.verdict)
    yield verdict


def _alerts(watch: Watch) -> Iterator[Metric]:
    lasting = GaugeMetricFamily("syncline_alerts", "Open alerts", labels=["kind", "severity"])
    count = Counter((entry.kind, entry.severity) for entry in watch.book.open())
    for kind in KINDS.values():
        for severity in (CRITICAL, WARNING):
            lasting.add_metric([kind.name, severity], count[kind.name, severity])
    sent = CounterMetricFamily("syncline_alert_messages", "Alert messages that got out", labels=["way"])
    failing = GaugeMetricFamily("syncline_alert_way_failing", "1 while a way out fails", labels=["way"])
    for way in watch.ways():
        sent.add_metric([way.name], way.sent)
        failing.add_metric([way.name], bool(way.failing_since_ms))
    yield CounterMetricFamily("syncline_alert_looks", "Looks for what is wrong", value=watch.looks)
    yield from (lasting, sent, failing)
    if watch.disk is not None:
        free, total = watch.disk
        yield GaugeMetricFamily("syncline_disk_free_bytes", "Free on the store's disk", value=free)
        yield GaugeMetricFamily("syncline_disk_bytes", "Size of the store's disk", value=total)


def exposition(status: Status, watch: Watch | None = None) -> bytes:
    """The text that Prometheus scrapes."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(status, watch))
    text: bytes = generate_latest(registry)
    return text
