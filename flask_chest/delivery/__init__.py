"""From the request thread to a chest: buffers, retries, the ledger. Knows no backend, no Flask."""
