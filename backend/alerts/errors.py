"""Why an alert can not be changed as asked."""

from backend.errors import RefusedError


class AlertRefusedError(RefusedError):
    """The alert is not in a state for it, or it is not this role's to say."""
