"""Which strategy on these data: what replays of a campaign on labelled rows add up to."""
