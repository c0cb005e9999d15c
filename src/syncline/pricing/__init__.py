"""From what price lists say to what is shown and asked for. Pure functions of their inputs and a moment."""
