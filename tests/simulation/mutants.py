"""Engines with one mistake each, to prove that the simulation's checkers see it."""

from __future__ import annotations

import asyncio

import pytest

from syncline.engine import figures
from syncline.engine.apply.heard import Levels
from syncline.engine.capture.ingress import Answer, Ingress
from syncline.engine.capture.poller import Poller
from syncline.engine.delivery.lane import Lane
from syncline.engine.delivery.looking import Looking
from syncline.engine.delivery.results import Results
from syncline.engine.delivery.stops import Stops
from syncline.engine.modes import Modes, ModeWatch, Stop
from syncline.model.change import Kind
from syncline.model.copying import replace
from syncline.model.delivery import DeliveryState, Item, Outcome, Result
from syncline.ports import WebhookRequest, Write
from syncline.simulate.simulation import Plan
from syncline.simulate.world import World


def retries_without_look_up(patch: pytest.MonkeyPatch) -> None:
    async def look_up(self, operation, item, age_ms):
        return Outcome(Result.RETRY, "surely it did not take effect", 0.0)

    patch.setattr(Looking, "later", look_up)


def forgets_idempotency_keys(patch: pytest.MonkeyPatch) -> None:
    ask = Lane._ask

    async def with_a_new_key(self, operation, items, key):
        return await ask(self, operation, items, self._ids.new())

    patch.setattr(Lane, "_ask", with_a_new_key)


def resends_after_a_restart(patch: pytest.MonkeyPatch) -> None:
    load = Lane.load
    resolve_later = Lane._resolve_later

    async def send_again(self, intent, operation, payloads, started_at_ms, notes):
        rows = await self._store.read(
            "deliveries_get", system=self.system.name, operation=operation, keys=list(payloads)
        )
        again = Outcome(Result.RETRY, "there was a restart", 0.0)
        outcomes = [(Item(key, payload), again) for key, payload in payloads.items()]
        await self._finish(intent, operation, outcomes, {row[0]: row for row in rows}, notes, close=True)

    async def load_and_reset(self):
        self._resolve_later = send_again.__get__(self)
        await load(self)
        self._resolve_later = resolve_later.__get__(self)

    patch.setattr(Lane, "load", load_and_reset)


def flies_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lane, "_take_free", lambda self, operation, key: True)


def publishes_one_too_many(patch: pytest.MonkeyPatch) -> None:
    decode = figures.decode

    def wrong_figure(kind, text):
        level = decode(kind, text)
        return replace(level, available=level.available + 1) if kind is Kind.STOCK else level

    patch.setattr(figures, "decode", wrong_figure)


def ignores_the_overlap(patch: pytest.MonkeyPatch) -> None:
    settings = World.settings

    def without_overlap(self, **urls):
        shop, erp = settings(self, **urls)
        values = {name: getattr(shop, name) for name in shop.__struct_fields__}
        return type(shop)(**{**values, "order_overlap_s": 0}), replace(erp, poll_overlap_s=0)

    patch.setattr(World, "settings", without_overlap)


def drops_what_is_parked(patch: pytest.MonkeyPatch) -> None:
    def park(self, key, reason, detail, payload):
        self._finish(key, DeliveryState.COMPLETED)

    patch.setattr(Results, "park", park)


def answers_before_it_stores(patch: pytest.MonkeyPatch) -> None:
    accept = Ingress.accept

    async def accept_later(self, system, headers, body):
        event = self._systems[system].source.verify(WebhookRequest(headers, body, self._clock.now_ms())).event

        async def store():
            await self._clock.sleep(0.5)
            await accept(self, event.system, headers, body)

        self._storing = getattr(self, "_storing", set())
        task = asyncio.get_running_loop().create_task(store())
        self._storing.add(task)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return Answer(200, "stored, soon")

    patch.setattr(Ingress, "accept", accept_later)


