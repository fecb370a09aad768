"""How good the labels are: consensus, agreement, annotators, and what to ask again. All pure functions."""
