"""Release orders: issued by a lender's signature, acknowledged, revoked; executed by the goods."""