def skips_what_a_read_found(patch: pytest.MonkeyPatch) -> None:
    read_once = Poller.read_once

    async def forgetful(self):
        store = self._store

        class Forgets:
            def __getattr__(self, name):
                return getattr(store, name)

            async def append(self, events, **rest):
                kept = events[:-1] if len(events) > 1 else events
                return [*await store.append(kept, **rest), *[None] * (len(events) - len(kept))]

        self._store = Forgets()
        try:
            return await read_once(self)
        finally:
            self._store = store

    patch.setattr(Poller, "read_once", forgetful)


def takes_a_fall_for_the_number_to_beat(patch: pytest.MonkeyPatch) -> None:
    """Believes what the shop tells of its number, and asks nobody where the units went."""
    writes = Levels.writes

    def believes(self, moved, mark):
        _, _, fallen, _, heard = writes(self, moved, mark)
        known = [self._known[row["system"], row["key"]] for row in fallen.rows]
        moves = [
            {"system": row["system"], "key": row["key"], "by": row["held"] - at.held, "now_ms": row["now_ms"]}
            for row, at in zip(fallen.rows, known, strict=True)
        ]
        return [Write("held_written", moves), replace(heard, rows=[{**r, "check_ms": 0} for r in heard.rows])]

    patch.setattr(Levels, "writes", believes)


def forgets_who_paused_what(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Modes, "stop_of", lambda self, route: Stop.NONE)


def sends_again_while_stopped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Stops, "any", lambda self, known: False)


def starts_before_it_knows_what_is_stopped(patch: pytest.MonkeyPatch) -> None:
    refresh = ModeWatch.refresh

    async def later(self):
        if self in begun:
            await refresh(self)
        begun.append(self)

    begun: list[ModeWatch] = []
    patch.setattr(ModeWatch, "refresh", later)


def forgets_what_waited_for_a_pause(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lane, "changed", lambda self, routes: None)


def takes_what_others_wrote_for_units_that_fell(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Modes, "ours_since", lambda self, route: 0)


# Each with the plan and the seeds of which at least one must show it. The engine without a mistake
# passes all of them. The first that shows it ends the search, so a long list costs a caught one nothing.
SOME_SEEDS = (8, 5, 3, 9, 1, 2, 7, 6, 11, 12)
MUTANTS = {
    retries_without_look_up: (Plan(), (3, *SOME_SEEDS)),
    forgets_idempotency_keys: (Plan(), (5, *SOME_SEEDS)),
    resends_after_a_restart: (Plan(kills=6), (5, *SOME_SEEDS)),
    flies_twice: (Plan(kills=0, troubles=("requests slow",)), (16, 3, 26, *SOME_SEEDS)),
    publishes_one_too_many: (Plan(), SOME_SEEDS),
    ignores_the_overlap: (Plan(kills=0, troubles=("search lags", "subscriptions removed")), (2, 1, 3)),
    drops_what_is_parked: (Plan(), (18, 22, 1, 9)),
    answers_before_it_stores: (Plan(), (11, 4, *SOME_SEEDS)),
    takes_a_fall_for_the_number_to_beat: (Plan(kills=0, faults=False, asides=20), (1, 2, 3)),
    skips_what_a_read_found: (
        Plan(kills=0, troubles=("webhooks lost", "pushes lost", "subscriptions removed")),
        (1, 2, 3),
    ),
    forgets_who_paused_what: (Plan(switches=True, asides=0), SOME_SEEDS),
    sends_again_while_stopped: (
        Plan(switches=True, asides=0, kills=0, troubles=("answers lost", "shop fails after")),
        (13, 5, 14, 18),
    ),
    starts_before_it_knows_what_is_stopped: (Plan(switches=True, asides=0), SOME_SEEDS),
    forgets_what_waited_for_a_pause: (Plan(switches=True, asides=0), SOME_SEEDS),
    takes_what_others_wrote_for_units_that_fell: (Plan(switches=True, asides=0), SOME_SEEDS),
}
