"""Scripted stand-ins of vendors, and the contract of 2008 with each."""
