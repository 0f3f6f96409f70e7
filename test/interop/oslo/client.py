"""An RPC client of oslo.messaging: a request a line of stdin, an outcome a line of stdout. Requests run side by side."""
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import oslo_messaging

from peer import arguments, tell, transport

# More at a time wait for one of these to end.
SIDE_BY_SIDE = 64


def failure(error):
    described = {"class": type(error).__name__, "module": type(error).__module__, "message": str(error)}
    if isinstance(error, oslo_messaging.RemoteError):
        described.update(exc_type=error.exc_type, value=error.value)
    return described


def run(client, request):
    chosen = ("server", "version", "timeout", "call_monitor_timeout")
    prepared = {name: request[name] for name in chosen if request.get(name) is not None}
    if request["kind"] == "fanout":
        prepared["fanout"] = True
    target = client.prepare(topic=request["topic"], **prepared)
    send = target.call if request["kind"] == "call" else target.cast
    return send(request.get("context") or {}, request["method"], **(request.get("args") or {}))


def answer(client, request):
    try:
        tell(id=request["id"], result=run(client, request))
    except Exception as error:
        tell(id=request["id"], error=failure(error))


def main():
    options = arguments(__doc__).parse_args()
    client = oslo_messaging.get_rpc_client(transport(options), oslo_messaging.Target())
    tell(event="ready")
    pool = ThreadPoolExecutor(SIDE_BY_SIDE)
    for line in sys.stdin:
        pool.submit(answer, client, json.loads(line))
    # Nobody reads the outcomes of those that still wait.
    os._exit(0)


main()
