"""Names under which the seed's users find things; no logic lives here."""
