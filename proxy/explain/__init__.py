"""A configuration at work without anybody at the other end; knows both shores, as the translator does."""

from proxy.explain.explanation import Explanation, Row
from proxy.explain.messages import message_of, replies_of, request_of
from proxy.explain.rehearsal import rehearse

__all__ = ["Explanation", "Row", "message_of", "rehearse", "replies_of", "request_of"]
