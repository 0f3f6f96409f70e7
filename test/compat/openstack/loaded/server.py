"""OpenStack's client, loaded once: each command of it runs in a fork, with the arguments, the environment and the files
of who asked (./openstack). Most of what a command costs is loading Python's modules.

    server.py <socket>
"""
import contextlib
import json
import os
import signal
import socket
import sys

from openstackclient import shell


def load():
    """All that a command needs is there once one of them has told how it is used."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        with contextlib.suppress(SystemExit):
            shell.main(["help", "database", "db", "list"])


def run(connection):
    asked, files, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    order = json.loads(asked)
    for target, file in enumerate(files):
        os.dup2(file, target)
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = ["openstack", *order["arguments"]]
    try:
        code = shell.main(order["arguments"])
    except SystemExit as end:
        code = end.code
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(bytes([code if isinstance(code, int) else 1 if code else 0]))


def serve(path):
    load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen()
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                try:
                    run(connection)
                finally:
                    os._exit(1)
            connection.close()


serve(sys.argv[1])
