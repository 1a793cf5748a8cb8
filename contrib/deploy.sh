#!/bin/sh
# Moves a cluster to another release, and back if that does not come up. docs/recipes.md explains it.
#
#   deploy.sh RELEASE LINK PID_FILE LOG_FILE
#   deploy.sh /opt/server/releases/42 /opt/server/current /run/server.pid /var/log/server.log
#
# The cluster runs a program below LINK, which is a symbolic link to the release that is in use:
#
#   everport run --pid-file /run/server.pid --log-file /var/log/server.log -- /opt/server/current/server
#
# Exits with 0 when every worker runs the new release; with 1 when the rollout was aborted: LINK is as it was; with 2 when
# nothing was done; with 3 when the cluster has ended meanwhile, or there was no outcome within DEPLOY_TIMEOUT seconds (600):
# look where LINK leads.
set -eu

fail() {
  code=$1
  shift
  printf 'deploy.sh: %s\n' "$*" >&2
  exit "$code"
}

[ $# -eq 4 ] || fail 2 "usage: deploy.sh RELEASE LINK PID_FILE LOG_FILE"
release=$1 link=$2 pid_file=$3 log=$4

# Where a link from elsewhere finds it, too.
release=$(cd "$release" && pwd -P) || fail 2 "there is no release at $1"
previous=$(readlink "$link") || fail 2 "$link is no symbolic link"
pid=$(cat "$pid_file") && kill -0 "$pid" || fail 2 "no cluster runs by $pid_file"

# One deployment at a time.
exec 9< "$(dirname "$link")"
flock -n 9 || fail 2 "another deployment is under way"

# In one instant: there is no moment without a link.
point_to() {
  ln -sfn "$1" "$link.new" && mv -T "$link.new" "$link"
}

# Only what the watcher says is looked at, and only from here on. Workers' lines have their slot and number where the watcher
# has its name, and what it repeats of theirs is behind a bar.
begin=$(wc -c < "$log")
news() {
  tail -c "+$((begin + 1))" "$log" | awk '$3 !~ /^[0-9]+\.[0-9]+$/ && $4 != "|"'
}

# Whether the watcher has said this of our rollout.
has_said() {
  news | grep -q " $1"
}

point_to "$release"
kill -USR1 "$pid" || { point_to "$previous"; fail 2 "the cluster has just ended"; }

waited=0
generation=
while :; do
  # A rollout that was under way already is somebody else's: ours is the next one that starts.
  [ -n "$generation" ] || generation=$(news | sed -n 's/^.* rollout from generation [0-9]* to generation \([0-9]*\) started$/\1/p' | head -n 1)
  if [ -n "$generation" ] && has_said "rollout to generation $generation finished in "; then
    echo "generation $generation runs $release"
    exit 0
  fi
  if [ -n "$generation" ] && has_said "rollout to generation $generation aborted: "; then
    # At once: what goes by its path needs the old release for the way back.
    [ "$(readlink "$link")" = "$previous" ] || point_to "$previous"
    if has_said "rolled back to generation "; then
      tail -c "+$((begin + 1))" "$log" | sed -n "/ rollout to generation $generation aborted: /,/ rolled back to generation /p" >&2
      fail 1 "$release does not come up; $link leads to $previous again"
    fi
  fi
  kill -0 "$pid" 2> /dev/null || fail 3 "the cluster has ended"
  [ "$waited" -lt "$((5 * ${DEPLOY_TIMEOUT:-600}))" ] || fail 3 "no outcome yet: see $log"
  waited=$((waited + 1))
  sleep 0.2
done
