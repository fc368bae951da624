"""Commands that show a configuration at work and ask no upstream: explain and translate."""

import asyncio
import contextlib
import functools
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import click

from proxy import config
from proxy.cli.groups import Command
from proxy.cli.parameters import AS_JSON, FILE, load
from proxy.config import Configuration
from proxy.errors import LegacyError, UpstreamError
from proxy.explain import (
    Explanation,
    Rehearsal,
    Row,
    explain_forwarding,
    format_call,
    parse_replies,
    parse_request,
    rehearse,
)
from proxy.legacy import Answer, Request

P = ParamSpec("P")


def _of_a_request(command: Callable[Concatenate[Configuration, Request, P], None]) -> Callable[..., Any]:
    """Let a command take a configuration and a request to the old API, written as for curl."""

    @functools.wraps(command)
    def with_parts(
        method: str, url: str, file: Path | None, data: tuple[str, ...], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        command(load(file) if file else config.default(), parse_request(method, url, data), *args, **kwargs)

    decorated: Callable[..., Any] = with_parts
    for option in (
        click.option("--data", "-d", multiple=True, help="A field of the request's form, as NAME=VALUE."),
        click.option("--config", "file", type=FILE, help="The configuration. [default: every default]"),
        click.argument("url"),
        click.argument("method", type=str.upper),
    ):
        decorated = option(decorated)
    return decorated


@click.command(
    cls=Command,
    examples=("callerid-proxy explain GET /2008-08-01/Accounts/AC…/OutgoingCallerIds --config proxy.yaml",),
)
@_of_a_request
@AS_JSON
def explain(configuration: Configuration, request: Request, *, as_json: bool) -> None:
    """Show what a request to the old API asks the upstream, and which line is behind each part.

    Nothing is sent. URL may be a path; any token will do, and none is asked for.
    """
    if forwarding := explain_forwarding(configuration, request):
        _show_explanation(request, forwarding, None, as_json=as_json)
        return
    rehearsal = asyncio.run(rehearse(configuration, request))
    rows: list[Row] = []
    with contextlib.suppress(LegacyError):  # the answer below says why
        explanation = Explanation(configuration, request)
        rows += explanation.explain_request()
        if rehearsal.calls:
            rows += explanation.explain_call(rehearsal.calls[0])
    _show_explanation(request, rows, rehearsal.answer, as_json=as_json)


def _show_explanation(request: Request, rows: Sequence[Row], answer: Answer | None, *, as_json: bool) -> None:
    """Print an explanation; `answer` is given without the upstream being asked."""
    if as_json:
        told: dict[str, Any] = {"request": f"{request.method} {request.target}"}
        told["parts"] = [row._asdict() for row in rows]
        told["answer"] = _to_json(answer) if answer else None
        click.echo(json.dumps(told, indent=2))
        return
    click.echo(f"{request.method} {request.target}")
    names, texts = (max((len(row[index]) for row in rows if row.text), default=0) for index in (0, 1))
    for row in rows:
        line = (
            f"  {row.name:{names}}  {row.text:{min(texts, 60)}}  {row.origin}"
            if row.text
            else f"\n{row.name}"
        )
        click.echo(line.rstrip())
    if answer:
        click.echo("\nThe upstream is not asked. The answer is")
        _show(answer, include=True)


@click.command(
    cls=Command,
    examples=("callerid-proxy translate GET URL --config proxy.yaml < answer-of-the-vendor.json",),
)
@_of_a_request
@click.option(
    "--status", type=click.IntRange(100, 599), help="Of the upstream's answers. [default: 200 or 204]"
)
@click.option("--request", "to_upstream", is_flag=True, help="Print the upstream request; read no answer.")
@click.option("--include", "-i", is_flag=True, help="Print the status and the content type too.")
def translate(
    configuration: Configuration, request: Request, *, status: int | None, to_upstream: bool, include: bool
) -> None:
    """Translate a request to the old API, or what an upstream answers to it.

    The upstream's JSON comes on standard input, one document for each time that it is asked. Out comes
    the old API's document, or with --request the request that the upstream would get. Where that document
    is an error, the reason goes to standard error, with the line of the profile behind it, and the exit
    status is 65.
    """
    if forwarding := explain_forwarding(configuration, request):
        raise click.ClickException(f"the request is not translated: it is forwarded to {forwarding[0].text}")
    replies = [] if to_upstream else list(parse_replies(sys.stdin.buffer.read(), status))
    rehearsal = asyncio.run(rehearse(configuration, request, replies))
    if rehearsal.answer and not to_upstream:
        _show(rehearsal.answer, include=include)
        if rehearsal.answer.status >= _FIRST_ERROR:
            raise _ErrorAnswer(_find_reason(configuration, request, rehearsal))
    elif rehearsal.answer and not rehearsal.calls:
        _show(rehearsal.answer, include=True)
        failed = [str(each) for each in rehearsal.failures if isinstance(each.error, UpstreamError)]
        raise click.ClickException(": ".join(["the upstream is not asked", *failed]))
    else:
        call = rehearsal.calls[-1]
        masked = Explanation(configuration, request).mask(call)
        if not to_upstream:
            raise click.ClickException(
                f"the upstream would be asked once more, for {call.method} {masked.url}"
            )
        try:
            click.echo(format_call(call, masked))
        except ValueError as error:
            raise click.ClickException(f"the request cannot be sent: {error}") from error


_FIRST_ERROR = 400


class _ErrorAnswer(click.ClickException):
    """The answer would be an error."""

    exit_code = 65
    """EX_DATAERR of sysexits.h."""


def _find_reason(configuration: Configuration, request: Request, rehearsal: Rehearsal) -> str:
    """Return why the answer is an error: what is wrong with an upstream's answer, or with the request."""
    if rehearsal.failures:
        return str(rehearsal.failures[0])
    if rehearsal.calls:
        return "the list has no such caller ID"
    try:
        Explanation(configuration, request)
    except LegacyError as error:
        return f"the request: {error.describe()}"
    return "the configuration has no such account"  # for any token will do


def _to_json(answer: Answer) -> Mapping[str, Any]:
    """Return an answer that is given without asking the upstream, as plain values."""
    return {
        "status": answer.status,
        "headers": dict(answer.headers),
        "content_type": answer.content_type,
        "body": answer.body.decode() if answer.body else None,
    }


def _show(answer: Answer, *, include: bool) -> None:
    if include:
        head = [f"{answer.status}", *(f"{name}: {value}" for name, value in answer.headers.items())]
        kind = [f"Content-Type: {answer.content_type}"] if answer.content_type else []
        click.echo("\n".join([*head, *kind, ""]))
    if answer.body:
        click.echo(answer.body)


COMMANDS: dict[str, click.Command] = {"explain": explain, "translate": translate}
