"""The abstractions of models, and the adapters that store, load and register them."""
