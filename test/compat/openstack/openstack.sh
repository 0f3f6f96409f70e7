#!/bin/bash
# Every database command of OpenStack's client, as Debian has it, with what is expected of it:
#
#   does  '<pattern>' <command>    it ends well, and prints what the pattern finds
#   fails '<pattern>' <command>    it ends in an error that tells what the pattern finds
#   later '<pattern>' <command>    the same, for a feature that is not there yet
#   admin does …, admin fails …    with the token of the administrator
#
# It wants a service without instances in the project `demo`:
#
#   ./coffer up --data-dir /tmp/try &
#   COFFER=http://127.0.0.1:8779 TOKEN=$(cat /tmp/try/token) test/compat/openstack/openstack.sh
#
# Patterns are bash's, of extended regular expressions; a dot stands for anything, a new line too.

set -u
export OS_AUTH_TYPE=none OS_ENDPOINT="$COFFER/v1.0/demo" COLUMNS=200

wrong=0
patience=90 # seconds
some_id=11111111-2222-4333-8444-555555555555
# What the service calls the network of its instances, unless it is told otherwise.
network=c0ffee00-0000-4000-8000-000000000001
subnet=c0ffee00-0000-4000-8000-000000000002

# ---- how a command is judged

expect() { # <whether it is to end well> <pattern> <command…>
  local wanted=$1 pattern=$2 said ended=well
  shift 2
  said=$(openstack "$@" 2>&1 </dev/null) || ended=badly
  if [[ $ended == "$wanted" && $said =~ $pattern ]]; then
    printf 'ok     openstack %s\n' "$*"
  else
    printf 'WRONG  openstack %s\nexpected, %s: %s\nended %s:\n%s\n' "$*" "$wanted" "$pattern" "$ended" "$said"
    wrong=1
  fi
}

does() { expect well "$@"; }
fails() { expect badly "$@"; }
later() { expect badly "$@"; }
admin() { OS_AUTH_TYPE=admin_token OS_TOKEN=$TOKEN "$@"; }

id_of() { openstack database instance show "$1" -f value -c id; }

version_of() { openstack datastore version show "$2" --datastore "$1" -f value -c id; }

until_it_is() { # <status> <operating status> <instance>
  local shown deadline=$((SECONDS + patience))
  while ((SECONDS < deadline)); do
    shown=$(openstack database instance show "$3" -f value -c status -c operating_status 2>&1)
    [[ $shown == *"$1"* && $shown == *"$2"* ]] && return
  done
  printf 'WRONG  %s is not %s and %s, but: %s\n' "$3" "$1" "$2" "$shown"
  wrong=1
}

until_it_is_gone() { # <instance>
  local deadline=$((SECONDS + patience))
  while ((SECONDS < deadline)); do
    openstack database instance show "$1" >/dev/null 2>&1 || return 0
  done
  printf 'WRONG  %s does not go\n' "$1"
  wrong=1
}

# ---- what there is

what_there_is_to_order() {
  does 'ID .*Name .*postgresql' datastore list
  does 'name +\| postgresql' datastore show postgresql
  does 'ID .*Name .*Version .*18' datastore version list postgresql
  does 'name +\| 18' datastore version show 18 --datastore postgresql
  does 'ID .*Name .*RAM .*vCPUs .*Disk .*Ephemeral .*db\.tiny' database flavor list
  does 'name +\| db\.tiny' database flavor show 1
}

limits_and_quotas() {
  does 'max_instances +\| 10 .*Value .*Verb .*Remaining .*Unit' database limit list
  does 'Resource .*In Use .*Reserved .*Limit .*instances +\| +0 +\| +0 +\| +10' database quota show demo
  fails 'User does not have admin privileges' database quota update demo instances 5
  admin does 'instances +\| 5' database quota update demo instances 5
}

