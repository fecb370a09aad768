#!/bin/sh
# SeaweedFS as the S3 server of one host. Only the S3 port leaves the container: master, volume and
# filer have no passwords, so they stay on its loopback.
set -eu
: "${AWS_ACCESS_KEY_ID:?is not set; write docker/.env with docker/make-env.sh}"
: "${AWS_SECRET_ACCESS_KEY:?is not set; write docker/.env with docker/make-env.sh}"

umask 077
cat >/tmp/s3.json <<EOF
{"identities": [{"name": "lamplighter",
  "credentials": [{"accessKey": "$AWS_ACCESS_KEY_ID", "secretKey": "$AWS_SECRET_ACCESS_KEY"}],
  "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
EOF
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
# Volumes of 1 GB, because the default of 30 GB fills a small disk with empty reservations.
# The two switches on buckets make the server answer as AWS does.
exec weed server -dir=/data -ip=127.0.0.1 -ip.bind=127.0.0.1 -s3.ip.bind=0.0.0.0 \
  -filer -s3 -s3.port=8333 -s3.config=/tmp/s3.json -s3.port.iceberg=0 -s3.port.lance=0 \
  -s3.allowDeleteBucketNotEmpty=false -s3.autoCreateBucket=false \
  -master.telemetry=false -master.volumeSizeLimitMB=1024 -volume.max=0
