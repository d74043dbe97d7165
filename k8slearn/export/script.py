"""The bash around an exported cluster: what is the same in every script.

Left out: shells other than bash.
"""

SCRIPT = r"""#!/usr/bin/env bash
# A cluster of k8slearn, rebuilt in this machine's network namespaces. Run it as root:
#   up                                  build it (an older one of the same name goes first)
#   down                                remove all of it
#   exec ENDPOINT COMMAND...            run a command where an endpoint is (default/web, node:node-1, outside)
#   probe SOURCE IP PORT [TCP|UDP]      one attempt to connect, as a line of JSON
#   probes                              the same for each line of standard input, all at once
# It needs iproute2, python3 and the tools of the rules that there are (iptables, ipset, nft), downloads nothing, and
# touches only namespaces named {prefix}...
set -Eeuo pipefail
export PATH="$PATH:/usr/sbin:/sbin"

NETNS=(
{netns}
)
declare -A WHERE=(
{endpoints}
)
if [ -x /usr/bin/python3 ]; then PYTHON=/usr/bin/python3; else PYTHON=python3; fi
AGENT=$(cat <<'END_OF_AGENT'
{agent}
END_OF_AGENT
)

settings() {{ "$PYTHON" -c "$AGENT" settings; }}
listen() {{ "$PYTHON" -c "$AGENT" listen; }}

up() {{
down
trap 'down' ERR
{namespaces}
{settings}
{links}
{late_settings}
{inside}
{listeners}
trap - ERR
}}

down() {{
  local name pids
  for name in "${{NETNS[@]}}"; do
    [ -e "/run/netns/$name" ] || continue
    pids=$(ip netns pids "$name")
    # shellcheck disable=SC2086
    [ -z "$pids" ] || kill -9 $pids 2>/dev/null || true
    ip netns del "$name"
  done
}}

fail() {{ echo "$1" >&2; exit "${{2:-2}}"; }}

FORMS="write NAMESPACE/POD, node:NAME, outside, outside:IP or an IP address"

# The namespace of an endpoint, into the variable FOUND.
locate() {{
  FOUND=${{WHERE["$1"]-}}
  [ -n "$FOUND" ] || fail "there is no endpoint '$1' here: $FORMS"
  [ -e "/run/netns/$FOUND" ] || fail "the cluster is not up: run '$0 up' first"
}}

# "NETNS IP PORT PROTOCOL" for "SOURCE IP PORT PROTOCOL", checked.
question() {{
  local protocol=${{4:-TCP}}
  locate "$1"
  [[ $2 =~ ^([0-9.]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)$ ]] || fail "'$2' is not an IP address"
  [[ $3 =~ ^[0-9]{{1,5}}$ ]] && (( 10#$3 < 65536 )) || fail "'$3' is not a port"
  [[ ${{protocol,,}} =~ ^(tcp|udp)$ ]] || fail "'$protocol' is neither TCP nor UDP"
  echo "$FOUND $2 $3 ${{protocol,,}}"
}}

probe() {{
  [ $# -ge 3 ] || fail "use: $0 probe SOURCE IP PORT [TCP|UDP]"
  local asked
  asked=$(question "$@")
  "$PYTHON" -c "$AGENT" probe <<<"$asked"
}}

probes() {{
  local asked="" words one
  while read -r -a words; do
    one=$(question "${{words[@]}}")
    asked+="$one"$'\n'
  done
  "$PYTHON" -c "$AGENT" probe <<<"${{asked%$'\n'}}"
}}

within() {{
  [ $# -ge 2 ] || fail "use: $0 exec ENDPOINT COMMAND..."
  locate "$1"
  shift
  exec ip netns exec "$FOUND" "$@"
}}

[ "$(id -u)" = 0 ] || fail "network namespaces need root: run it with sudo"
case "${{1-}}" in
  up) up ;;
  down) down ;;
  exec) within "${{@:2}}" ;;
  probe) probe "${{@:2}}" ;;
  probes) probes ;;
  *) fail "use: $0 up | down | exec ENDPOINT COMMAND... | probe SOURCE IP PORT [TCP|UDP]" ;;
esac
"""

CANNOT = """#!/usr/bin/env bash
# A cluster of k8slearn that a plain kernel cannot rebuild.
printf '%s\\n' {reason} >&2
exit 3
"""
