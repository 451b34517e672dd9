"""Routes by which a gateway renews its certificate; its own key speaks for it."""

from datetime import datetime, timedelta
from typing import Annotated, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, StringConstraints

from backend.certificates import service
from backend.certificates.authority import Authority
from backend.certificates.errors import NoAuthorityError
from backend.certificates.types import Asked, Issued
from backend.config import Settings
from backend.deps import AppSettings, Db, Now, get_broker_secret
from backend.ids import GatewayId
from schemas.certificate import CSR_CHARACTERS_MAX, NONCE_BYTES

router = APIRouter(prefix="/api/gateways/{gateway_id}", tags=["certificates"])

Secret = Annotated[str, Depends(get_broker_secret)]
CsrPem = Annotated[str, StringConstraints(min_length=1, max_length=CSR_CHARACTERS_MAX)]
SignatureHex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]  # Ed25519
NonceHex = Annotated[str, StringConstraints(pattern=rf"^[0-9a-f]{{{2 * NONCE_BYTES}}}$")]


class RequestBody(BaseModel):
    """A PKCS #10 request, and the signature of the gateway's own key over it."""

    model_config = ConfigDict(extra="forbid")

    csr: CsrPem
    signature: SignatureHex

    def asked(self, gateway_id: GatewayId, settings: Settings, nonce: bytes = b"") -> Asked:
        """Return the request as the service takes it."""
        return Asked(
            gateway_id=gateway_id,
            csr_pem=self.csr,
            signature=bytes.fromhex(self.signature),
            life=timedelta(hours=settings.certificate_hours),
            nonce=nonce,
        )


class RenewalBody(RequestBody):
    """A request under a nonce that was asked for a moment ago."""

    nonce: NonceHex


class NonceView(BaseModel):
    """A nonce, good for one renewal."""

    nonce: str


class CertificateView(BaseModel):
    """A client certificate, and whom it and the broker's are signed by; PEM."""

    certificate: str
    ca: str
    not_after: datetime

    @classmethod
    def of(cls, issued: Issued) -> Self:
        """Return what is told of ``issued``."""
        return cls(certificate=issued.pem, ca=issued.ca_pem, not_after=issued.not_after)


@router.post("/certificate-nonces", status_code=201)
def add_certificate_nonce(gateway_id: str, secret: Secret, now: Now) -> NonceView:
    """Return a nonce for one renewal; no login."""
    return NonceView(nonce=service.new_nonce(secret, GatewayId(gateway_id), now).hex())


@router.post("/certificate", status_code=201)
def renew_certificate(
    gateway_id: str, body: RenewalBody, db: Db, now: Now, settings: AppSettings, secret: Secret
) -> CertificateView:
    """Return a gateway's next certificate; its own key speaks for it, there is no login."""
    authority = Authority.load(settings.state_dir)
    if authority is None:
        raise NoAuthorityError
    asked = body.asked(GatewayId(gateway_id), settings, bytes.fromhex(body.nonce))
    with db.enrolling() as conn:
        return CertificateView.of(service.renew(conn, authority, asked, secret, now))
