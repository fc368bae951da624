"""The conversations that show each row of the contract of 2008; every row has one.

The rows are those of the contract's sections: 1 resources and methods, 2 parameters, 3 XML, 4 errors, 5 what
real clients of the time do. A file may show several rows, and shows one at least. Some rows cannot be
conversations: TLS 1.0 is tested in server/test_tls.py, malformed HTTP in server/test_raw.py.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

FILES = {file.stem for file in (Path(__file__).parent / "conversations").glob("*.txt")}

RESOURCES = {
    "GET list": "s1-get-list",
    "POST list": "s1-post-list",
    "PUT list": "s1-put-list",
    "DELETE list": "s1-delete-list",
    "GET instance": "s1-get-instance",
    "PUT instance": "s1-put-instance",
    "POST instance": "s1-post-instance",
    "only FriendlyName can change": "s2-update-only-the-name",
    "DELETE instance": "s1-delete-instance",
    "HEAD list": "s1-head-list s1-suffix-head",
    "HEAD instance": "s1-head-instance s1-suffix-head",
    "_method=PUT": "s1-method-put s1-suffix-method",
    "_method=DELETE": "s1-method-delete s1-suffix-method",
    "_method on the list": "s1-method-on-list s1-suffix-method",
    "other values of _method": "s1-method-other-values",
    "_method in other places": "s1-method-other-places",
    "404 for a path": "s1-unknown-path s1-inner-slashes s1-suffix-unknown",
    "405 for a method": "s1-unknown-method s4-errors-xml",
    "the form of Sids": "s1-malformed-sid",
    "the case of Sids": "s1-case-of-sid",
    "the case of paths": "s1-case-of-path s1-suffix-unknown",
    "slashes at the start": "s1-leading-slashes s1-suffix-around",
    "one slash at the end": "s1-trailing-slash s1-inner-slashes s1-suffix-around",
    "a question mark at the end": "s1-trailing-question-mark s1-suffix-around",
    ".xml": "s1-suffix-xml s1-suffix-xml-writes s4-errors-xml",
    ".json": "s1-suffix-json s4-errors-json",
    ".csv": "s1-suffix-csv s4-errors-csv",
    ".html": "s1-suffix-html s4-errors-html",
    "suffixes of DELETE": "s1-suffix-delete",
    "suffixes with parameters": "s1-suffix-paging s1-suffix-filters",
    "Accept is ignored": "s1-accept s1-suffix-accept",
    "JSON: every value a string or null": "s3-strings-json s3-nulls-formats s1-suffix-paging",
    "JSON: paging beside the list": "s1-suffix-json s1-suffix-paging s3-empty-list-formats",
    "CSV: a header row": "s1-suffix-csv s3-empty-list-formats s3-no-name-formats",
    "CSV: formulas": "s3-csv-formulas s3-csv-plus-sign",
    "CSV: quotes and commas": "s3-csv-quotes-and-commas s3-names-csv",
    "HTML: the status as title": "s1-suffix-html s4-errors-html",
    "HTML: nested divs": "s1-suffix-html s3-names-html",
}

PARAMETERS = {
    "names are case-sensitive": "s2-names-case-of-list s2-unknown-of-create s2-xml-names",
    "unknown ones are ignored": "s2-unknown-of-list s2-unknown-of-create s2-update-only-the-name",
    "the last of equal names": "s2-last-of-equal-names s2-multipart-equal-names s2-xml-equal-names",
    "two PhoneNumbers": "s2-two-phone-numbers s2-multipart-equal-names s2-xml-equal-names",
    "the same PhoneNumber twice": "s2-same-phone-number-twice",
    "page": "s2-page-and-num s1-suffix-paging",
    "page negative or not a number": "s2-page-no-page",
    "Page and PageSize": "s2-page-other-spelling",
    "num": "s2-page-and-num s2-num-default",
    "num above 1000": "s2-num-above-1000",
    "num below 1 or not a number": "s2-num-below-1",
    "PhoneNumber as filter": "s2-filter-number s2-filter-number-exact",
    "spellings of PhoneNumber as filter": "s2-filter-number-spellings s2-filter-elsewhere",
    "no number as filter": "s2-filter-no-number s2-filter-local-number",
    "FriendlyName as filter": "s2-filter-name s2-filter-name-special s2-filter-name-65",
    "FriendlyName as filter is exact": "s2-filter-name-exact",
    "both filters": "s2-filter-both s1-suffix-filters",
    "paging describes the filtered list": "s2-filter-paged s2-filter-number-exact s2-filter-name-exact",
    "readable numbers of create": "s2-create-number-formats",
    "no number in create": "s2-create-number-refused",
    "PhoneNumber is required": "s2-create-number-missing",
    "FriendlyName of create": "s2-create-name-length s2-create-name-code-points",
    "FriendlyName of create is optional": "s2-create-without-name",
    "CallDelay": "s2-call-delay",
    "CallDelay refused": "s2-call-delay-refused",
    "FriendlyName of update": "s2-update-name-length s2-update-name-code-points",
    "FriendlyName is required": "s2-update-name-missing",
    "FriendlyName is not trimmed": "s2-spaces s2-multipart-data s2-xml-text",
    "what no name can hold": "s2-name-control-characters s2-name-line-breaks",
    "spaces": "s2-spaces",
    "white space around numbers, separators in them": "s2-white-space",
    "parameters in the query of a write": "s2-query-of-writes",
    "bytes above 127 in a target": "s2-target-beyond-ascii",
    "spaces in a target": "s2-spaced-target s2-lenient-targets",
    "semicolons are data": "s2-semicolon",
    "no Content-Type": "s2-no-content-type",
    "neither body nor length": "s2-no-body",
    "GET with a body": "s2-get-with-body",
    "the Content-Type of a form": "s2-form-content-type s2-content-type-spelling",
    "other Content-Types": "s2-other-content-types s2-multipart-other s2-xml-other-types",
    "multipart/form-data": "s2-multipart s2-multipart-data s2-multipart-empty",
    "multipart: boundaries": "s2-multipart-boundary s2-multipart-around s2-multipart-preamble",
    "multipart: headers of parts": "s2-multipart-part-headers",
    "multipart: charsets": "s2-multipart-charset",
    "multipart: no boundary": "s2-multipart-no-boundary",
    "multipart: cut off": "s2-multipart-cut s2-multipart-cut-after-a-false-end",
    "multipart: files": "s2-multipart-file",
    "XML": "s2-xml-body s2-xml-names s2-xml-text s2-xml-empty",
    "XML: the children of the root": "s2-xml-nested s2-xml-mixed",
    "XML: comments": "s2-xml-comments",
    "XML: not well-formed": "s2-xml-broken",
    "XML: DTDs off": "s2-xml-dtd s2-xml-dtd-in-utf-7",
    "XML: entities off": "s2-xml-entities s2-xml-billion-laughs",
    "XML: network off": "s2-xml-dtd s2-xml-entities s2-xml-xinclude",
    "XML: encodings": "s2-xml-encodings s2-xml-encodings-other s2-xml-encodings-refused",
    "empty counts as absent": "s2-filter-empty s2-create-without-name s2-multipart-empty s2-xml-empty",
    "UTF-8": "s2-utf-8",
    "UTF-8 that is named": "s2-utf-8-named s2-utf-8-overlong",
    "Windows-1252 without a charset": "s2-windows-1252 s2-windows-1252-undefined",
    "named charsets": "s2-charset-iso-8859-1 s2-charset-windows-1252 s2-charset-us-ascii",
    "labels of charsets": "s2-charset-labels",
    "other charsets": "s2-charset-refused",
    "too many or too long": "s2-too-many-fields s2-too-long-fields s2-too-long-element",
}

XML = {
    "declaration, root and no white space": "s1-get-instance s1-get-list",
    "Content-Type": "s1-get-instance s1-suffix-xml",
    "Cache-Control": "s3-cache-control",
    "order of a caller ID": "s1-get-instance",
    "order of a ValidationRequest": "s1-post-list",
    "FriendlyName of a ValidationRequest": "s3-name-of-the-caller s3-name-of-the-upstream",
    "a ValidationRequest without FriendlyName": "s3-no-name-at-all s3-no-name-formats",
    "ValidationCode": "s3-code-as-text s3-code-as-integer s3-strings-json",
    "ten digits": "s1-get-instance s3-null-number",
    "outside_nanp: digits": "s3-outside-nanp-default s3-outside-nanp-digits s3-outside-nanp-instance",
    "outside_nanp: e164": "s3-outside-nanp-e164 s3-csv-plus-sign",
    "outside_nanp: skip": "s3-outside-nanp-skip s3-outside-nanp-instance-skip",
    "dates": "s3-dates",
    "dates in a configured zone": "s3-dates-berlin s3-dates-kolkata s3-dates-utc",
    "no date": "s3-no-date s3-nulls-formats",
    "AccountSid is the path's": "s3-mapped-list s3-mapped-instance s3-mapped-validation s3-mapped-formats",
    "a name for what has none": "s3-null-name",
    "characters that XML cannot hold": "s3-illegal-characters s3-lone-surrogates s3-names-xml",
    "everything else comes through": "s3-every-script s3-every-script-written s3-line-breaks s3-names-xml",
    "markup is escaped": "s3-markup s3-markup-written s3-names-xml s3-names-json s3-names-html",
    "page, pagesize": "s2-page-and-num s3-start-and-end",
    "total, numpages": "s3-start-and-end s3-38-of-38 s3-several-upstream-pages",
    "start, end": "s3-38-of-38 s3-start-and-end",
    "all pages of the upstream": "s3-several-upstream-pages s3-next-page-as-it-is s3-absolute-next-page",
    "the end of the upstream's list": "s3-no-next-page",
    "an empty list": "s3-empty-list s3-empty-list-formats",
    "past the end": "s3-past-the-end s3-past-the-end-formats",
    "page_uris": "s3-page-uris s3-page-uris-limits",
    "page_uris: empty where there is none": "s3-page-uris-one-page s3-page-uris-empty-list",
    "page_uris past the end": "s3-page-uris-past-the-end",
    "page_uris follow suffix and filters": "s3-page-uris-formats s3-page-uris-filters",
    "page_uris are off by default": "s1-get-list",
}

ERRORS = {
    "no credentials": "s4-no-credentials s4-no-credentials-anywhere",
    "unreadable credentials": "s4-unreadable-credentials",
    "wrong credentials": "s4-wrong-token s4-mapped-wrong-token",
    "another account's credentials": "s4-mapped-other-account s4-api-key",
    "unknown resource": "s4-unknown-instance s4-unknown-account",
    "unknown path": "s1-unknown-path",
    "method not allowed": "s1-unknown-method",
    "which mistake is told first": "s4-first-mistake-first",
    "20002": "s2-update-name-missing s2-update-name-length s2-create-name-length",
    "21401": "s2-create-number-missing s2-create-number-refused",
    "21454": "s2-call-delay-refused",
    "21450 and 21453": "s4-already-validated",
    "20005": "s4-account-not-active",
    "the upstream's own 4xx": "s4-upstream-4xx s4-upstream-4xx-markup s4-upstream-403",
    "429": "s4-upstream-429 s4-upstream-429-no-time",
    "502 of the upstream": "s4-upstream-500 s4-upstream-502",
    "502 for nonsense": "s4-upstream-broken-json s4-upstream-html s4-upstream-other-json s4-no-code",
    "502 for a caller ID that makes no sense": (
        "s4-item-without-sid s4-item-of-wrong-types s4-item-of-another-account"
    ),
    "502 for pages that lead elsewhere": "s4-next-page-elsewhere s4-cursor-cycle",
    "502 for redirects": "s4-upstream-redirect s4-upstream-redirect-post",
    "a list is whole or none": "s4-error-on-second-page s4-item-without-sid",
    "503": "s4-upstream-down s4-upstream-503 s4-upstream-down-formats",
    "504": "s4-upstream-504",
    "501": "s4-no-equivalent",
    "413": "s4-body-too-large",
    "errors of HTTP": "s4-no-http s4-no-host s4-two-lengths",
    "errors in every format": "s4-errors-xml s4-errors-json s4-errors-csv s4-errors-html",
    "no upstream paths and hosts in messages": "s4-message-path s4-message-host s4-message-url",
    "no credentials in messages": (
        "s4-message-token s4-message-authorization s4-message-api-key s4-message-mapped"
    ),
    "one call": "s4-one-call",
}

CLIENTS = {
    "//2008-08-01": "s1-leading-slashes",
    "a trailing ?": "s1-trailing-question-mark",
    "PUT without Content-Type": "s2-no-content-type",
    "POST with nothing": "s2-no-body s1-method-delete",
    "GET with its filters in the body": "s2-get-with-body",
    "no User-Agent, no Accept": "s5-bare",
    "no header of the client goes upstream": "s5-bare s5-perl",
    "Connection: close": "s5-connection-close s5-perl",
    "HTTP/1.0 without Host": "s5-http-1-0 s5-http-1-0-post s5-http-1-0-error",
    "Expect: 100-continue": "s5-expect-100-continue s5-expect-refused",
    "preemptive Basic": "s5-basic-in-any-case s5-colon-in-token",
    "the challenge leaves the connection open": "s4-no-credentials s4-wrong-token",
    "many requests over one connection": "s5-many-requests",
    "the body is parsed by its Content-Type": "s1-suffix-xml",
    "a list is known by its page attribute": "s1-get-list s3-empty-list",
    "any status of 400 and above is parsed": "s4-errors-xml s4-no-http",
    "line breaks are dropped": "s1-get-list",
    "conditions and ranges": "s5-conditional",
}

SECTIONS: Mapping[str, Mapping[str, str]] = {
    "1": RESOURCES,
    "2": PARAMETERS,
    "3": XML,
    "4": ERRORS,
    "5": CLIENTS,
}
ROWS = {
    f"{section} {row}": files.split() for section, rows in SECTIONS.items() for row, files in rows.items()
}


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_shown(row: str) -> None:
    files = ROWS[row]
    assert files, "no conversation shows this row"
    assert [file for file in files if file not in FILES] == []
    assert [file for file, times in Counter(files).items() if times > 1] == []


def test_a_file_shows_a_row() -> None:
    assert FILES - {file for files in ROWS.values() for file in files} == set()
