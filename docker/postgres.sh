#!/bin/sh
# PostgreSQL for the Prefect server: makes the cluster on the first start, then serves it.
set -eu
: "${POSTGRES_PASSWORD:?is not set; write docker/.env with docker/make-env.sh}"

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  umask 077
  # Made beside its place and renamed, so a start that was killed half-way is simply done again.
  rm -rf "$PGDATA.new"
  printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/password
  initdb -D "$PGDATA.new" -U prefect --pwfile=/tmp/password --auth=scram-sha-256 -E UTF8 --locale=C.UTF-8
  rm /tmp/password
  echo 'host all all all scram-sha-256' >>"$PGDATA.new/pg_hba.conf"
  echo 'CREATE DATABASE prefect' | postgres --single -D "$PGDATA.new" postgres
  mv "$PGDATA.new" "$PGDATA"
fi
unset POSTGRES_PASSWORD
exec postgres -D "$PGDATA" -c 'listen_addresses=*' -c unix_socket_directories=/tmp
