"""From raw events to canonical records, version by version."""
