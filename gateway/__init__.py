"""The edge daemon: reads a site's sensors, seals what they say, and holds it until committed."""
