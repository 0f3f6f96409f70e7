#!/usr/bin/env bash
# Servers for Trove's guest agents, without a cloud. A server is one tree of processes with mounts and process numbers
# of its own (boot.sh): a container engine that has the datastore's image, and the agent. It shares the network with
# the machine, so that its agent reaches a broker on 127.0.0.1; its database is published at the address of the order.
#
#   compute.sh ensure    {"instance_id","manager","version","image","volume_size","address","guest_info","agent_conf"}
#                        on stdin, anything more is left unread: the agent has been started when this ends with 0
#   compute.sh destroy   {"instance_id"} on stdin: nothing is left of the server when this ends with 0
#   compute.sh list      tells on stdout of each server that there is anything of: {"instances": [{"instance_id": "…"}]}
#
# All may be told again at any time. 75 asks to be told again, all else is a failure with its reason on stderr.
# TROVE_STATE is the folder that keeps the servers: on a disk, and not below /etc, /opt, /run, /var/lib or /var/log.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
again=75
# In seconds, and in sum below what the caller waits.
lock_within=30 boot_within=60 end_within=20

fail() { echo "$1" >&2; exit "${2:-1}"; }

verb=${1:-}
[ "$(id -u)" = 0 ] || fail "only root can start servers"
state=$(realpath --canonicalize-missing "${TROVE_STATE:?names the folder that keeps the servers}")
order=$(cat)

if [ "$verb" = list ]; then
  mkdir -p "$state"
  # Images and notes lie beside the servers.
  servers=$(find "$state" -mindepth 1 -maxdepth 1 -type d ! -name images -printf ',{"instance_id":"%f"}')
  echo "{\"instances\":[${servers#,}]}"
  exit
fi

field() { /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1" <<<"$order"; }
id=$(field instance_id)
[[ $id =~ ^[0-9a-zA-Z-]{1,64}$ ]] || fail "not the id of an instance"
server=$state/$id

mkdir -p "$state"
exec 8>"$state/lock"
flock --wait "$lock_within" 8 || fail "another call holds the servers" "$again"

# Every process of a server holds this lock: it tells whether one is left, whatever became of the others.
is_running() { [ -e "$server/running" ] && ! flock --nonblock "$server/running" true; }

# The first free bridge, and with it a net of the range that is set aside for benchmarks.
add_bridge() {
  local n
  for n in {0..254}; do
    ip link add "trove$n" type bridge 2>"$server/bridge.err" || continue
    echo "trove$n" >"$server/bridge"
    ip address add "198.19.$n.1/24" dev "trove$n"
    ip link set "trove$n" up
    return
  done
  fail "no bridge: $(<"$server/bridge.err")"
}

# The image as a file, made once for all servers: a server's own engine cannot ask this one.
save_image() {
  local image number
  image=$(field image)
  number=$(docker image inspect --format '{{.Id}}' "$image") || fail "there is no image $image"
  archive=$state/images/${number#sha256:}.tar
  [ ! -e "$archive" ] || return 0
  mkdir -p "$state/images"
  docker save --output "$archive.part" "$image"
  mv "$archive.part" "$archive"
}

start() {
  local archive
  [ "$(field manager)" = mariadb ] || fail "only MariaDB can be had here"
  save_image
  mkdir -p "$server"
  chmod 700 "$server"
  [ -e "$server/volume" ] || {
    truncate --size="$(field volume_size)G" "$server/volume.part"
    mkfs.ext4 -q -F "$server/volume.part"
    mv "$server/volume.part" "$server/volume"
  }
  field guest_info >"$server/guest_info.conf"
  field agent_conf >"$server/trove-guestagent.conf"
  [ -e "$server/bridge" ] && ip link show "$(<"$server/bridge")" &>/dev/null || add_bridge
  rm -f "$server/ready"
  exec 9>"$server/running"
  flock --nonblock 9 || fail "somebody else looks whether it runs" "$again"
  setsid unshare --mount --propagation private --pid --fork --kill-child --mount-proc \
    "$here/boot.sh" "$server" "$(field version)" "$(field address)" "$archive" "$(field image)" \
    </dev/null &>>"$server/boot.log" 8>&- &
  exec 9>&-
}

# The lock on all servers is let go: a boot takes seconds, and the others need not wait for it.
await_boot() {
  flock --unlock 8
  local left
  for ((left = boot_within * 10; left > 0; left--)); do
    [ ! -e "$server/ready" ] || return 0
    is_running || fail "the server ended: $(tail -n 5 "$server/boot.log")"
    sleep 0.1
  done
  fail "the server is still booting" "$again"
}

destroy() {
  local attempt bridge process
  grep -qsxF "$id" "$state/destroyed" || echo "$id" >>"$state/destroyed"
  [ -e "$server" ] || return 0
  # Its first process is named by its folder, as nothing else is, and the kernel ends the others with it.
  for process in $(grep -lszFx -e"$server" /proc/[0-9]*/cmdline | cut -d/ -f3); do
    kill -KILL "$process" 2>/dev/null || :
  done
  [ ! -e "$server/running" ] || flock --wait "$end_within" "$server/running" true || fail "it has not ended" "$again"
  if [ -e "$server/bridge" ]; then
    bridge=$(<"$server/bridge")
    # The kernel may hold on to them for a moment after the last process has ended.
    for attempt in {50..0}; do
      find /sys/fs/cgroup -depth -type d \( -path "*/coffer-$bridge" -o -path "*/coffer-$bridge/*" \) -exec rmdir {} + 2>/dev/null && break
      ((attempt > 0)) || fail "its control groups are still in use" "$again"
      sleep 0.2
    done
    ! ip link show "$bridge" &>/dev/null || ip link delete "$bridge"
  fi
  rm -rf --one-file-system "$server"
}

case $verb in
  ensure)
    # A destroy wins over an ensure that waited for its turn, also of a taskmanager that is gone.
    ! grep -qsxF "$id" "$state/destroyed" || fail "it was destroyed"
    is_running || start
    await_boot
    ;;
  destroy) destroy ;;
  *) fail "ensure or destroy?" ;;
esac
