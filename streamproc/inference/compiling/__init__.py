"""Fitted scikit-learn estimators → packed models, where a kernel keeps the promise of equal results."""
