"""Plain values → a settings model, or what is wrong with them in plain sentences, each with its position.

A misspelt key or word is reported once and corrected, so that everything after it is checked too.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from proxy.config.key_places import write_place
from proxy.config.yaml_source import EMPTY_SECRET, Expanded, Source, parse_plain
from proxy.profile.base import KeyPath, find_closest, join_names, write_suggestion

M = TypeVar("M", bound=BaseModel)

PATHS = ("ca", "certificate", "key", "file", "database")
"""Keys of paths, which are relative to the file that names them."""

# Sentences for pydantic's error types; other types keep the message of the model
_SENTENCES: Mapping[str, str] = {
    "string_type": "expected text",
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "bool_type": "expected true or false",
    "tuple_type": "expected a list, as in [a, b]",
    "dict_type": "expected a mapping, as in {{name: value}}",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected {ge} or more",
    "less_than_equal": "expected {le} or less",
    "string_too_short": "expected text that is not empty",
    "too_short": "expected a list that is not empty",
}
_PATTERNS: Mapping[str, str] = {
    "^AC[0-9a-fA-F]{32}$": "an account is AC and 32 hexadecimal digits",
}


_SHOWN_KEYS = 4


class _Problem(NamedTuple):
    key_path: KeyPath
    sentence: str
    meant: str | None = None
    """The key or the word that the file probably means."""
    is_key: bool = False


def check(model: type[M], source: Source) -> M | None:
    """Return the source's data as `model`; None where it is invalid, with reasons in `source.mistakes`."""
    if source.data is None:  # the file is unreadable, which its mistakes say already
        return None
    context = {"without_secrets": source.is_without_secrets}
    while True:
        try:
            return model.model_validate(source.data, context=context)
        except ValidationError as error:
            details = error.errors(include_url=False)
        if _reread_expanded(details, source):
            continue
        problems = list(_find_problems(model, details, source))
        misspelt = [problem for problem in problems if problem.meant is not None]
        for key_path, sentence, _, _ in misspelt or problems:
            source.mistakes.append(source.mistake_at(key_path, sentence))
        if not misspelt:
            return None
        for problem in misspelt:
            _correct(source, problem)


def is_consequence(key_path: KeyPath, source: Source) -> bool:
    """Whether a mistake at `key_path` only follows from a value there that could not be read."""
    lost = [each for each in source.broken if each == key_path or each[:-1] == key_path]
    return any(source.find(each) is None for each in lost)


# pydantic's errors → problems


def _find_problems(
    model: type[BaseModel], details: Sequence[ErrorDetails], source: Source
) -> Iterator[_Problem]:
    """Yield what to report; a value that may have several types gets one sentence, not one for each."""
    found: dict[KeyPath, list[_Problem]] = {}
    for each in details:
        problem = _make_problem(model, each, source)
        if not _is_reported(each, problem.key_path, source):
            found.setdefault(problem.key_path, []).append(problem)
    for problems in found.values():
        types = [re.split("[:,]", problem.sentence)[0].removeprefix("expected ") for problem in problems]
        if len(problems) > 1 and all(problem.sentence.startswith("expected ") for problem in problems):
            names = list(
                dict.fromkeys(each for each in types if each != "a whole number" or "a number" not in types)
            )
            problems[:] = [_Problem(problems[0].key_path, f"expected {join_names(names)}")]
        for problem in problems:
            here = problem.key_path
            is_empty = here in source.variables and source.find(here) is None
            sentence = f"{problem.sentence}, but the variable is empty" if is_empty else problem.sentence
            yield problem._replace(sentence=sentence)


def _is_reported(details: ErrorDetails, key_path: KeyPath, source: Source) -> bool:
    """Whether this only follows from a mistake that the YAML reader has reported already."""
    if key_path not in source.broken:
        return False
    # A mistake in one key does not explain that another one is missing
    inner = any(each and each[:-1] == key_path for each in source.broken)
    return not (details["type"] == "missing" and inner)


def _make_problem(model: type[BaseModel], details: ErrorDetails, source: Source) -> _Problem:
    location, context = details["loc"], details.get("ctx", {})
    key_path = _find_key_path(location, source)
    match details["type"]:
        case "missing":
            return _Problem(_find_key_path(location[:-1], source), f"the key {location[-1]!r} is missing")
        case "extra_forbidden":
            return _report_unknown_key(model, location, source)
        case "literal_error":
            return _report_choice(key_path, context["expected"], source)
        case "union_tag_invalid":
            here = (*key_path, context["discriminator"].strip("'"))
            return _report_choice(here, context["expected_tags"], source)
        case "model_type" | "model_attributes_type":
            return _Problem(key_path, f"expected a mapping, with such keys as {_show_keys(model, location)}")
        case _:
            return _Problem(key_path, _write_sentence(details, context))


def _write_sentence(details: ErrorDetails, context: Mapping[str, Any]) -> str:
    match details["type"], details["input"]:
        case "union_tag_not_found", _:
            return f"the key {context['discriminator']} is missing"
        case "string_pattern_mismatch", _:
            return _PATTERNS.get(context["pattern"], details["msg"])
        case "string_type", bool() | int() | float():
            return "expected text: put it in quotes"
        case "int_type", str() as given if isinstance(parse_plain(given), int):
            return "expected a whole number: leave the quotes out"
        case kind, _ if kind in _SENTENCES:
            return _SENTENCES[kind].format(**context)
        case _:
            return details["msg"].removeprefix("Value error, ")


def _find_key_path(location: KeyPath, source: Source) -> KeyPath:
    """Keep the keys that are in the file: a location of pydantic also names unions and functions."""
    key_path: KeyPath = ()
    for step in location:
        if (*key_path, step) in source.positions:
            key_path = (*key_path, step)
    return key_path


