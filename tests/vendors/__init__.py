"""Vendors as their documentation describes them, and the contract of 2008 before each."""
