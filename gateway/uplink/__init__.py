"""From the outbox to the backend: enrolment, the MQTT session, and what a receipt means.

Invariant: nothing here deletes; a verified receipt is handed to the outbox, a PUBACK is not.
"""
