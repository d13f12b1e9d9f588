"""The registry's migrations. A released one is never edited: the next one changes what it did."""
