"""Where the concrete classes meet: configuration, wiring, the real clock and the real network."""
