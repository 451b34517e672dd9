"""What a password's hash costs, and that a cheaper one is made anew."""

from argon2 import extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY

from backend.parties import passwords


def test_a_check_costs_what_rfc_9106_recommends() -> None:
    """An unknown login is checked at the module's own cost: 64 MiB and three passes."""
    assert extract_parameters(passwords.NOBODY) == RFC_9106_LOW_MEMORY


def test_a_hash_made_at_another_cost_fits_and_is_made_anew() -> None:
    """Who logs in after the cost has changed gets a hash of today's."""
    kept = passwords.NOBODY
    assert passwords.password_fits("nobody has this password", kept)
    anew = passwords.refreshed_hash("nobody has this password", kept)
    assert extract_parameters(anew) == extract_parameters(passwords.HASHER.hash("any"))
    assert passwords.refreshed_hash("nobody has this password", anew) == anew
