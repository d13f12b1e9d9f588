"""Measures a replica side by side with a plain pass-through of the same records, on a real broker."""
