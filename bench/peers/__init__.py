"""What we are measured against: other ways to put a translating proxy where ours stands.

The Python ones are started as `python -m bench.peers.NAME PORT UPSTREAM_PORT`. Those that translate take one
upstream page each, and know no total beyond it.
"""
