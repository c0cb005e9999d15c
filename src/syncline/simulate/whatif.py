"""What-if: one order history under several designs, side by side, and what came of each.

Every design is played over the same orders at the same moments by ``syncline.simulate.play``. The same case, settings
and seed give the same figures, in however many processes they are played.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import structlog

from syncline.model.errors import Misconfigured, Retryable
from syncline.simulate.case import Case, Setting
from syncline.simulate.history import History
from syncline.simulate.lean import BATCH_MAX, CALL_S, ERP_CALL_S, EVENT_S
from syncline.simulate.play import Figures, Play
from syncline.simulate.stage import LIGHT, SIMULATORS
from syncline.simulate.trace import joined, part_of, removed
from syncline.stores.sqlite.one_thread import for_one_thread

DESIGNS_MAX = 12
BATCH = "batch:15m"  # the two that every ratio is to
REALTIME = "realtime"
NOTHING = Decimal(0)
LOOK_S = 0.2  # how often the progress of other processes is looked at

Say = Callable[[int, float], None]  # which of the settings, and its share that has been played


@dataclass(frozen=True, slots=True)
class Prices:
    """What things cost, in whatever currency: a call, a unit sold that was not there, a unit not sold that was."""

    call: Decimal = NOTHING
    oversold: Decimal = NOTHING
    hidden: Decimal = NOTHING

    def of(self, one: Mapping[str, Any]) -> dict[str, str]:
        """What a design cost, by cause."""
        parts = {
            "calls": self.call * sum(one["calls"].values()),
            "oversold": self.oversold * one["units_oversold"],
            "hidden": self.hidden * one["units_hidden"],
        }
        return {name: f"{amount:.2f}" for name, amount in {**parts, "total": sum(parts.values())}.items()}


def play_all(
    case: Case,
    settings: Sequence[Setting],
    *,
    processes: int = 1,
    draw: bool = False,
    ledger: Path | None = None,
    say: Say = lambda _which, _share: None,
) -> list[Figures]:
    """Play every setting over a case; the figures stand as the settings do.

    With ``ledger`` every event of every play is written to that file.

    Raises:
        Misconfigured: no design, one twice, or too many; or the file cannot be written.
        Retryable: a process was ended from outside, for want of memory as a rule.
    """
    if not 1 <= len(settings) <= DESIGNS_MAX:
        raise Misconfigured(f"--design: 1 to {DESIGNS_MAX} designs can be played at once")
    names = [one.design for one in settings]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Misconfigured(f"--design {twice[0]}: named twice")
    if ledger is None:
        return _play_all(case, settings, processes, draw, None, say)
    try:
        found = _play_all(case, settings, processes, draw, ledger, say)
        joined(ledger, len(settings))
    except OSError as error:
        raise Misconfigured(f"{ledger}: cannot be written: {error.strerror}") from error
    finally:
        removed(ledger, len(settings))
    return found


def _play_all(
    case: Case, settings: Sequence[Setting], processes: int, draw: bool, ledger: Path | None, say: Say
) -> list[Figures]:
    if min(processes, len(settings)) > 1:
        return _side_by_side(case, settings, processes, draw, ledger, say)
    found = []
    for which, setting in enumerate(settings):
        found.append(_played(case, setting, which, draw, ledger, partial(say, which)))
        say(which, 1.0)
    return found


def _played(
    case: Case, setting: Setting, which: int, draw: bool, ledger: Path | None, say: Callable[[float], None]
) -> Figures:
    kind = _kind(setting)
    if ledger is None:
        return kind(case, setting, draw=draw, say=say).play()
    with part_of(ledger, which).open("w", encoding="utf-8", newline="") as to:
        return kind(case, setting, draw=draw, trace_to=to, say=say).play()


def _kind(setting: Setting) -> type[Play]:
    """Who plays a setting. The simulators of all vendors are loaded only where they are played."""
    if setting.accounts is None:
        return Play
    from syncline.simulate.against import SimulatedPlay

    return SimulatedPlay


# Of a process that plays: the case is inherited, not sent, since it may be hundreds of megabytes.
_stage: tuple[Case, SimpleQueue[tuple[int, float]]] | None = None


def _enter(case: Case, queue: SimpleQueue[tuple[int, float]]) -> None:
    global _stage  # noqa: PLW0603 (one case a process)
    _stage = case, queue
    quiet()


def quiet() -> None:
    """Of a process that does nothing but play: keep the log out of the way, and the garbage collector out of what never becomes garbage.

    The ledgers of months are millions of objects; walking them again and again would be a fifth of the time. And nobody
    else uses its stores.
    """
    for_one_thread()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 1_000)


def _play(which: int, setting: Setting, draw: bool, ledger: Path | None) -> Figures:
    assert _stage is not None
    case, queue = _stage
    return _played(case, setting, which, draw, ledger, lambda share: queue.put((which, share)))


def _side_by_side(
    case: Case, settings: Sequence[Setting], processes: int, draw: bool, ledger: Path | None, say: Say
) -> list[Figures]:
    context = multiprocessing.get_context("fork")
    queue: SimpleQueue[tuple[int, float]] = context.SimpleQueue()
    try:
        with ProcessPoolExecutor(
            min(processes, len(settings)), mp_context=context, initializer=_enter, initargs=(case, queue)
        ) as pool:
            # Those that hear of every change take longest, so they begin first.
            order = sorted(range(len(settings)), key=lambda which: not settings[which].plan.events)
            begun = {which: pool.submit(_play, which, settings[which], draw, ledger) for which in order}
            futures = [begun[which] for which in range(len(settings))]
            waiting = set(futures)
            while waiting:
                done, waiting = wait(waiting, LOOK_S, return_when=FIRST_COMPLETED)
                while not queue.empty():
                    say(*queue.get())
                for one in done:
                    say(futures.index(one), 1.0)
            return [future.result() for future in futures]
    except BrokenProcessPool as error:
        raise Retryable(
            "a process that played a design was ended from outside, perhaps for want of memory; try "
            "--processes 1, or a shorter part of the history with --from and --to"
        ) from error
    finally:
        queue.close()


def result(
    case: Case, history: History, source: str, figures: Sequence[Figures], prices: Prices
) -> dict[str, Any]:
    """Everything that was found, as it stands in the JSON; no moment of the run is in it."""
    designs = {}
    for one in figures:
        found = one.json()
        del found["design"]
        if prices != Prices():
            found["cost"] = prices.of(found)
        designs[one.setting.design] = found
    shares = {
        name: sum(each.channel == name for each in case.placings) / len(case.placings)
        for name in case.channels
    }
    setting = figures[0].setting
    against: dict[str, Any] = {"against": LIGHT}
    if setting.accounts is not None:
        against = {"against": SIMULATORS, "vendors": setting.accounts.json(case.erp)}
    return {
        "designs": designs,
        "history": {
            "source": source,
            "from": _day(case.begin_ms),
            "to": _day(case.end_ms),
            "orders": len(case.placings),
            "lines": sum(len(one.order.lines) for one in case.placings),
            "skus": len(case.target),
            "skipped": dict(sorted(history.skipped.items())),
            "noticed": dict(sorted(history.noticed.items())),
        },
        "stage": {
            **against,
            "channels": {name: round(share, 4) for name, share in shares.items()},
            "erp": case.erp,
            "locations": setting.places,
            "units_sellable": figures[0].sellable,
            "delays_s": {"event": list(EVENT_S), "call": list(CALL_S), "erp_call": list(ERP_CALL_S)},
            "values_per_call": BATCH_MAX,
            "limit_per_s": setting.calls_per_s,
        },
        "compared": compared(designs),
    }


def compared(designs: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Each design beside 15-minute batch and real-time, where these were played; ``None``: beside nothing."""
    found = {}
    for name, one in designs.items():
        beside: dict[str, float | None] = {}
        if batch := designs.get(BATCH):
            beside["oversold_of_batch"] = _ratio(one["units_oversold"], batch["units_oversold"])
        if realtime := designs.get(REALTIME):
            for what in ("calls", "reads", "writes"):
                beside[f"{what}_of_realtime"] = _ratio(sum(one[what].values()), sum(realtime[what].values()))
            beside["writing_calls_of_realtime"] = _ratio(_writing(one), _writing(realtime))
        found[name] = beside
    return found


def _writing(one: Mapping[str, Any]) -> int:
    """The calls of a design that write."""
    return int(sum(one["calls"].values()) - sum(one["reads"].values()))


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 6) if whole else None


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).date().isoformat()
