#!/bin/sh
# Succeeds where the page HEALTH_URL answers with success, or where none is named.
# In Python because slim images have no curl.
[ -z "${HEALTH_URL:-}" ] && exit 0
exec python -I -S -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=4)' "$HEALTH_URL"
