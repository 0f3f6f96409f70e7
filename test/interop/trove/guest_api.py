"""
Asks a guest agent as Trove's own services do: with Trove's client class, and with the key that is kept for the
instance in the conductor's database. `guest_api.py <trove.conf> <instance id>`, with {"method", "args"} on stdin;
answers {"result"} or {"failure"} on stdout. Methods and arguments are those of trove.guestagent.api.API.
"""
import json
import os
import sys

from trove.common import cfg, notification
from trove.common.context import TroveContext

configuration, instance = sys.argv[1:]
request = json.load(sys.stdin)
cfg.CONF(["--config-file", configuration], project="trove")

from trove import rpc  # noqa: E402
from trove.db import get_db_api  # noqa: E402
from trove.guestagent.api import API  # noqa: E402

rpc.init(cfg.CONF)
get_db_api().configure_db(cfg.CONF)

context = TroveContext(user="user-1", project_id="project-1")
# What a guest does for a tenant it does in the name of a notification, and not without one.
context.notification = notification.DBaaSInstanceCreate(
    context,
    request_id=context.request_id,
    server_type="guest",
    client_ip="127.0.0.1",
    server_ip="127.0.0.1",
    tenant_id=context.project_id,
)
try:
    answer = {"result": getattr(API(context, instance), request["method"])(**request["args"])}
except Exception as failure:
    answer = {"failure": f"{type(failure).__name__}: {failure}"}
print(json.dumps(answer), flush=True)
# What was sent is confirmed by now, and oslo.messaging's threads would sleep for ten seconds more.
os._exit(0)
