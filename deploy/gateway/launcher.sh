#!/bin/sh
# Runs the gateway's command line as the gateway's own user: what root would create in the state
# folder (a key, a queue) the daemon could not read.
set -eu
user=pledgewatch-gateway
export PLEDGEWATCH_GATEWAY_CONFIG="${PLEDGEWATCH_GATEWAY_CONFIG:-/etc/pledgewatch/gateway.toml}"
# -I: no module from the working folder or the user's own; -B: the files are compiled already.
set -- /usr/bin/python3.11 -IB /usr/lib/pledgewatch-gateway/start "$@"
if [ "$(id -u)" = 0 ]; then
  exec setpriv --reuid="$user" --regid="$user" --init-groups --inh-caps=-all -- "$@"
fi
exec "$@"
