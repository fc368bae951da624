"""The CPU time of a request, compared with a pass-through proxy and other implementations: make bench."""
