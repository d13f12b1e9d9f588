"""The demonstration: models and events for a first look."""
