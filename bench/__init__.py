"""The CPU time of a request, beside a bare pass-through proxy and other ways to do the same: make bench."""
