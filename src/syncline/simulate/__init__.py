"""The engine in a made-up world: virtual time, simulators, faults, and a history of real orders."""
