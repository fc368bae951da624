"""The gateway between the 2008-08-01 caller-ID API and a modern one; proxy/cli.py is the way in."""

__version__ = "0.1.0"
