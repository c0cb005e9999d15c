"""Both sides of a route read again while traffic goes on: each difference named, and repaired within limits."""