orders() {
  does 'status +\| BUILD' database instance create first --flavor db.tiny --size 1 \
    --datastore postgresql --datastore-version 18 --databases shop desk --users ann:secret-1 --is-public
  does 'status +\| BUILD' database instance create second --flavor 1 --size 1 --datastore postgresql \
    --availability-zone nova --locality affinity --nic net-id=$network,subnet-id=$subnet
  fails 'availability_zone.* must be a zone .* nova' database instance create third --flavor 1 --size 1 \
    --datastore postgresql --availability-zone elsewhere
  fails 'network_id.* must be the network' database instance create third --flavor 1 --size 1 \
    --datastore postgresql --nic net-id=$some_id
}

an_instance() {
  until_it_is ACTIVE HEALTHY first
  does 'operating_status +\| HEALTHY' database instance show first
  fails "No instance with a name or ID of 'nowhere' exists" database instance show nowhere
  does 'ID .*Name .*Datastore .*Status .*Operating Status .*Addresses .*first' database instance list
  admin does 'Tenant ID .*first .*demo' database instance list --all-projects
  does '^$' database instance update first --name other
  does '^$' database instance update other --name first
  does '^$' database instance update first --is-public
  until_it_is ACTIVE HEALTHY first
  until_it_is ACTIVE HEALTHY second
  # The client takes no name here, though it says so.
  admin does '^$' database instance reboot "$(id_of second)"
}

databases_and_users() {
  does '^$' database db create first extra
  does 'desk .*extra .*shop' database db list first
  does '^$' database db delete first extra
  fails 'Database extra cannot be found' database db delete first extra
  does '^$' database user create first bob secret-2 --databases desk
  does 'Name .*Host .*Databases .*ann +\| % +\| desk, shop .*bob +\| % +\| desk' database user list first
  does 'name +\| bob' database user show first bob
  does '^$' database user grant access first bob shop
  does 'desk .*shop' database user show access first bob
  does '^$' database user revoke access first bob shop
  does '^$' database user update attributes first bob --new_name rob --new_password secret-3
  does '^$' database user delete first rob
  fails 'User rob@% cannot be found' database user show first rob
  does 'is_root_enabled +\| False' database root show first
  does 'name +\| root .*password' database root enable first
  does 'is_root_enabled +\| True' database root show first
  does '^$' database root disable first
}

the_end() {
  does '^$' database instance restart first
  fails "Policy doesn't allow instance:reset_status" database instance reset status first
  admin does '^$' database instance reset status first
  does 'Request to delete database instance .* has been accepted' database instance delete first
  admin does '' database instance force delete second
  until_it_is_gone first
  until_it_is_gone second
}

# ---- what is not there yet

changes_of_an_instance() {
  does '^$' database instance upgrade second 18
  until_it_is ACTIVE HEALTHY second
  later 'Detaching a replica .*: not implemented' database instance detach second
  later 'Promoting a replica .*: not implemented' database instance promote second
  later 'Ejecting a replica source .*: not implemented' database instance eject second
  admin fails 'image_id must name the image that the instance has' database instance rebuild "$(id_of second)" $some_id
  admin does '^$' database instance rebuild "$(id_of second)" "$(version_of postgresql 18)"
  until_it_is ACTIVE HEALTHY second
}

sizes() {
  does '^$' database instance resize volume second 2
  until_it_is ACTIVE HEALTHY second
  does 'size +\| 2|volume +\| 2' database instance show second
  does '^$' database instance resize flavor second 2
  until_it_is ACTIVE HEALTHY second
  does 'flavor +\| 2' database instance show second
  fails 'must be different than the current flavor id' database instance resize flavor second 2
}

