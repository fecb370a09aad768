"""Learning curves and the HTML report."""
