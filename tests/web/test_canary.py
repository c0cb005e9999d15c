"""Secrets are looked for in everything that a run leaves behind: store, logs, status, metrics, screens."""

import structlog

from syncline.engine.status import status
from syncline.runtime.logs import configure
from syncline.simulate.simulation import Plan, Simulation
from syncline.simulate.world import ACCESS_TOKEN, PUSH_SECRET, WEBHOOK_SECRET
from syncline.stores.bodies import unpack
from syncline.web.metrics import exposition


class Watched(Simulation):
    """A simulation that also looks at its own status before it ends."""

    said = ""

    async def _converge(self):
        report = await super()._converge()
        seen = await status(self.engine, self.clock.now_ms())
        self.said = f"{seen!r} {exposition(seen)!r} {self.engine.systems!r}"
        return report


def everything_stored(simulation):
    connection = simulation._store._connection
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    assert len(tables) > 10
    for table in tables:
        for row in connection.execute(f'SELECT * FROM "{table}"'):
            for value in row:
                text = value
                if isinstance(value, bytes):
                    text = unpack(value).decode("utf-8", "replace") if table == "event" else value.hex()
                yield str(text)


def test_no_secret_is_in_anything_that_a_run_leaves_behind(capsys):
    configure()
    try:
        simulation = Watched(11, Plan(orders=25, minutes=12, kills=1))
        report = simulation.run()
    finally:
        structlog.reset_defaults()
    output = capsys.readouterr()
    left = "\n".join([*everything_stored(simulation), output.out, output.err, simulation.said, repr(report)])
    assert len(left) > 100_000
    assert "read failed" in output.err  # the logs were really written, troubles included
    private_key = simulation.world.erp_side.private_key
    canaries = [ACCESS_TOKEN, WEBHOOK_SECRET, PUSH_SECRET, *private_key.splitlines()[1:3]]
    assert [canary for canary in canaries if canary in left] == []
    assert "Bearer " not in left
