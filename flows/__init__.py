"""Control flow under Prefect: a round, a campaign."""
