#!/usr/bin/env bash
# A private certificate authority for the broker: elliptic-curve keys, readable by their owner only.
#
#   make-certs.sh DIR server NAME...   ca.crt and server.crt, for these host names and IP addresses
#   make-certs.sh DIR client NAME      a client certificate NAME.crt with that common name
#   make-certs.sh DIR crl              ca.crl, a list that revokes nothing
#
# By hand, without the backend's own authority (python -m backend ca), which also renews and revokes.
# The authority is made on first use and kept; keep ca.key off the broker. Certificates that exist
# are replaced, so run it again before they end.
set -euo pipefail
umask 077

ca_days=3650
leaf_days=397 # What TLS clients accept of public authorities; a habit worth keeping.

usage() {
  sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
[ $# -ge 3 ] || [ "${2:-}" = crl ] || usage
dir=$1 kind=$2
shift 2
mkdir -p "$dir"
cd "$dir"

new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

if [ ! -f ca.key ] || [ ! -f ca.crt ]; then
  new_key ca.key
  openssl req -x509 -new -key ca.key -sha256 -days "$ca_days" -subj "/CN=Pledgewatch broker CA" \
    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" \
    -addext "keyUsage=critical,keyCertSign,cRLSign" -out ca.crt
fi

issue() { # issue FILE COMMON-NAME EXTENSIONS
  new_key "$1.key"
  openssl req -new -key "$1.key" -subj "/CN=$2" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -sha256 \
    -days "$leaf_days" -extfile <(printf '%s\n' "$3") -out "$1.crt" 2>/dev/null
  rm "$1.csr"
}

common="basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
authorityKeyIdentifier=keyid
subjectKeyIdentifier=hash"
case $kind in
server)
  names=
  for name in "$@"; do
    case $name in
    *[!0-9.]*) names+=${names:+,}DNS:$name ;;
    *) names+=${names:+,}IP:$name ;;
    esac
  done
  issue server "$1" "$common
extendedKeyUsage=serverAuth
subjectAltName=$names"
  ;;
client)
  [[ $1 =~ ^[a-z0-9-]{1,32}$ ]] || { echo "client name must be [a-z0-9-]{1,32}: $1" >&2; exit 2; }
  issue "$1" "$1" "$common
extendedKeyUsage=clientAuth"
  ;;
crl)
  work=$(mktemp -d)
  trap 'rm -r "$work"' EXIT
  : > "$work/index"
  printf '[ca]\ndefault_ca=own\n[own]\ndatabase=%s/index\ndefault_md=sha256\n' "$work" > "$work/conf"
  openssl ca -gencrl -config "$work/conf" -keyfile ca.key -cert ca.crt -crldays "$leaf_days" \
    -out ca.crl 2>/dev/null
  ;;
*) usage ;;
esac
