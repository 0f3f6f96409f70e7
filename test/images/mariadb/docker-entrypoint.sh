#!/usr/bin/env bash
# Initialises /var/lib/mysql once, as the public `mariadb` image does, then becomes the server.
set -Eeuo pipefail
DATA=/var/lib/mysql
SOCKET=/run/mysqld/mysqld.sock

# file_env NAME: MARIADB_NAME or MYSQL_NAME, or the contents of the file that their _FILE names.
file_env() {
  local name value=
  for name in "MYSQL_$1" "MARIADB_$1"; do
    local file_name="${name}_FILE"
    if [ -n "${!name:-}" ] && [ -n "${!file_name:-}" ]; then
      echo >&2 "error: both $name and $file_name are set"
      exit 1
    fi
    [ -z "${!name:-}" ] || value=${!name}
    [ -z "${!file_name:-}" ] || value=$(<"${!file_name}")
    unset "$file_name"
  done
  export "MARIADB_$1"="$value"
}

# A string as an SQL literal. Only backslash and quote are special between quotes.
quote() {
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\\\'}"
}

initialise() {
  if [ -z "$MARIADB_ROOT_PASSWORD" ] && [ -z "${MARIADB_ALLOW_EMPTY_ROOT_PASSWORD:-}" ]; then
    echo >&2 "error: database is uninitialized and password option is not specified"
    exit 1
  fi
  mariadb-install-db --datadir="$DATA" --auth-root-authentication-method=normal --skip-test-db \
    --cross-bootstrap --skip-name-resolve

  # The temporary server is on the socket only: whoever gets an answer over TCP talks to the real one.
  "$@" --skip-networking --socket="$SOCKET" --skip-log-error &
  local server=$! sql=(mariadb --no-defaults --protocol=socket --socket="$SOCKET" -uroot)
  local left
  for left in {300..0}; do
    "${sql[@]}" -e 'SELECT 1' &>/dev/null && break
    kill -0 "$server"
    sleep 0.1
  done
  local password
  password=$(quote "$MARIADB_ROOT_PASSWORD")
  {
    echo "DROP USER IF EXISTS root@'127.0.0.1', root@'::1';"
    [ "$MARIADB_ROOT_HOST" = localhost ] ||
      echo "CREATE USER 'root'@$(quote "$MARIADB_ROOT_HOST") IDENTIFIED BY $password;" \
        "GRANT ALL ON *.* TO 'root'@$(quote "$MARIADB_ROOT_HOST") WITH GRANT OPTION;"
    if [ -n "$MARIADB_DATABASE" ]; then
      echo "CREATE DATABASE IF NOT EXISTS \`${MARIADB_DATABASE//\`/\`\`}\`;"
    fi
    if [ -n "$MARIADB_USER" ]; then
      echo "CREATE USER $(quote "$MARIADB_USER")@'%' IDENTIFIED BY $(quote "$MARIADB_PASSWORD");"
      [ -z "$MARIADB_DATABASE" ] ||
        echo "GRANT ALL ON \`${MARIADB_DATABASE//_/\\_}\`.* TO $(quote "$MARIADB_USER")@'%';"
    fi
    echo "SET PASSWORD FOR 'root'@'localhost' = PASSWORD($password);"
  } | "${sql[@]}" mysql
  local hook
  for hook in /docker-entrypoint-initdb.d/*; do
    case $hook in
      *.sh) echo "running $hook"; . "$hook" ;;
      *.sql) echo "running $hook"; MYSQL_PWD=$MARIADB_ROOT_PASSWORD "${sql[@]}" < "$hook" ;;
    esac
  done
  kill "$server"
  wait "$server"
  printf '\nMariaDB init process done. Ready for start up.\n\n'
}

[ "${1:0:1}" != - ] || set -- mariadbd "$@"

if [ "$1" = mariadbd ] || [ "$1" = mysqld ]; then
  for name in ROOT_PASSWORD ROOT_HOST DATABASE USER PASSWORD; do file_env "$name"; done
  export MARIADB_ROOT_HOST=${MARIADB_ROOT_HOST:-%}
  if [ "$(id -u)" = 0 ]; then
    find "$DATA" /run/mysqld \! -user mysql -exec chown mysql: '{}' +
    exec gosu mysql "$BASH_SOURCE" "$@"
  fi
  [ -d "$DATA/mysql" ] || initialise "$@"
fi
exec "$@"
