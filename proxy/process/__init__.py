"""Processes: how settings become parts, the supervisor and its workers, signals, reload."""
