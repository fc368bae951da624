"""Conversations: text files that say what a client, the proxy and an upstream send, and their playing."""

from proxy.conversations.parsing import Conversation, ConversationError, Finding, Section, parse_conversation
from proxy.conversations.playing import ConversationFailedError, play_conversation
from proxy.conversations.preparing import ACCOUNT, TOKEN, Cast

__all__ = [
    "ACCOUNT",
    "TOKEN",
    "Cast",
    "Conversation",
    "ConversationError",
    "ConversationFailedError",
    "Finding",
    "Section",
    "parse_conversation",
    "play_conversation",
]
