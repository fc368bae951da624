"""A vendor's OpenAPI description → the draft of a profile, for `init`: each guess has its place."""

from proxy.drafts.drafting import Draft, draft_profile
from proxy.drafts.shapes import DescriptionError

__all__ = ["DescriptionError", "Draft", "draft_profile"]
