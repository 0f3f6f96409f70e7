/**
 * Everything that can be set, once: names as in the file, what each is for, its rule and its default. The file, the
 * variables, `coffer config` and the documentation all follow this schema.
 */
import { hostname } from "node:os"
import { Effect, Schema, Struct } from "effect"
import { defaultNetwork } from "../../services/TenantNetwork.ts"
import { defaultZone } from "../../services/Zones.ts"
import { exampleKey, exampleToken } from "./knownKeys.ts"
import * as rule from "./rules.ts"
import { defaulted, optional } from "./setting.ts"

/** The processes that Coffer runs as. */
export const roles = ["api", "taskmanager", "conductor", "guestagent"] as const
export type Role = (typeof roles)[number]

const secret = { isSecret: true }
const table = { message: "must be a table" }

const Database = Schema.Struct({
  url: optional(rule.DatabaseUrl, "The control plane's PostgreSQL, with its credentials", {
    ...secret,
    example: "postgresql://coffer:PASSWORD@127.0.0.1:5432/coffer"
  })
}).annotate(table)

const Broker = Schema.Struct({
  urls: optional(rule.someOf(rule.BrokerUrl), "RabbitMQ's nodes, with the credentials of the control plane", {
    ...secret,
    example: ["amqp://coffer:PASSWORD@127.0.0.1:5672"]
  }),
  control_exchange: defaulted(rule.Exchange, "trove", "The exchange that all topics are bound to"),
  queues: defaulted(
    rule.oneOf(["durable", "quorum", "transient"]),
    "durable",
    "Kind of the queues: they outlive the broker's restart, its node, or neither"
  ),
  prefetch: defaulted(rule.whole(1, 2000), 100, "How many messages a consumer has in hand at once"),
  management_url: optional(
    rule.ManagementUrl,
    "RabbitMQ's management API, which makes a user for each guest; without credentials, those of the first of urls",
    { ...secret, example: "http://127.0.0.1:15672" }
  ),
  shared_guest_credentials: defaulted(
    rule.Flag,
    false,
    "Let all guests use the same credentials, those in guest_urls: each can then read what the others are told"
  ),
  guest_urls: optional(
    rule.someOf(rule.GuestUrl),
    "How guests reach the broker: without credentials, or with those that they share; if unset, the hosts of urls",
    { ...secret, example: ["amqps://broker.example.org:5671"] }
  ),
  ca_file: optional(rule.Path, "Whose certificates of the broker are believed, PEM; if unset, the system's", {
    example: "/etc/coffer/broker-ca.pem"
  }),
  cert_file: optional(rule.Path, "The certificate that is shown to the broker, PEM", {
    example: "/etc/coffer/broker-cert.pem"
  }),
  key_file: optional(rule.Path, "The private key of cert_file, PEM", { example: "/etc/coffer/broker-key.pem" })
}).annotate(table)

const Secrets = Schema.Struct({
  key: optional(rule.Key, "Seals what is secret in the database; losing it loses that", {
    ...secret,
    example: exampleKey
  })
}).annotate(table)

const Token = Schema.Struct({
  token: rule.Token,
  project: rule.Name,
  user: rule.Name,
  admin: Schema.withDecodingDefaultKey<typeof rule.Flag>(Effect.succeed(false))(rule.Flag)
}).annotate({ message: "must be a table of token, project, user and admin" })

/** What a token's table holds. */
export const tokenFields = Struct.keys(Token.fields)

