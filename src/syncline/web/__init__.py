"""What people and vendors see: webhook ingress, API, dashboard, metrics."""
