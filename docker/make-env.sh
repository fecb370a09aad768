#!/bin/sh
# Writes docker/.env with fresh secrets, once: the database keeps the password it was made with.
set -eu
file=$(dirname "$0")/.env
if [ -e "$file" ]; then
  echo "$file is there already and is left as it is; to change a secret see docs/operations.md" >&2
  exit 2
fi
secret() { od -An -N 24 -tx1 /dev/urandom | tr -d ' \n'; }
umask 077
cat >"$file" <<EOF
POSTGRES_PASSWORD=$(secret)
PREFECT_AUTH=admin:$(secret)
S3_ACCESS_KEY=lamplighter
S3_SECRET_KEY=$(secret)
EOF
echo "wrote $file; log in to Prefect with the value of PREFECT_AUTH in it"
