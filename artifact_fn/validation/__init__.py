"""Validation: domain toolkits of pure functions that judge what a model makes.

from artifact_fn.validation import table_comparison as tables, binary_classification as binary
"""
