"""Avro from bytes to columns, and predictions back to bytes."""
