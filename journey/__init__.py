"""The journey: inbound and outbound, meeting in the database."""
