"""The plant: sites, zones, gateways and how they are enrolled, sensors."""
