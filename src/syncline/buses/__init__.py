"""Message brokers as ways in. The guarantees are in our log; a broker only carries."""
