"""How many examples a random test tries: more or fewer by the profile of Hypothesis, see conftest.py."""

from hypothesis import settings

_USUAL = 100


def examples(number: int) -> settings:
    """Return settings for so many examples where the profile has a hundred."""
    assert settings.default
    return settings(max_examples=max(1, number * settings.default.max_examples // _USUAL))