def _report_unknown_key(model: type[BaseModel], location: KeyPath, source: Source) -> _Problem:
    key = str(location[-1])
    # A strategy, which pydantic names before the key, may have the name of another unknown key
    around = [_find_key_path(location[:end], source) for end in (-1, -2)]
    key_path = (*next(each for each in around if (*each, key) in source.positions), key)
    here = source.find(key_path[:-1])
    chosen, all_of_them = _list_keys_at(model, location[:-1])
    if key in all_of_them:
        return _Problem(key_path, f"the key {key!r} does not go with {_strip_brackets(location[-2])!r} here")
    known = all_of_them if chosen < all_of_them and not chosen & here.keys() else chosen
    meant = find_closest(key, known)
    if meant in here:  # a second one of these is no typing mistake
        meant = None
    hint = write_suggestion(meant) or write_place(model, key)
    return _Problem(key_path, f"unknown key {key!r}{hint}", meant, is_key=True)


def _report_choice(key_path: KeyPath, expected: str, source: Source) -> _Problem:
    """Report a value that is not one of a list; `expected` is pydantic's text of the list."""
    given = source.find(key_path)
    known = _list_words(expected)
    shown = join_names([f"{word!r}" for word in known] or re.findall(r"[\w.]+(?<!\bor)", expected))
    is_word = isinstance(given, str) and not isinstance(given, Expanded) and given not in known
    meant = find_closest(str(given), known) if is_word else None
    one_of = "one of " if len(known) > 2 else ""
    return _Problem(key_path, f"expected {one_of}{shown}{write_suggestion(meant)}", meant)


def _list_words(expected: str) -> Sequence[str]:
    """Return the words of pydantic's text of a list."""
    return re.findall(r"'([^']*)'", expected)


# Corrections


def _reread_expanded(details: Sequence[ErrorDetails], source: Source) -> bool:
    """Read texts from variables as what the model expects; return whether one of them has changed.

    An empty one is null, so that the key keeps its default. One that is not known stands for whatever fits.
    """
    changed: set[KeyPath] = set()
    for each in details:
        key_path = _find_key_path(each["loc"], source)
        given = source.find(key_path)
        if key_path in changed or not (isinstance(given, Expanded) or key_path in source.unknown):
            continue
        value: Any = given
        if each["type"] in _TYPES_OF_PLAIN and isinstance(given, Expanded):
            value = parse_plain(given)
        elif given == "" and each["type"] != EMPTY_SECRET:
            value = None
        if key_path in source.unknown and (value is given or isinstance(value, str)):
            words = _list_words(each.get("ctx", {}).get("expected", ""))
            value = words[0] if words else next(source.unknown[key_path], given)
        if value is not given:
            source.find(key_path[:-1])[key_path[-1]] = value
            changed.add(key_path)
    return bool(changed)


_TYPES_OF_PLAIN = frozenset({"int_type", "float_type", "bool_type", "literal_error"})


def _correct(source: Source, problem: _Problem) -> None:
    """Replace a misspelt key or word by what is meant, so that problems in its value are found."""
    key_path = problem.key_path
    holder = source.find(key_path[:-1])
    if not problem.is_key:
        holder[key_path[-1]] = problem.meant
        return
    value = holder.pop(key_path[-1])
    is_path = problem.meant in PATHS and isinstance(value, str)
    holder[problem.meant] = str(Path(source.file).parent / value) if is_path else value
    depth, renamed = len(key_path), (*key_path[:-1], str(problem.meant))

    def moved(each: KeyPath) -> KeyPath:
        return renamed + each[depth:] if each[:depth] == key_path else each

    source.positions = {moved(each): at for each, at in source.positions.items()}
    source.unknown = {moved(each): texts for each, texts in source.unknown.items()}
    source.broken = {moved(each) for each in source.broken}


# Keys of models


def _show_keys(model: type[BaseModel], location: KeyPath) -> str:
    """Return some keys of the models that are possible at `location`, first those that all of them have."""
    models, _ = _find_models(model, location)
    count = Counter(key for each in models for key in _list_keys({each}))
    keys = sorted(count, key=lambda key: (-count[key], key))
    return ", ".join([*keys[:_SHOWN_KEYS], *(["…"] if len(keys) > _SHOWN_KEYS else [])])


def _list_keys_at(model: type[BaseModel], location: KeyPath) -> tuple[set[str], set[str]]:
    """Return the keys of the model at `location`, and those of all models that are possible there."""
    level, family = _find_models(model, location)
    return _list_keys(level), _list_keys(family)


Models = set[type[BaseModel]]


def _find_models(model: type[BaseModel], location: KeyPath) -> tuple[Models, Models]:
    """Return the models that `location` chooses, and all models that are possible there."""
    level = family = {model}
    for step in location:
        items = [item for each in level for item in each.model_fields.items()]
        fields = [field for name, field in items if step in (name, field.alias)]
        inner = {each for field in fields for each in list_models(field.annotation)}
        if inner:
            level = family = inner
        else:  # the name of one of several models, or a key of a mapping, or an index
            level = {each for each in level if _has_choice(each, _strip_brackets(step))} or level
    return level, family


def _strip_brackets(step: str | int) -> str:
    """Return the name of one of several models, as it stands in an error's location."""
    return str(step).strip("<>")


def _list_keys(level: Iterable[type[BaseModel]]) -> set[str]:
    return {field.alias or name for each in level for name, field in each.model_fields.items()}


def _has_choice(model: type[BaseModel], name: str) -> bool:
    """Whether `name` chooses this model among others, by the value of a key or as a key of its own."""
    return any(
        name in get_args(field.annotation) or name == (field.alias or own)
        for own, field in model.model_fields.items()
    )


def list_models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from list_models(argument)