const Api = Schema.Struct({
  host: defaulted(rule.Host, "127.0.0.1", "Where the REST API listens"),
  port: defaulted(rule.Port, 8779, "The port of the REST API"),
  allowed_hosts: defaulted(
    rule.listOf(rule.AllowedHost),
    ["localhost", "127.0.0.1", "[::1]"],
    'Values of Host that are let in; "*" for all, behind a proxy that checks them'
  ),
  rate_limit: defaulted(rule.whole(1, 1_000_000), 200, "Requests a minute, for each project and verb"),
  network_id: defaulted(
    rule.Uuid,
    defaultNetwork.id,
    "The id by which orders choose the network of the instances (nics); there is one, and any UUID may be it"
  ),
  subnet_id: defaulted(rule.Uuid, defaultNetwork.subnet, "The id by which they choose its subnet"),
  policy_file: optional(rule.Path, "Who may do what, as YAML or JSON; if unset, what Trove lets them do", {
    example: "/etc/coffer/policy.yaml"
  }),
  tokens: optional(
    rule.someOf(Token),
    "Without Keystone, who may ask: a token, whose project and user it stands for, and whether of an administrator",
    {
      ...secret,
      example: [{ token: exampleToken, project: "demo", user: "admin", admin: true }]
    }
  )
}).annotate(table)

const Keystone = Schema.Struct({
  auth_url: optional(rule.KeystoneUrl, "The Keystone that knows who may ask, in place of api.tokens", {
    example: "https://keystone.example.org:5000"
  }),
  www_authenticate_uri: optional(rule.KeystoneUrl, "Where callers are told to get a token; if unset, at auth_url", {
    example: "https://keystone.example.org:5000"
  }),
  username: optional(rule.Name, "The user as whom tokens are checked: of the role service or admin", {
    example: "trove"
  }),
  password: optional(rule.Password, "The password of that user", { ...secret, example: "PASSWORD" }),
  project_name: defaulted(rule.Name, "service", "The project in which that user has the role"),
  user_domain_name: defaulted(rule.Name, "Default", "The domain of that user"),
  project_domain_name: defaulted(rule.Name, "Default", "The domain of that project"),
  cache_lifetime: defaulted(
    rule.Time,
    "1 minute",
    "How long a checked token is good without being checked again: as long may a revoked one be"
  ),
  timeout: defaulted(rule.Time, "10 seconds", "How long a caller waits for Keystone"),
  ca_file: optional(rule.Path, "Whose certificates of Keystone are believed, PEM; if unset, the system's", {
    example: "/etc/coffer/keystone-ca.pem"
  })
}).annotate(table)

const Taskmanager = Schema.Struct({
  host: defaulted(
    rule.Host,
    "127.0.0.1",
    "Where the other taskmanagers reach this one: an address of its own on each machine, which nobody else reaches"
  ),
  port: defaulted(
    rule.Port,
    34431,
    "The port at which they do; it asks nobody who they are: keep all others out with a firewall"
  ),
  build_deadline: defaulted(rule.Time, "30 minutes", "When a build is called off"),
  restart_deadline: defaulted(rule.Time, "10 minutes", "When a restart is called off"),
  configure_deadline: defaulted(
    rule.Time,
    "10 minutes",
    "When bringing a configuration group to its guest is called off"
  ),
  resize_deadline: defaulted(
    rule.Time,
    "20 minutes",
    "When a resize is called off, and how long it may then take to go back to what was before"
  ),
  stop_deadline: defaulted(rule.Time, "10 minutes", "When a stop is called off"),
  start_deadline: defaulted(rule.Time, "10 minutes", "When a start is called off"),
  rebuild_deadline: defaulted(
    rule.Time,
    "30 minutes",
    "When a rebuild is called off, with the fetching of an image that is gone"
  ),
  upgrade_deadline: defaulted(
    rule.Time,
    "2 hours",
    "When an upgrade is called off, with the copying of the data and the fetching of an image"
  ),
  delete_deadline: defaulted(rule.Time, "10 minutes", "When a delete is called off"),
  deleted_retention: defaulted(rule.Time, "7 days", "How long a deleted instance and its history are remembered"),
  audit_interval: defaulted(rule.Time, "1 hour", "How often it is looked for what no record owns, and what is missing"),
  workflow_retention: defaulted(
    rule.Time,
    "1 hour",
    "How long the engine's records of ended operations, and commands that were handled, are kept"
  ),
  compute_command: optional(
    rule.someOf(rule.Argument),
    "Program, with its arguments, that makes servers for guests that are Trove's own agents",
    { example: ["/usr/local/bin/make-server"] }
  ),
  compute_command_addresses: optional(rule.Network, "The network that those servers get their addresses from", {
    example: "10.1.0.0/16"
  })
}).annotate(table)

