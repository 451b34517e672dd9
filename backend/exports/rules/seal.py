"""Where a document's seal stands, and what it says. Pure; verifying is the service's.

A seal is a COSE_Sign1 message of the backend's key over the SHA-256 of the document before the
seal, and of the content that its three forms share. It stands at the very end: of a PDF behind
``%%EOF`` as a comment, of CSV as the last row, of JSON as the last field.
"""

import json
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from hashlib import sha256
from typing import Any, Final, cast

from backend.exports.errors import SealBrokenError
from backend.exports.rules.content import canonical, utc
from backend.exports.types import Form, Seal, Statement

DOCUMENT_BYTES_MAX: Final = 16 * 2**20  # Thousands of lots; more is no certificate.
SEAL_BYTES_MAX: Final = 4_096
_PDF: Final = b"%pledgewatch-seal "
_CSV: Final = b"seal,"
_JSON: Final = (b'{"content":', b',"seal":"', b'"}\n')
_FIELDS: Final = ("form", "facility", "as_of", "number", "content_sha256", "document_sha256")


def payload_of(form: Form, statement: Statement, content_sha256: str, document: bytes) -> bytes:
    """Return what is signed of a document that has no seal yet."""
    return canonical(
        {
            "form": form.value,
            "facility": str(statement.facility.id),
            "as_of": utc(statement.at),
            "number": statement.number,
            "content_sha256": content_sha256,
            "document_sha256": sha256(document).hexdigest(),
        }
    )


def attach(form: Form, document: bytes, message: bytes) -> bytes:
    """Return a document with its seal."""
    text = b64encode(message)
    match form:
        case Form.PDF:
            return document + _PDF + text + b"\n"
        case Form.CSV:
            return document + _CSV + text + b"\r\n"
        case Form.JSON:
            return _JSON[0] + document + _JSON[1] + text + _JSON[2]


def detach(data: bytes) -> tuple[Form, bytes, bytes]:
    """Return a document's form, its bytes without the seal, and the seal's message.

    Raises:
        SealBrokenError: There is no seal where one must stand.
    """
    if len(data) > DOCUMENT_BYTES_MAX:
        raise SealBrokenError(f"it has {len(data)} bytes, over {DOCUMENT_BYTES_MAX}")
    if data.startswith(b"%PDF-"):
        form, (document, _, text) = Form.PDF, data.rpartition(_PDF)
        end = b"\n"
    elif data.startswith(_JSON[0]):
        form, (document, _, text) = Form.JSON, data.rpartition(_JSON[1])
        document, end = document.removeprefix(_JSON[0]), _JSON[2]
    else:
        form, (document, _, text) = Form.CSV, data.rpartition(b"\r\n" + _CSV)
        document, end = document + b"\r\n", b"\r\n"
    if not document or not text.endswith(end):
        raise SealBrokenError("there is no seal at its end: it was cut, or is another file")
    try:
        return form, document, b64decode(text.removesuffix(end), validate=True)
    except Base64Error as error:
        raise SealBrokenError("the seal at its end is damaged") from error


def read_seal(payload: bytes, key_id: bytes) -> Seal:
    """Return what a signed seal says.

    Raises:
        SealBrokenError: It says something else.
    """
    try:
        said = json.loads(payload)
    except ValueError:
        said = None
    if not isinstance(said, dict) or canonical(cast("dict[str, Any]", said)) != payload:
        raise SealBrokenError("the seal is of another kind")
    fields = cast("dict[str, Any]", said)
    if set(fields) != set(_FIELDS) or fields["form"] not in set(Form):
        raise SealBrokenError("the seal is of another kind")
    return Seal(
        form=Form(fields["form"]),
        facility=str(fields["facility"]),
        as_of=str(fields["as_of"]),
        number=int(fields["number"]),
        content_sha256=str(fields["content_sha256"]),
        document_sha256=str(fields["document_sha256"]),
        key_id=key_id.hex(),
    )


def check_document(seal: Seal, form: Form, document: bytes) -> None:
    """Check that a document is the one that was sealed.

    Raises:
        SealBrokenError: It is not.
    """
    found = sha256(document).hexdigest()
    if seal.form is not form or seal.document_sha256 != found:
        raise SealBrokenError(f"its SHA-256 is {found}, sealed was {seal.document_sha256}")
    if form is Form.JSON and seal.content_sha256 != found:
        raise SealBrokenError(f"its content's SHA-256 is {found}, not {seal.content_sha256}")
