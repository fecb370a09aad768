"""One Prefect task per step of a round: decorators, retries and artifacts around lamplighter."""
