#!/usr/bin/env bash
# The two checks of the public image's healthcheck.sh that are in common use; TCP, for the temporary
# server of the initialisation has only the socket.
set -euo pipefail
for check in "$@"; do
  case $check in
    --connect | --innodb_initialized)
      answer=$(mariadb-admin --no-defaults --protocol=tcp -h 127.0.0.1 -u healthcheck-nobody ping 2>&1) || :
      # "Access denied" is an answer: the server is up and asks who we are.
      [[ $answer == *alive* || $answer == *denied* ]] ;;
  esac
done
