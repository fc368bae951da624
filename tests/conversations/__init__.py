"""Tests of proxy/conversations/; the files of this folder are run by tests/test_conversations.py."""
