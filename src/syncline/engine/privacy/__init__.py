"""Erasing and telling the personal data of a customer."""
