"""Cold start, latency and memory of candidates, measured side by side; statistics; targets."""
