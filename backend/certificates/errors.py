"""What the rules of certificates refuse."""

from backend.errors import RefusedError


class NoAuthorityError(RefusedError):
    """This installation issues no certificates: gateways log in by password."""

    status = 404

    def __init__(self) -> None:
        super().__init__(
            "no_authority", "this backend issues no certificates: python -m backend ca init"
        )


class AuthorityExistsError(RefusedError):
    """The authority is made once: another one would be trusted by nobody that trusts this one."""

    def __init__(self, path: object) -> None:
        super().__init__("authority_exists", f"{path} is there already: move it away first")


class BadRenewalError(RefusedError):
    """No such gateway, revoked, another's key; which of them, a guesser must not learn."""

    status = 403

    def __init__(self) -> None:
        super().__init__(
            "bad_renewal", "this key renews no certificate of this gateway: enrol it by a new code"
        )


class StaleNonceError(RefusedError):
    """The nonce is not ours, is too old, or was used."""

    def __init__(self) -> None:
        super().__init__("stale_nonce", "the nonce is used or over: ask for a new one")


class TooManyCertificatesError(RefusedError):
    """More than anybody needs: a fault, or somebody who has the gateway's key."""

    status = 429

    def __init__(self, gateway_id: str, count_max: int, hours: float) -> None:
        super().__init__(
            "too_many_certificates",
            f"gateway {gateway_id} had {count_max} certificates within {hours:g} hours",
            gateway_id=gateway_id,
        )
