/**
 * The two files that a Trove guest agent is started with (`/etc/trove/conf.d/guest_info.conf` and
 * `trove-guestagent.conf`), as text. Pure. Names and defaults are Trove's and oslo's; what belongs to the machine
 * (the volume's device, the database's user) is left to the operator's program, which may append sections of its own:
 * of an option that is given twice, the agent takes the last.
 */
import { Redacted } from "effect"
import type { ServerSpec } from "../../services/Compute.ts"
import type { GuestLink } from "../../services/GuestAccess.ts"
import { parseUrl } from "../fabric/amqp/Urls.ts"
import type { QueueKind } from "../fabric/oslo/Topology.ts"

export interface TroveAgentFiles {
  readonly guestInfo: Redacted.Redacted
  readonly agentConf: Redacted.Redacted
}

/** What Trove calls `datastore_registry_ext` and `replication_strategy`: classes that the agent loads. */
const classes = {
  mysql: {
    manager: "trove.guestagent.datastore.mysql.manager.Manager",
    replication: "trove.guestagent.strategies.replication.mysql_gtid.MysqlGTIDReplication"
  },
  mariadb: {
    manager: "trove.guestagent.datastore.mariadb.manager.Manager",
    replication: "trove.guestagent.strategies.replication.mariadb_gtid.MariaDBGTIDReplication"
  },
  postgresql: {
    manager: "trove.guestagent.datastore.postgres.manager.PostgresManager",
    replication: "trove.guestagent.strategies.replication.postgresql.PostgresqlReplicationStreaming"
  }
} as const

/** How the agent's queues are declared: as ours are, or the broker refuses them. */
const queueOptions: Record<QueueKind, Record<string, string>> = {
  transient: { amqp_durable_queues: "false" },
  durable: { amqp_durable_queues: "true" },
  quorum: { amqp_durable_queues: "true", rabbit_quorum_queue: "true" }
}

type Section = readonly [name: string, options: Readonly<Record<string, string>>]

/** oslo.config replaces `$name` in values, and takes a line for an option's end. */
const valueOf = (text: string) => text.replaceAll("$", "$$$$").replace(/[\r\n]+/g, " ")

const render = (sections: ReadonlyArray<Section>) =>
  sections
    .map(([name, options]) =>
      [`[${name}]`, ...Object.entries(options).map(([key, value]) => `${key} = ${valueOf(value)}`), ""].join("\n")
    )
    .join("\n")

/** One URL with all brokers, as oslo.messaging has it: rabbit://user:password@host:port,user:password@host:port/vhost. */
const transportUrl = (urls: GuestLink["urls"]) => {
  const brokers = urls.flatMap(parseUrl)
  const hosts = brokers.map(({ host, password, port, user }) => {
    const login = [user, Redacted.value(password)].map(encodeURIComponent).join(":")
    return `${login}@${host.includes(":") ? `[${host}]` : host}:${port}`
  })
  const vhost = brokers[0]?.vhost ?? "/"
  return {
    url: `rabbit://${hosts.join(",")}/${vhost === "/" ? "" : encodeURIComponent(vhost)}`,
    isEncrypted: brokers.some(({ tls }) => tls)
  }
}

/** "registry:5000/library/mariadb" of "registry:5000/library/mariadb:11.8": the agent's tag is the version. */
const imageName = (image: string) => image.replace(/(@[^/]*|:[^/:]*)$/, "")

export const troveAgentFiles = (spec: ServerSpec, link: GuestLink, queues: QueueKind): TroveAgentFiles => {
  const { manager, replication } = classes[spec.manager]
  const { isEncrypted, url } = transportUrl(link.urls)
  const guestInfo = render([
    [
      "DEFAULT",
      {
        guest_id: spec.instanceId,
        datastore_manager: spec.manager,
        datastore_version: spec.version,
        datastore_registry_ext: `${spec.manager}:${manager}`,
        replication_strategy: replication,
        network_isolation: "False",
        enable_secure_rpc_messaging: "True",
        instance_rpc_encr_key: Redacted.value(link.key)
      }
    ]
  ])
  const agentConf = render([
    ["DEFAULT", { transport_url: url, control_exchange: link.controlExchange }],
    ["oslo_messaging_rabbit", { ...queueOptions[queues], ...(isEncrypted ? { ssl: "true" } : {}) }],
    [spec.manager, { docker_image: imageName(spec.image) }]
  ])
  return { guestInfo: Redacted.make(guestInfo), agentConf: Redacted.make(agentConf) }
}
