/**
 * Every call of Trove's v1.0, and how it stands with us. calls.test.ts makes each of them, so what is said here is so;
 * docs/compatibility.md is made of it.
 */

export type Standing =
  /** Answered with Trove's own code of success. */
  | { readonly is: "done"; readonly code: number }
  /** Not to come, and why. */
  | { readonly is: "refused"; readonly code: number; readonly why: string }
  /** To come with a feature. What is a list is empty until then, and what is one of it not found. */
  | { readonly is: "not there yet"; readonly code: number; readonly feature: string }

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE"

export interface Call {
  readonly method: Method
  /** Below the project; what is in braces stands for the id or the name of one. */
  readonly path: string
  /** What is sent; what is in braces stands for an id here, too. */
  readonly body?: unknown
  /** What of it the call is about, where one path has several calls. */
  readonly about?: string
  readonly standing: Standing
}

export interface Topic {
  readonly title: string
  readonly calls: ReadonlyArray<Call>
}

type Line = readonly [method: Method, path: string, body?: unknown, about?: string]

const callOf = ([method, path, body, about]: Line, standing: Standing): Call => ({
  method,
  path,
  standing,
  ...(body === undefined ? {} : { body }),
  ...(about === undefined ? {} : { about })
})

const done = (code: number, ...line: Line) => callOf(line, { is: "done", code })

const refused = (code: number, why: string, ...line: Line) => callOf(line, { is: "refused", code, why })

/** Calls that wait for a feature. */
const waiting = (feature: string) => ({
  refused: (...line: Line) => callOf(line, { is: "not there yet", code: 501, feature }),
  empty: (...line: Line) => callOf(line, { is: "not there yet", code: 200, feature }),
  missing: (...line: Line) => callOf(line, { is: "not there yet", code: 404, feature })
})

const order = {
  name: "new",
  flavorRef: "2",
  volume: { size: 1 },
  datastore: { type: "mysql", version: "5.7.29" },
  databases: [{ name: "db1" }],
  users: [{ name: "u1", password: "secret-1", databases: [{ name: "db1" }] }],
  access: { is_public: false, allowed_cidrs: ["10.0.0.0/8"] }
}
const ordered = (field: string, value: unknown): Line => [
  "POST",
  "/instances",
  { instance: { ...order, [field]: value } },
  `with \`${field}\``
]

/** Of which the parameters are known. */
const datastore = { type: "postgresql", version: "16" }
const newVersion = {
  name: "17",
  datastore_name: "postgresql",
  datastore_manager: "postgresql",
  image: "docker.io/library/postgres:17",
  active: true
}
const ranged = { data_type: "integer", restart_required: 0, min_size: 64, max_size: 4096 }
const group = "{configuration}"
const uuid = "11111111-2222-4333-8444-555555555555"
const one = "/instances/{instance}"
const changed = (field: string, value: unknown): Line => ["PUT", one, { instance: { [field]: value } }, `\`${field}\``]
const acted = (action: string, value: unknown = {}, of = ""): Line => [
  "POST",
  `${one}/action`,
  { [action]: value },
  `\`${action}\`${of}`
]
const managed = (action: string, value: unknown = {}): Line => [
  "POST",
  "/mgmt/instances/{instance}/action",
  { [action]: value },
  `\`${action}\``
]

const backups = waiting("Backups")
const replication = waiting("Replication")
const ssl = waiting("SSL")
const modules = waiting("Modules")
const clusters = waiting("Clusters")

