"""Lamplighter: nightly labeling rounds over pools that are too big to label."""
