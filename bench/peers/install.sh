#!/bin/sh
# Installs what the benchmark compares everport with: nginx, HAProxy, Node and Puma from Debian (as root only), gunicorn,
# uvicorn and granian from PyPI, and PM2 from npm. The last two go to target/peers and nowhere else. Debian starts nginx and
# haproxy as services when it installs them.
set -eu

peers=$(cd "$(dirname "$0")/../.." && pwd)/target/peers
mkdir -p "$peers"

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        nginx haproxy nodejs npm puma python3-venv
else
    echo "not root, or no Debian: nginx, haproxy, node, npm and puma are yours to install" >&2
fi

if command -v python3 >/dev/null; then
    python3 -m venv "$peers/venv"
    "$peers/venv/bin/pip" install --upgrade gunicorn 'uvicorn[standard]' uvicorn-worker granian
else
    echo "no python3: no gunicorn and no granian" >&2
fi

if command -v npm >/dev/null; then
    npm install --prefix "$peers/npm" --no-audit --no-fund pm2
else
    echo "no npm: no PM2" >&2
fi
