"""Addresses, sockets, TLS contexts, time limits, and how workers share what they accept."""
