#!/bin/sh
# Makes a new stack ready, and an old one the same again: bucket, work pool, deployment, automations.
# Each step changes only what differs, so it runs at every start.
set -eu
cd "$LAMPLIGHTER_HOME"
python docker/open_bucket.py "$LAMPLIGHTER_BUCKET"
prefect work-pool inspect lamplighter >/dev/null 2>&1 || prefect work-pool create lamplighter --type process
prefect --no-prompt deploy --all --prefect-file deployments/prefect.yaml
python deployments/apply_automations.py deployments/automations.yaml deployments/event-automations.yaml
