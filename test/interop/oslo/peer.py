"""What the server and the client have in common: their options, the way to the broker, and one line of JSON a report."""
import argparse
import json
import logging
import os
import sys
import tempfile
import threading

import oslo_messaging
from oslo_config import cfg

# As Trove's own programs allow it, and the builtin ones, which the library allows anyway.
ALLOWED_EXCEPTION_MODULES = ["trove.common.exception", "builtins"]

_printing = threading.Lock()


def tell(**report):
    """Prints a report. Whoever started us reads lines, so they may not be mixed."""
    with _printing:
        sys.stdout.write(json.dumps(report) + "\n")
        sys.stdout.flush()


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--transport-url", required=True)
    parser.add_argument("--exchange", default="trove")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of the section oslo_messaging_rabbit, such as amqp_durable_queues=true",
    )
    return parser


def transport(options):
    """A transport with the options in a file, where the library reads and checks them as it does in production."""
    lines = ["[DEFAULT]", "control_exchange=" + options.exchange, "[oslo_messaging_rabbit]", *options.option]
    handle, path = tempfile.mkstemp(suffix=".conf")
    try:
        with os.fdopen(handle, "w") as file:
            file.write("\n".join(lines) + "\n")
        # The library's own object: parts of it know no other one.
        cfg.CONF(args=[], project="peer", default_config_files=[path], default_config_dirs=[])
    finally:
        os.unlink(path)
    # To stderr, which is shown only when a peer ends by itself.
    logging.basicConfig(level=logging.ERROR)
    return oslo_messaging.get_rpc_transport(
        cfg.CONF, url=options.transport_url, allowed_remote_exmods=ALLOWED_EXCEPTION_MODULES
    )
