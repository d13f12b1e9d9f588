"""The composition root: settings become objects here, and nowhere else are the concrete classes known.

One module for each group of parts, so that a command that needs a broker only does not import scikit-learn.
"""
