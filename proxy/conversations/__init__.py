"""Conversations: text files that say what a client, the proxy and an upstream send, and a runner for them."""

from proxy.conversations.parsing import Conversation, ConversationError, Finding, Section, parse_conversation
from proxy.conversations.preparing import ACCOUNT, TOKEN, ProfileUnderTest
from proxy.conversations.running import ConversationFailedError, run_conversation

__all__ = [
    "ACCOUNT",
    "TOKEN",
    "Conversation",
    "ConversationError",
    "ConversationFailedError",
    "Finding",
    "ProfileUnderTest",
    "Section",
    "parse_conversation",
    "run_conversation",
]
