"""An RPC server of oslo.messaging whose methods show what reached them. It ends when its stdin does."""
import os
import sys
import time

import oslo_messaging

from peer import arguments, tell, transport


class Endpoint:
    def __init__(self, version):
        self.target = oslo_messaging.Target(version=version)

    def echo(self, context, value):
        return value

    def add(self, context, a, b):
        return a + b

    def none(self, context):
        return None

    def record(self, context, n):
        tell(event="record", n=n)

    def slow(self, context, seconds):
        tell(event="slow", seconds=seconds)
        time.sleep(seconds)
        return seconds

    def raise_value_error(self, context, text):
        raise ValueError(text)

    def raise_trove(self, context, text):
        from trove.common import exception

        raise exception.GuestError(original_message=text)

    def context(self, context):
        return context


def main():
    parser = arguments(__doc__)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--server", required=True)
    parser.add_argument("--version", default="1.3")
    options = parser.parse_args()
    server = oslo_messaging.get_rpc_server(
        transport(options),
        oslo_messaging.Target(topic=options.topic, server=options.server),
        [Endpoint(options.version)],
        executor="threading",
        access_policy=oslo_messaging.DefaultRPCAccessPolicy,
    )
    server.start()
    tell(event="ready")
    sys.stdin.read()
    # Not by its orderly stop, which waits for calls that are being answered.
    os._exit(0)


main()
