"""From a configuration to an engine that can run."""

from __future__ import annotations

from pathlib import Path
from random import Random

from syncline.engine.engine import Engine
from syncline.model.errors import Misconfigured
from syncline.ports import Clock, Feed, Inlet, Opening, Store, System, Transport
from syncline.runtime.config import Config, StoreConfig
from syncline.runtime.ledger import NAME, FileLedger
from syncline.runtime.outside import OutsideTransport
from syncline.runtime.registry import connectors
from syncline.stores.sqlite import LiveSqliteStore

OWNER_EMBEDDED = "embedded"  # the file lock keeps others away, so a restart need not wait for its own leases


async def open_store(config: Config, clock: Clock) -> Store:
    """Open the configured store and bring its schema up to date.

    Raises:
        Misconfigured: it cannot be trusted or reached.
    """
    return await open_store_of(config.store, config.folder, clock)


async def open_store_of(store: StoreConfig, folder: Path, clock: Clock) -> Store:
    """The same for ``[store]`` alone, of a configuration in this folder.

    Raises:
        Misconfigured: it cannot be trusted or reached.
    """
    if store.url:
        from syncline.stores.postgres import PostgresStore

        return await PostgresStore.open(store.url, now_ms=clock.now_ms())
    return await LiveSqliteStore.open(str(folder / store.path), now_ms=clock.now_ms())


def open_inlet(feed: Feed) -> Inlet:
    """A queue of a broker. Makes no call.

    Raises:
        Misconfigured: what it needs is not installed.
    """
    try:
        from syncline.buses.rabbitmq import RabbitInlet
    except ImportError as error:
        raise Misconfigured('amqp_url: RabbitMQ needs an extra: pip install "syncline[rabbitmq]"') from error
    return RabbitInlet(feed)


def open_systems(config: Config, clock: Clock, rng: Random, transport: Transport) -> list[System]:
    """Open every configured system. Makes no call."""
    known = connectors()
    opened: list[System] = []
    for system in config.systems:
        try:
            one = known[system.connector].open(
                Opening(
                    system.name,
                    system.settings,
                    clock,
                    Random(rng.getrandbits(64)),
                    transport,
                    open_inlet,
                    OutsideTransport(),
                ),
            )
            opened.append(config.alerts.with_expiry(one))
        except Misconfigured as error:
            raise Misconfigured(f"systems.{system.name}: {error}") from error
    return opened


def open_engine(config: Config, store: Store, clock: Clock, rng: Random, transport: Transport) -> Engine:
    """The engine of a configuration, not yet running."""
    return Engine(
        store=store,
        clock=clock,
        rng=rng,
        systems=open_systems(config, clock, rng, transport),
        routes=config.routes,
        owner="" if config.store.url else OWNER_EMBEDDED,
        epsilon=config.epsilon,
        checkouts=config.checkouts,
        thresholds=config.thresholds,
        reconcile=config.reconcile,
        orders_kept_ms=config.orders_kept_ms,
        hears_events=bool(config.server.public_url),
        adopt=config.adopt,
        routing=config.routing,
        ledger=FileLedger(config.folder / NAME),
    )
