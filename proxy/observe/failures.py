"""Failures: each is counted, and logged once a minute. Other packages only report them."""

import logging
from collections.abc import Callable
from typing import NamedTuple

from proxy.errors import LegacyError, Reason, UpstreamError
from proxy.observe.counters import (
    BREAKER_OPENINGS,
    FAILED_HANDSHAKES,
    OPEN_BREAKERS,
    REJECTED_REQUESTS,
    UPSTREAM_FAILURES,
    Counters,
    LimitName,
    Rejection,
    UpstreamOperation,
)
from proxy.observe.log import write

_upstream = logging.getLogger("proxy.upstream")
_security = logging.getLogger("proxy.security")
_server = logging.getLogger("proxy.server")

# What may be an attack, or a mistake with the same effect
_SECURITY = frozenset({Reason.ORIGIN, Reason.ACCOUNT, Reason.CREDENTIALS, Reason.UNAUTHORIZED})

_REJECTIONS: dict[Rejection, tuple[logging.Logger, str]] = {
    "wrong_token": (_security, "a request was answered 401: its credentials are not those of an account"),
    "locked_out": (_security, "a request was answered 429: its peer has failed to log in too often"),
    "caller_limit": (_server, "a request was answered 429: its caller has too many under way"),
    "busy": (_server, "a request was answered 503: too many are under way"),
    "no_memory": (
        _server,
        "a request was answered 503: requests and answers that are not taken fill limits.request_bytes",
    ),
    "codes": (_security, "a code was answered 429: its peer has sent too many"),
}


class UpstreamFailure(NamedTuple):
    """An operation that failed: an upstream gave no usable answer, or said that the request is wrong."""

    upstream: str
    operation: UpstreamOperation
    account: str
    """The AccountSid of the client's path."""
    error: LegacyError

    def __str__(self) -> str:
        return (
            f"upstream {self.upstream}: {self.operation} for {self.account} failed: {self.error.describe()}"
        )


ReportFailure = Callable[[UpstreamFailure], None]


class FailureLog:
    """Counts failures and logs them."""

    def __init__(self, counters: Counters | None = None) -> None:
        """Count with `counters`, or with some of its own."""
        self.counters = counters or Counters()

    def upstream_failed(self, failure: UpstreamFailure) -> None:
        """Report the failure of an upstream, of each kind, account and operation once a minute.

        An error that only says that the request is wrong is no failure.
        """
        upstream, operation, account, error = failure
        if not isinstance(error, UpstreamError):
            return
        self.counters.count(UPSTREAM_FAILURES, operation, error.reason)
        log = _security if error.reason in _SECURITY else _upstream
        # Callers make up accounts and tokens at will
        named = "" if error.reason is Reason.UNAUTHORIZED else account
        fields = {"upstream": upstream, "operation": operation, "account": account, "reason": error.reason}
        if error.line:
            fields["line"] = error.line
        key = ("failure", upstream, operation, named, error.reason)
        write(log, logging.WARNING, str(failure), {**fields, **error.details}, key)

    def breaker_opened(self, origin: str, failure: str, seconds: float, whose: str = "a caller") -> None:
        """Report that a circuit breaker has opened after a failure, for so many seconds."""
        self.counters.count(BREAKER_OPENINGS)
        self.counters.count(OPEN_BREAKERS)
        line = f"upstream {origin}: the circuit breaker of {whose} is open for {seconds:g} s after {failure}"
        write(
            _upstream,
            logging.WARNING,
            line,
            {"origin": origin, "failure": failure},
            ("opened", origin, whose),
        )

    def breaker_closed(self, origin: str, whose: str = "a caller") -> None:
        line = f"upstream {origin}: the circuit breaker of {whose} is closed again"
        write(_upstream, logging.WARNING, line, {"origin": origin}, ("closed", origin, whose))
        self.breaker_removed()

    def breaker_removed(self) -> None:
        """Count one open circuit breaker less: it has closed, or its caller has not been seen for long."""
        self.counters.count(OPEN_BREAKERS, times=-1)

    def request_rejected(self, reason: Rejection) -> None:
        """Report a request that is refused without the upstream being asked."""
        self.counters.count(REJECTED_REQUESTS, reason)
        log, line = _REJECTIONS[reason]
        write(log, logging.WARNING, line, {"reason": reason}, ("rejected", reason))

    def call_refused(self, limit: LimitName, account: str, number: str, *, is_own: bool) -> None:
        """Report a validation call that is refused: `limit` of validation.limits allows no more."""
        self.counters.count(REJECTED_REQUESTS, limit)
        line = (
            f"a validation call was answered 429: validation.limits.{limit} allows no more"
            f" (account {account}, number …{number[-4:]})"
        )
        fields = {"reason": limit, "account": account, "number": f"…{number[-4:]}"}
        # Callers make up accounts at will, but not those of the table
        write(_security, logging.WARNING, line, fields, ("call", limit, "" if is_own else account))

    def handshake_failed(self, listener: str, error: Exception) -> None:
        """Report a TLS handshake that a client has not completed."""
        self.counters.count(FAILED_HANDSHAKES, listener)
        why = getattr(error, "reason", None) or type(error).__name__
        line = f"server: a TLS handshake at listen.{listener} failed: {why}"
        write(_server, logging.WARNING, line, {"listener": listener, "error": why}, (listener, why))
