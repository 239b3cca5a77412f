#!/bin/sh
# Rollcall on Koyeb, by its command line (koyeb.com/docs/build-and-deploy/cli), in one of two ways:
#
#   deploy/koyeb.sh git github.com/YOU/rollcall     Koyeb builds the Dockerfile of a repository, at every push
#   deploy/koyeb.sh image ghcr.io/YOU/rollcall:1    Koyeb runs an image of a registry
#
# It asks for nothing that it does not need: three secrets, made here once and kept by Koyeb.
# DATABASE_URL must be set when it is called: the address of a PostgreSQL, Koyeb's own or another.
set -eu

way=${1:?git or image}
what=${2:?the repository or the image}
: "${DATABASE_URL:?the address of a PostgreSQL}"

case $way in
  git) source="--git $what --git-branch main --git-builder docker --git-docker-dockerfile Dockerfile" ;;
  image) source="--docker $what" ;;
  *) echo "the first argument is git or image" >&2; exit 2 ;;
esac

# By way of standard input: what stands in a command line, others on this machine can read.
printf %s "$DATABASE_URL" | koyeb secrets create rollcall-database-url --value-from-stdin
openssl rand -base64 32 | tr -d '\n' | koyeb secrets create rollcall-secrets-key --value-from-stdin
openssl rand -hex 24 | tr -d '\n' | koyeb secrets create rollcall-auth-token --value-from-stdin

# One instance: a second one is of use only where more memory is.
# shellcheck disable=SC2086  # the words of $source are meant to be apart
koyeb apps init rollcall $source \
  --instance-type "${KOYEB_INSTANCE_TYPE:-free}" \
  --min-scale 1 --max-scale 1 \
  --ports 8000:http --routes /:8000 \
  --checks 8000:http:/healthz --checks-grace-period 8000=60 \
  --env PORT=8000 \
  --env 'DATABASE_URL={{ secret.rollcall-database-url }}' \
  --env 'ROLLCALL_SECRETS__KEY={{ secret.rollcall-secrets-key }}' \
  --env 'ROLLCALL_AUTH__TOKEN={{ secret.rollcall-auth-token }}' \
  --env 'ROLLCALL_HTTP__TRUSTED_PROXIES=["10.0.0.0/8","100.64.0.0/10","172.16.0.0/12","192.168.0.0/16","fc00::/7"]' \
  --env ROLLCALL_SITE__TIME_ZONE="${ROLLCALL_SITE__TIME_ZONE:-UTC}"
