"""Everything that a connector author may import."""