export const topics: ReadonlyArray<Topic> = [
  {
    title: "Instances",
    calls: [
      done(200, "POST", "/instances", { instance: order }),
      done(200, ...ordered("nics", [{ network_id: "{network}" }])),
      done(
        200,
        "POST",
        "/instances",
        { instance: { ...order, datastore, configuration: group } },
        "with `configuration`"
      ),
      replication.refused(...ordered("replica_of", uuid)),
      replication.refused(...ordered("replica_count", 2)),
      backups.refused(...ordered("restorePoint", { backupRef: uuid })),
      done(200, ...ordered("availability_zone", "nova")),
      done(200, ...ordered("locality", "affinity")),
      modules.refused(...ordered("modules", [{ id: uuid }])),
      done(200, "GET", "/instances"),
      done(200, "GET", "/instances/detail"),
      done(200, "GET", one),
      done(202, "DELETE", one),
      done(202, ...changed("name", "other")),
      done(202, ...changed("configuration", group)),
      replication.refused(...changed("replica_of", "")),
      done(202, ...changed("datastore_version", "16")),
      done(202, ...changed("access", { is_public: true })),
      done(202, "PATCH", one, { instance: { name: "other" } }),
      done(202, ...acted("restart")),
      done(202, ...acted("reset_status")),
      done(202, ...acted("resize", { volume: { size: 3 } }, " of the volume")),
      done(202, ...acted("resize", { flavorRef: "3" }, " to a flavor")),
      replication.refused(...acted("promote_to_replica_source")),
      replication.refused(...acted("eject_replica_source")),
      done(200, "GET", `${one}/configuration`),
      backups.empty("GET", `${one}/backups`)
    ]
  },
  {
    title: "Databases, users, root",
    calls: [
      done(200, "GET", `${one}/databases`),
      done(202, "POST", `${one}/databases`, { databases: [{ name: "shop" }] }),
      refused(501, "Trove answers 501 as well.", "GET", `${one}/databases/{database}`),
      done(202, "DELETE", `${one}/databases/{database}`),
      done(200, "GET", `${one}/users`),
      done(202, "POST", `${one}/users`, { users: [{ name: "bob", password: "secret-2" }] }),
      done(202, "PUT", `${one}/users`, { users: [{ name: "u1", password: "secret-3" }] }),
      done(200, "GET", `${one}/users/{user}`),
      done(202, "PUT", `${one}/users/{user}`, { user: { password: "secret-4" } }),
      done(202, "DELETE", `${one}/users/{user}`),
      done(200, "GET", `${one}/users/{user}/databases`),
      done(202, "PUT", `${one}/users/{user}/databases`, { databases: [{ name: "db2" }] }),
      done(202, "DELETE", `${one}/users/{user}/databases/{database}`),
      done(200, "GET", `${one}/root`),
      done(200, "POST", `${one}/root`),
      done(204, "DELETE", `${one}/root`)
    ]
  },
  {
    title: "Datastores and flavors",
    calls: [
      done(200, "GET", "/datastores"),
      done(200, "GET", "/datastores/{datastore}"),
      done(202, "DELETE", "/datastores/{datastore}"),
      done(200, "GET", "/datastores/{datastore}/versions"),
      done(200, "GET", "/datastores/{datastore}/versions/{version}"),
      done(200, "GET", "/datastores/versions/{version}"),
      done(200, "GET", "/datastores/{datastore}/versions/{version}/flavors"),
      done(200, "GET", "/datastores/{datastore}/versions/{version}/volume-types"),
      done(200, "GET", "/flavors"),
      done(200, "GET", "/flavors/{flavor}")
    ]
  },
  {
    title: "Configuration groups",
    calls: [
      done(200, "GET", "/configurations"),
      done(200, "POST", "/configurations", { configuration: { name: "c1", values: {}, datastore } }),
      done(200, "GET", "/configurations/{configuration}"),
      done(202, "PUT", "/configurations/{configuration}", { configuration: { values: {} } }),
      done(200, "PATCH", "/configurations/{configuration}", { configuration: { values: {} } }),
      done(202, "DELETE", "/configurations/{configuration}"),
      done(200, "GET", "/configurations/{configuration}/instances"),
      done(200, "GET", "/datastores/{datastore}/versions/{version}/parameters"),
      done(200, "GET", "/datastores/{datastore}/versions/{version}/parameters/{parameter}"),
      done(200, "GET", "/datastores/versions/{version}/parameters"),
      done(200, "GET", "/datastores/versions/{version}/parameters/{parameter}"),
      done(200, "GET", "/mgmt/datastores/versions/{version}/parameters"),
      done(200, "POST", "/mgmt/datastores/versions/{version}/parameters", {
        "configuration-parameter": { name: "auto_explain.log_nested_level", ...ranged }
      }),
      done(200, "GET", "/mgmt/datastores/versions/{version}/parameters/{parameter}"),
      done(200, "PUT", "/mgmt/datastores/versions/{version}/parameters/{parameter}", {
        "configuration-parameter": { name: "{parameter}", ...ranged }
      }),
      done(204, "DELETE", "/mgmt/datastores/versions/{version}/parameters/{parameter}")
    ]
  },
  {
    title: "Backups",
    calls: [
      backups.empty("GET", "/backups"),
      backups.refused("POST", "/backups", { backup: { name: "b1", instance: uuid } }),
      backups.missing("GET", "/backups/{backup}"),
      backups.refused("DELETE", "/backups/{backup}"),
      backups.empty("GET", "/backup_strategies"),
      backups.refused("POST", "/backup_strategies", { backup_strategy: { swift_container: "c" } }),
      backups.refused("DELETE", "/backup_strategies")
    ]
  },
  {
    title: "Logs, SSL, modules",
    calls: [
      done(200, "GET", `${one}/log`),
      done(200, "POST", `${one}/log`, { name: "general", enable: 1 }),
      ssl.refused("GET", `${one}/ssl`),
      ssl.refused("POST", `${one}/ssl`, { ssl: { disable: true } }),
      modules.empty("GET", "/modules"),
      modules.refused("POST", "/modules", { module: { name: "m", module_type: "ping", contents: "" } }),
      modules.missing("GET", "/modules/{module}"),
      modules.refused("PUT", "/modules/{module}", { module: { name: "m" } }),
      modules.refused("DELETE", "/modules/{module}"),
      modules.missing("GET", "/modules/{module}/instances"),
      modules.refused("PUT", "/modules/{module}/instances", { reapply: {} }),
      modules.empty("GET", `${one}/modules`),
      modules.refused("POST", `${one}/modules`, { modules: [{ id: uuid }] }),
      modules.refused("DELETE", `${one}/modules/{module}`)
    ]
  },
  {
    title: "Clusters",
    calls: [
      clusters.empty("GET", "/clusters"),
      clusters.refused("POST", "/clusters", { cluster: { name: "c", datastore: {}, instances: [] } }),
      clusters.missing("GET", "/clusters/{cluster}"),
      clusters.refused("POST", "/clusters/{cluster}", { grow: [] }),
      clusters.refused("DELETE", "/clusters/{cluster}"),
      clusters.missing("GET", "/clusters/{cluster}/instances/{member}"),
      clusters.missing("GET", "/clusters/{cluster}/root"),
      clusters.refused("POST", "/clusters/{cluster}/root"),
      clusters.refused("GET", "/mgmt/clusters"),
      clusters.refused("GET", "/mgmt/clusters/{cluster}"),
      clusters.refused("POST", "/mgmt/clusters/{cluster}/action", { "reset-task": {} })
    ]
  },
  {
    title: "Limits and quotas",
    calls: [
      done(200, "GET", "/limits"),
      done(200, "GET", "/mgmt/quotas/{target}"),
      done(200, "PUT", "/mgmt/quotas/{target}", { quotas: { instances: 5 } })
    ]
  },
  {
    title: "For administrators",
    calls: [
      done(200, "GET", "/mgmt/instances"),
      done(200, "GET", "/mgmt/instances/{instance}"),
      done(202, ...managed("reboot")),
      done(202, ...managed("reset-task-status")),
      done(202, ...managed("stop")),
      backups.refused(...managed("migrate")),
      done(202, ...managed("rebuild", { image_id: "{version}" })),
      done(202, "DELETE", "/mgmt/instances/{instance}"),
      refused(
        404,
        "Trove's answers as `POST /instances` does, by inheritance: order there.",
        "POST",
        "/mgmt/instances",
        { instance: order }
      ),
      done(200, "GET", "/mgmt/instances/{instance}/root"),
      done(204, "GET", "/mgmt/instances/{instance}/rpc_ping"),
      done(200, "GET", "/mgmt/instances/{instance}/diagnostics"),
      done(200, "GET", "/mgmt/instances/{instance}/hwinfo"),
      refused(
        501,
        "Guest agents are upgraded with the service, by each machine ([how](deploy.md#day-by-day)).",
        "POST",
        "/mgmt/instances/{instance}/upgrade",
        { upgrade: { instance_version: "1" } }
      ),
      done(200, "GET", "/mgmt/datastore-versions"),
      done(202, "POST", "/mgmt/datastore-versions", { version: newVersion }),
      done(200, "GET", "/mgmt/datastore-versions/{version}"),
      done(202, "PATCH", "/mgmt/datastore-versions/{version}", { active: false }),
      done(202, "DELETE", "/mgmt/datastore-versions/{version}")
    ]
  },
  {
    title: "What Trove has removed",
    calls: [
      refused(404, "Trove has removed it; there is `access`.", "GET", "/security-groups"),
      refused(404, "Trove has removed it.", "GET", `${one}/metadata`),
      refused(404, "Trove has removed it; each datastore version tells its own.", "GET", "/volume-types"),
      refused(404, "Trove has removed it.", "GET", "/mgmt/hosts"),
      refused(404, "Trove has removed it.", "GET", "/mgmt/storage"),
      refused(404, "Trove has removed it.", "GET", "/mgmt/accounts")
    ]
  }
]

/** What is below the project and no call of Trove's. */
export const ours: ReadonlyArray<string> = [
  "GET /instances/{instance}/history",
  "GET /instances/{instance}/log/{log}",
  "GET /mgmt/operations",
  "GET /mgmt/operations/{instance}",
  "POST /mgmt/operations/{instance}/action",
  "GET /mgmt/audit",
  "POST /mgmt/audit",
  // What troveclient asks an identity service.
  "GET /projects/{target}"
]
