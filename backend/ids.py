"""Identities, one type each: a lot's id can not be handed in where a facility's belongs."""

from typing import NewType
from uuid import UUID

PartyId = NewType("PartyId", UUID)
AccountId = NewType("AccountId", UUID)
TokenId = NewType("TokenId", UUID)
SiteId = NewType("SiteId", UUID)
ZoneId = NewType("ZoneId", UUID)
GatewayId = NewType("GatewayId", str)
ChannelId = NewType("ChannelId", int)
BindingId = NewType("BindingId", int)
CommodityId = NewType("CommodityId", str)
LotId = NewType("LotId", UUID)
ItemId = NewType("ItemId", UUID)
AlertId = NewType("AlertId", UUID)
InstrumentId = NewType("InstrumentId", str)
PledgeId = NewType("PledgeId", UUID)
FacilityId = NewType("FacilityId", UUID)
ValuationId = NewType("ValuationId", UUID)
DrawdownId = NewType("DrawdownId", UUID)
RepaymentId = NewType("RepaymentId", UUID)
MarginCallId = NewType("MarginCallId", int)
ReleaseId = NewType("ReleaseId", UUID)
StockTakeId = NewType("StockTakeId", UUID)
JournalAccountId = NewType("JournalAccountId", UUID)
TransferKey = NewType("TransferKey", UUID)
