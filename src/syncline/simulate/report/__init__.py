"""The what-if report: one page that needs no network, and what it says in plain words."""
