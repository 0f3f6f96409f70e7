#!/usr/bin/env bash
# A Trove guest agent's server from the inside: its first process, started by compute.sh in mount and process
# namespaces of its own; all else ends with it. What the agent and its engine write to the system (users, /etc/mysql,
# logs) goes to layers in the server's folder, and is there again at the next boot, as on a disk of its own.
set -euo pipefail
server=$1 version=$2 address=$3 archive=$4 image=$5
bridge=$(<"$server/bridge")
data=/var/lib/mysql
# The agent makes a user of this number, which must be nobody's.
database_uid=27999
docker_within=30

for place in etc opt var/lib var/log; do
  mkdir -p "$server/disk/$place" "$server/work/$place"
  mount -t overlay -o "lowerdir=/$place,upperdir=$server/disk/$place,workdir=$server/work/$place" overlay "/$place"
done
mount -t tmpfs tmpfs /run

# What the machine around it has of MariaDB's, Docker's and Trove's settings is not this server's.
[ -e "$server/disk/installed" ] || {
  rm -rf /etc/mysql /etc/docker /etc/trove "$data"
  mkdir -p /etc/trove/conf.d /opt/trove-guestagent /var/log/trove "$data"
  touch "$server/disk/installed"
}
mount -o loop "$server/volume" "$data"

# The agent reads its settings in the order of their names, and the last word counts. Only the server knows the volume,
# which is mounted already: the agent must not come to format a device of the machine around. Trove 18 has no name for
# the collation of MariaDB's database "sys", and cannot list any while that is among them.
cp "$server/guest_info.conf" "$server/trove-guestagent.conf" /etc/trove/conf.d/
cat >/etc/trove/conf.d/zz-server.conf <<CONF
[DEFAULT]
database_service_uid = $database_uid
log_dir = /var/log/trove
log_file = trove-guestagent.log
debug = True
[mariadb]
device_path = $(findmnt --noheadings --output SOURCE "$data")
mount_point = $data
tcp_ports = 3306
ignore_dbs = mysql, information_schema, performance_schema, sys
CONF

# No rules for the packet filter, which belongs to the engine outside: what is published goes through Docker's proxy,
# which listens at the server's address.
export DOCKER_HOST=unix:///run/docker.sock
dockerd --host "$DOCKER_HOST" --data-root "$server/docker" --exec-root /run/docker --pidfile /run/docker.pid \
  --bridge "$bridge" --ip "$address" --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/coffer-$bridge" \
  --iptables=false --ip6tables=false --ip-masq=false --ip-forward=false >>"$server/docker.log" 2>&1 &
engine=$!
for ((left = docker_within * 10; left > 0; left--)); do
  ! docker version &>/dev/null || break
  kill -0 "$engine" || { tail -n 5 "$server/docker.log"; exit 1; }
  sleep 0.1
done

# The agent starts `<docker_image>:<version>`, and asks a registry for it only if it is not there.
name=$(/usr/bin/python3 -c '
import configparser, sys
conf = configparser.ConfigParser(strict=False, interpolation=None)
conf.read(sys.argv[1])
print(conf.get("mariadb", "docker_image", fallback="mariadb"))' /etc/trove/conf.d/trove-guestagent.conf)
docker image inspect "$name:$version" &>/dev/null || {
  docker load --quiet --input "$archive"
  docker tag "$image" "$name:$version"
}

touch "$server/ready"
# As a real server's unit does: an agent that ends is started again.
while true; do
  trove-guestagent --config-dir=/etc/trove/conf.d >>/var/log/trove/output.log 2>&1 &
  wait $! || echo "the agent ended with $?"
  sleep 1
done
