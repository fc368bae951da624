"""What is spoken over TLS, and with which certificate."""

import ssl
import warnings


def context(certificate: str, key: str, *, legacy: bool) -> ssl.SSLContext:
    """Return the terms of a listener; SSLError where the files of its certificate and key are of no use.

    These are TLS 1.2 and 1.3, with Python's choice of ciphers: forward secrecy, no SHA-1. `legacy` adds TLS
    1.0 and 1.1, and every cipher that OpenSSL still has by default.
    """
    terms = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    terms.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    terms.minimum_version = ssl.TLSVersion.TLSv1_2
    terms.num_tickets = 0  # TLS 1.3 sends tickets unasked, which old clients take for an answer cut short
    terms.set_alpn_protocols(["http/1.1"])
    if legacy:
        _admit_old_clients(terms)
    # With an empty password OpenSSL refuses an encrypted key; without one it would ask the terminal
    terms.load_cert_chain(certificate, key, password="")
    return terms


def _admit_old_clients(terms: ssl.SSLContext) -> None:
    # Handshakes before TLS 1.2 are signed with MD5 and SHA-1, which OpenSSL only does at level 0
    terms.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        terms.minimum_version = ssl.TLSVersion.TLSv1