const Guestagent = Schema.Struct({
  name: defaulted(rule.HostName, hostname(), "The name of this host among all that run databases", {
    defaultName: "the machine's host name"
  }),
  zone: defaulted(rule.Zone, defaultZone, "The availability zone that this host is in, for orders that name one"),
  data_dir: defaulted(rule.Path, "/var/lib/coffer", "The folder that holds this host's databases"),
  addresses: defaulted(
    rule.Network,
    "127.70.0.0/16",
    "The network that this host's databases listen on; 127.0.0.0/8 is reachable from the machine itself only"
  ),
  runtime: defaulted(
    rule.oneOf(["auto", "docker", "process"]),
    "auto",
    "What databases run in: containers, processes, or containers where an engine answers"
  ),
  volumes: defaulted(
    rule.oneOf(["auto", "xfs", "ext4", "folder"]),
    "auto",
    "What volumes are: a file system in a file, which is as large as was ordered, a folder, or the first that can be had"
  ),
  urls: optional(rule.someOf(rule.BrokerUrl), "The broker, with the credentials of this host alone", {
    ...secret,
    example: ["amqps://HOST:PASSWORD@broker.example.org:5671"]
  }),
  key: optional(rule.Key, "This host's own key, which the control plane knows, too", {
    ...secret,
    example: exampleKey
  })
}).annotate(table)

const Catalog = Schema.Struct({
  file: optional(
    rule.Path,
    "A JSON file with what is offered; if unset, the public images: databases that run as processes need one",
    {
      example: "/etc/coffer/catalog.json"
    }
  )
}).annotate(table)

const healthOf = (role: Role, port: number) =>
  defaulted(rule.Port, port, `The port of /health and /metrics of the ${role}`)

const Health = Schema.Struct({
  host: defaulted(rule.Host, "127.0.0.1", "Where /health and /metrics are served"),
  api_port: healthOf("api", 8780),
  taskmanager_port: healthOf("taskmanager", 8781),
  conductor_port: healthOf("conductor", 8782),
  guestagent_port: healthOf("guestagent", 8783)
}).annotate(table)

/** The whole file. */
export const Configuration = Schema.Struct({
  database: Database,
  broker: Broker,
  secrets: Secrets,
  api: Api,
  keystone: Keystone,
  taskmanager: Taskmanager,
  guestagent: Guestagent,
  catalog: Catalog,
  health: Health
})
export type Configuration = typeof Configuration.Type

export type Section = keyof Configuration

/** "broker.urls" */
export type SettingName = { [S in Section]: `${S}.${keyof Configuration[S] & string}` }[Section]

const controlPlane = ["database.url", "broker.urls", "secrets.key"] as const

/** What a role cannot be started without. What has a default need not be named. */
export const required = {
  api: controlPlane,
  taskmanager: controlPlane,
  conductor: controlPlane,
  guestagent: ["guestagent.urls", "guestagent.key", "broker.control_exchange"]
} as const satisfies Record<Role, ReadonlyArray<SettingName>>

/** Of each, a role needs one. */
export const alternatives = {
  api: [["api.tokens", "keystone.auth_url"]],
  taskmanager: [],
  conductor: [],
  guestagent: []
} as const satisfies Record<Role, ReadonlyArray<readonly [SettingName, ...ReadonlyArray<SettingName>]>>

type Given<Name extends SettingName> = Name extends `${infer S extends Section}.${infer K}`
  ? { readonly [Of in S]: { readonly [Key in K & keyof Configuration[S]]: Exclude<Configuration[S][Key], undefined> } }
  : never

type Both<Union> = (Union extends unknown ? (member: Union) => void : never) extends (both: infer All) => void
  ? All
  : never

/** The configuration of a role: what it requires is there. */
export type ConfigurationOf<R extends Role> = Configuration & Both<Given<(typeof required)[R][number]>>

/** Where a role serves its health. */
export const healthAddress = <R extends Role>({ health }: Configuration, role: R) => ({
  host: health.host,
  port: health[`${role}_port` as const]
})
