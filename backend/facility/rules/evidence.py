"""What the rules had before them when they refused, in a form that is kept. Pure."""

from typing import Final

from backend.facility.types import Standing

LOTS_MAX: Final = 200  # The digest is over all lines; this many are kept readable beside it.


def evidence_of(standing: Standing) -> dict[str, object]:
    """Return everything that a standing was decided on: numbers, prices, locks, alerts."""
    holding, valuation, position = standing.holding, standing.valuation, standing.position
    newest = holding.newest
    stored = newest is not None and newest.content_sha256 == valuation.content_sha256
    return {
        "valuation": {
            "id": str(newest.id) if newest is not None and stored else None,
            "at": valuation.at.isoformat(),
            "expires_at": valuation.expires_at.isoformat(),
            "value_minor": valuation.value_minor,
            "base_minor": valuation.base_minor,
            "exposure_minor": valuation.exposure_minor,
            "coverage_bps": valuation.coverage_bps,
            "complete": valuation.complete,
            "model": valuation.model,
            "content_sha256": valuation.content_sha256.hex(),
            "lots": [
                {
                    "lot_id": str(lot.lot_id),
                    "name": lot.name,
                    "accepted_mass_g": lot.accepted_mass_g,
                    "price": None if lot.price is None else f"{lot.price:f}",
                    "price_at": None if lot.price_at is None else lot.price_at.isoformat(),
                    "price_source": lot.price_source,
                    "haircut_bps": lot.haircut_bps,
                    "value_minor": lot.value_minor,
                    "lendable_minor": lot.lendable_minor,
                    "reasons": list(lot.reasons),
                }
                for lot in valuation.lots[:LOTS_MAX]
            ],
        },
        "position": {
            "limit_minor": position.limit_minor,
            "base_minor": position.base_minor,
            "exposure_minor": position.exposure_minor,
            "pending_minor": position.pending_minor,
            "availability_minor": position.availability_minor,
        },
        "line_state": standing.line.state.value,
        "margin_call": None if standing.call is None else standing.call.id,
        "locks": [{"reason": each.reason.value, "detail": each.detail} for each in standing.locks],
        "alerts": [str(alert.id) for alert in holding.alerts],
    }
