"""Statements as of any moment, and the documents that prove them; callers open the transaction."""

from datetime import datetime
from uuid import UUID

from backend.db import Conn
from backend.errors import InvalidError, NotFoundError
from backend.exports import store
from backend.exports.documents.csv_form import csv_document
from backend.exports.documents.pdf_form import pdf_document
from backend.exports.errors import NoRecordError, SealBrokenError
from backend.exports.rules import seal as seals
from backend.exports.rules.content import canonical, content_of, digest_of
from backend.exports.rules.statement import statement_of
from backend.exports.types import Form, Seal, Statement
from backend.ids import FacilityId, PartyId, ValuationId
from backend.keys import SEAL_TYPE, BackendKey, verify, verify_key
from schemas.cose import decode_sign1
from schemas.errors import MalformedError
from schemas.keys import key_id_of


def load_statement(conn: Conn, facility_id: FacilityId, at: datetime | None) -> Statement:
    """Return a facility as it was recorded at a moment, or now; the same each time it is asked.

    Raises:
        NotFoundError: There is no such facility, or the actor may not see it.
        NoRecordError: Nothing was recorded of it yet.
        InvalidError: The moment has not come.
    """
    now = store.hold_still(conn, facility_id)
    if now is None:
        raise NotFoundError("facility", facility_id)
    if at is not None and at > now:
        raise InvalidError("at", at.isoformat(), f"not after {now.isoformat()}")
    past = store.load_past(conn, facility_id, at or now)
    if past is None:
        raise NoRecordError(facility_id, at or now)
    parties = [PartyId(UUID(past.terms[each])) for each in ("lender_party", "borrower_party")]
    names = store.load_names(conn, (parties[0], parties[1]))
    key = past.standing["valuation_id"]
    valued = None if key is None else store.load_valued(conn, ValuationId(UUID(key)))
    return statement_of(past, names, valued)


def write_certificate(statement: Statement, form: Form, key: BackendKey) -> bytes:
    """Return a statement as a sealed document; of one statement always the same bytes."""
    content = content_of(statement)
    digest = digest_of(content)
    match form:
        case Form.PDF:
            document = pdf_document(statement, digest, key.key_id.hex())
        case Form.CSV:
            document = csv_document(statement, digest)
        case Form.JSON:
            document = canonical(content)
    message = key.sign_seal(seals.payload_of(form, statement, digest, document))
    return seals.attach(form, document, message)


def verify_certificate(data: bytes, public_key: bytes) -> Seal:
    """Return what a document's seal says, once it is proved to be of this key and this document.

    Raises:
        SealBrokenError: It is not.
        InvalidError: ``public_key`` is none.
    """
    form, document, message = seals.detach(data)
    try:
        signed = decode_sign1(message, bytes_max=seals.SEAL_BYTES_MAX)
    except MalformedError as error:
        raise SealBrokenError(f"the seal is damaged: {error}") from error
    if signed.content_type != SEAL_TYPE:
        raise SealBrokenError(f"the seal is a {signed.content_type}, not a {SEAL_TYPE}")
    if signed.key_id != key_id_of(public_key):
        raise SealBrokenError(
            f"it was sealed by key {signed.key_id.hex()}, not by {key_id_of(public_key).hex()}"
        )
    if not verify(verify_key(public_key), signed.signature, signed.signed_bytes):
        raise SealBrokenError("the signature is not of that key")
    said = seals.read_seal(signed.payload, signed.key_id)
    seals.check_document(said, form, document)
    return said