configuration_groups() {
  does '^$' database configuration list
  does 'name +\| group' database configuration create group '{"work_mem": 8192}' \
    --datastore postgresql --datastore-version 18
  does 'work_mem' database configuration show group
  does '^$' database configuration instances group
  does '^$' database configuration attach second group
  until_it_is ACTIVE HEALTHY second
  does 'second' database configuration instances group
  fails 'is associated with' database configuration delete group
  # What can be set at once is; the rest waits for a restart.
  local group # the client changes one by its id alone
  group=$(openstack database configuration show group -f value -c id)
  does '^$' database configuration parameter set "$group" '{"max_connections": 150}'
  until_it_is RESTART_REQUIRED '' second
  does '^$' database instance restart second
  until_it_is ACTIVE HEALTHY second
  does '^$' database configuration set "$group" '{"work_mem": 4096, "max_connections": 150}'
  until_it_is ACTIVE HEALTHY second
  does '^$' database configuration detach second
  until_it_is RESTART_REQUIRED '' second
  does '^$' database instance restart second
  until_it_is ACTIVE HEALTHY second
  does '^$' database configuration delete group
  does 'max_connections' database configuration default second
  does 'work_mem .*integer' database configuration parameter list 18 --datastore postgresql
  does 'restart_required +\| True' database configuration parameter show 18 max_connections \
    --datastore postgresql
}

backups() {
  does '^$' database backup list
  does '^$' database backup list instance second
  later 'Backups: not implemented' database backup create copy --instance second
  later 'No backup .*copy' database backup show copy
  later 'Failed to get database backup copy' database backup delete copy
  does '^$' database backup strategy list
  later 'Backup strategies: not implemented' database backup strategy create --swift-container copies
  later 'Backup strategies: not implemented' database backup strategy delete
  # It is asked of Mistral, and not of us: without Keystone the client finds none.
  fails . database backup execution delete $some_id
}

logs() {
  does 'general +\| USER +\| Disabled' database log list second
  does 'status +\| Disabled' database log show second general
  does 'status +\| (Enabled|Ready)' database log set second general --enable
  does 'status +\| (Published|Partial)' database log set second general --publish
  does 'status +\| Disabled' database log set second general --disable
  does 'published +\| 0' database log set second general --discard
  fails 'is not defined' database log show second nosuch
  # For these the client logs in to Swift, with a password alone, before it asks us anything.
  fails AttributeError database log tail second general
  fails AttributeError database log save second general
}

clusters() {
  does '^$' database cluster list
  later 'Clusters: not implemented' database cluster create many postgresql 18 --instance flavor=1,volume=1
  later 'No cluster .*many' database cluster show many
  later 'No cluster .*many' database cluster list instances many
  later 'No cluster .*many' database cluster modules many
  later 'No cluster .*many' database cluster grow many --instance flavor=1,volume=1
  later 'No cluster .*many' database cluster shrink many one
  later 'No cluster .*many' database cluster upgrade many 18
  later 'No cluster .*many' database cluster reset status many
  later 'No cluster .*many' database cluster delete many
  later 'No cluster .*many' database cluster force delete many
}

managing_datastores() {
  local added
  admin fails 'image must be a reference to a container image' datastore version create blue lake postgresql \
    $some_id --active
  admin does '^$' datastore version create blue lake postgresql docker.io/library/postgres:18 --active --default
  does 'blue' datastore version list lake
  added=$(openstack datastore version show blue --datastore lake -f value -c id)
  admin does '^$' datastore version set "$added" --version-name green
  does 'name +\| green' datastore version show "$added"
  admin does '^$' datastore version set "$added" --disable --non-default
  fails 'No datastore with a name or ID of .lake. exists' datastore show lake
  admin fails 'has versions; they have to be deleted first' datastore delete lake
  admin does '^$' datastore version delete "$added"
  admin fails 'Not Found' datastore version set "$added" --enable
  admin does '^$' datastore delete lake
  admin fails "stands in the service's configuration" datastore delete postgresql
}

# ---- all of it

what_there_is_to_order
limits_and_quotas
orders
an_instance
databases_and_users

changes_of_an_instance
configuration_groups
sizes
backups
logs
clusters
managing_datastores

the_end
exit $wrong
