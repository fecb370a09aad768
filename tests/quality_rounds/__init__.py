"""Label quality in whole rounds of a campaign."""
