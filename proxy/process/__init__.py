"""Processes: the supervisor and its workers, signals, reload, and how settings become parts."""
