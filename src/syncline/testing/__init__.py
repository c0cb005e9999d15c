"""Shipped to users: the conformance suites that stores, sources, sinks and simulators have to pass."""
