"""How groups of records are predicted."""
