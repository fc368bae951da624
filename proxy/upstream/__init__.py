"""Asking a vendor: the HTTP client, retries, the circuit breaker, cooldowns, a number or a whole listing."""
