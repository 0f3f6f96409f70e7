/** The files of a Trove guest agent, and what Trove itself reads in them. */
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Redacted, Schema } from "effect"
import { troveAgentFiles } from "../../../src/layers/compute/TroveAgentFiles.ts"
import type { GuestLink } from "../../../src/services/GuestAccess.ts"
import { serverSpec } from "../../conformance/guestHosts.ts"
import { debianPython, ensurePackages, troveModules } from "../../support/packages.ts"

const id = "00000000-0000-4000-8000-000000000001"
const spec = {
  ...serverSpec(id),
  agent: "trove" as const,
  manager: "mariadb" as const,
  version: "11.8",
  image: "registry.example.org:5000/library/mariadb:11.8"
}

const link = (...urls: ReadonlyArray<string>): GuestLink => ({
  urls: urls.map((url) => Redacted.make(url)),
  controlExchange: "trove",
  declares: true,
  protocol: "trove",
  key: Redacted.make("k".repeat(32))
})

const plain = "amqp://guest-1:p%24%25w@broker-1:5673/a%20host"

const textsOf = (...args: Parameters<typeof troveAgentFiles>) => {
  const { agentConf, guestInfo } = troveAgentFiles(...args)
  return { agentConf: Redacted.value(agentConf), guestInfo: Redacted.value(guestInfo) }
}

describe("the files of a Trove guest agent", () => {
  it("say who the guest is and what it operates", () => {
    assert.deepEqual(textsOf(spec, link(plain), "durable").guestInfo.trim().split("\n"), [
      "[DEFAULT]",
      `guest_id = ${id}`,
      "datastore_manager = mariadb",
      "datastore_version = 11.8",
      "datastore_registry_ext = mariadb:trove.guestagent.datastore.mariadb.manager.Manager",
      "replication_strategy = trove.guestagent.strategies.replication.mariadb_gtid.MariaDBGTIDReplication",
      "network_isolation = False",
      "enable_secure_rpc_messaging = True",
      `instance_rpc_encr_key = ${"k".repeat(32)}`
    ])
  })

  it("name all brokers in one URL, and encrypt where the URLs say so", () => {
    const { agentConf } = textsOf(spec, link("amqps://u:p@broker-1/v", "amqps://u:p@[::1]:5673/v"), "durable")
    assert.include(agentConf, "transport_url = rabbit://u:p@broker-1:5671,u:p@[::1]:5673/v\n")
    assert.include(agentConf, "ssl = true")
    assert.notInclude(textsOf(spec, link(plain), "durable").agentConf, "ssl =")
  })

  it("declare queues as the others do", () => {
    const options = (["transient", "durable", "quorum"] as const).map((kind) =>
      textsOf(spec, link(plain), kind)
        .agentConf.split("\n")
        .filter((line) => /queue/.test(line))
    )
    assert.deepEqual(options, [
      ["amqp_durable_queues = false"],
      ["amqp_durable_queues = true"],
      ["amqp_durable_queues = true", "rabbit_quorum_queue = true"]
    ])
  })

  it("tell nothing when they are shown by accident", () => {
    const files = troveAgentFiles(spec, link(plain), "durable")
    assert.notInclude(JSON.stringify(files) + String(files.agentConf) + String(files.guestInfo), "kkk")
  })
})

/** What Trove's own configuration makes of the files, as JSON. */
const reader = `
import json, sys
from trove.common import cfg
import oslo_messaging
from trove.guestagent import dbaas
CONF = cfg.CONF
from oslo_messaging._drivers import amqp, impl_rabbit
CONF.register_opts(amqp.amqp_opts, "oslo_messaging_rabbit")
CONF.register_opts(impl_rabbit.rabbit_opts, "oslo_messaging_rabbit")
cfg.parse_args(["agent", "--config-dir=" + sys.argv[1]])
url = oslo_messaging.TransportURL.parse(CONF)
print(json.dumps({
  "guest": CONF.guest_id, "key": CONF.instance_rpc_encr_key, "secure": CONF.enable_secure_rpc_messaging,
  "manager": CONF.datastore_manager, "version": CONF.datastore_version,
  "loaded": dbaas.datastore_registry()[CONF.datastore_manager],
  "image": CONF.mariadb.docker_image, "device": CONF.mariadb.device_path,
  "exchange": CONF.control_exchange, "vhost": url.virtual_host,
  "hosts": [[h.hostname, h.port, h.username, h.password] for h in url.hosts],
  "durable": CONF.oslo_messaging_rabbit.amqp_durable_queues, "ssl": CONF.oslo_messaging_rabbit.ssl}))
`

const Read = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

const missing = await ensurePackages(troveModules)

describe.skipIf(missing !== null)(`a real agent's configuration${missing === null ? "" : `: ${missing}`}`, () => {
  it("is what was meant, with what the operator's program appends", async () => {
    const folder = mkdtempSync(join(tmpdir(), "coffer-trove-"))
    try {
      const { agentConf, guestInfo } = textsOf(
        spec,
        link(plain, "amqp://guest-1:p%24%25w@broker-2/a%20host"),
        "durable"
      )
      writeFileSync(join(folder, "guest_info.conf"), guestInfo)
      writeFileSync(join(folder, "trove-guestagent.conf"), `${agentConf}\n[mariadb]\ndevice_path = /dev/vdx\n`)
      const { stdout } = await promisify(execFile)(debianPython, ["-c", reader, folder])
      assert.deepEqual(Read(stdout), {
        guest: id,
        key: "k".repeat(32),
        secure: true,
        manager: "mariadb",
        version: "11.8",
        loaded: "trove.guestagent.datastore.mariadb.manager.Manager",
        image: "registry.example.org:5000/library/mariadb",
        device: "/dev/vdx",
        exchange: "trove",
        vhost: "a host",
        hosts: [
          ["broker-1", 5673, "guest-1", "p$%w"],
          ["broker-2", 5672, "guest-1", "p$%w"]
        ],
        durable: true,
        ssl: false
      })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
