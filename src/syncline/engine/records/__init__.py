"""Prices, products, companies and credit, record by record, for whoever looks."""
