"""Taking over from another connector: read both sides, match, find what it exported, and begin."""
