"""How old data may become, and how old it can get at worst. Pure functions."""
