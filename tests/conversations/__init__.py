"""Tests of proxy/conversations/; the files of this folder are played by tests/test_conversations.py."""
