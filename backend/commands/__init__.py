"""Commands to gateways: asked, signed, sent until answered; challenges, and what gateways attest.

Nothing here is believed of a gateway but what stands in its own signed stream.
"""
