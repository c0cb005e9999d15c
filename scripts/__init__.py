"""What builds, tests and documents the project."""
