"""An in-memory broker and fakes with which users test their own models and settings."""
