"""TLS contexts of listeners and of connections to upstreams: versions, ciphers, certificates."""

import os
import ssl
import warnings


def context(certificate: str, key: str, *, legacy: bool) -> ssl.SSLContext:
    """Return the context of a listener; SSLError where its certificate and key cannot be used.

    It speaks TLS 1.2 and 1.3, with Python's choice of ciphers: forward secrecy, no SHA-1. `legacy` adds TLS
    1.0 and 1.1, and every cipher that OpenSSL still has by default.
    """
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.num_tickets = 0  # TLS 1.3 sends tickets unasked, which old clients take for an answer cut short
    tls.set_alpn_protocols(["http/1.1"])
    if legacy:  # handshakes before TLS 1.2 are signed with MD5 and SHA-1, which OpenSSL only does at level 0
        tls.set_ciphers("DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            tls.minimum_version = ssl.TLSVersion.TLSv1
    # With an empty password OpenSSL refuses an encrypted key; without one it would ask the terminal
    tls.load_cert_chain(certificate, key, password="")
    return tls


def client_context(
    ca: str | None = None, certificate: str | None = None, key: str | None = None
) -> ssl.SSLContext:
    """Return the context of connections to an upstream; OSError, also SSLError, for files that are unusable.

    It trusts the authorities in the file `ca`, or else those of the system, and shows a certificate if given
    one.
    """
    tls = ssl.create_default_context(cafile=ca)
    # The same on each version: VERIFY_X509_STRICT of 3.13 refuses authorities that others accept
    tls.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
    tls.set_alpn_protocols(["http/1.1"])
    if certificate is not None:
        tls.load_cert_chain(certificate, key or certificate, password="")
    return tls


def check_system_trust() -> None:
    """OSError, also SSLError, where SSL_CERT_FILE cannot be used: nothing would be trusted."""
    if file := os.environ.get(ssl.get_default_verify_paths().openssl_cafile_env):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)


def explain_unusable(error: ssl.SSLError) -> str:
    """Return OpenSSL's reason in plain words; '' where it has none."""
    reason = getattr(error, "reason", None) or ""
    if reason in ("KEY_VALUES_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):  # the latter where their types differ
        return "the key does not belong to the certificate"
    return reason.lower().replace("_", " ")
