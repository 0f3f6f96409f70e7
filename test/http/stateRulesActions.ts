/** Everything that can be asked of one instance, by the names that the table of rules has for it. */
import type { HttpMethod } from "effect/http"

export interface Action {
  readonly method: HttpMethod.HttpMethod
  readonly path: (instance: string) => string
  readonly body?: unknown
  /** The same, of a configuration group that its tenant has. */
  readonly bodyOf?: (group: string) => unknown
  /** Asked by an administrator, and not by the tenant. */
  readonly admin?: boolean
}

const of =
  (at: string) =>
  (method: HttpMethod.HttpMethod, rest: string, body?: unknown): Action => ({
    method,
    path: (instance) => `${at}/${instance}${rest}`,
    body
  })

const ask = of("/instances")
const act = (action: string, told: unknown = {}) => ask("POST", "/action", { [action]: told })
const admin = (action: Action): Action => ({ ...action, admin: true })
const manage = (method: HttpMethod.HttpMethod, rest: string, body?: unknown) =>
  admin(of("/mgmt/instances")(method, rest, body))
const mend = (action: string, told: unknown = {}) => manage("POST", "/action", { [action]: told })
const operate = (method: HttpMethod.HttpMethod, rest: string, body?: unknown) =>
  admin(of("/mgmt/operations")(method, rest, body))

const password = "s3cret"

/** By row of the table. Each is asked of an instance of its own, with a database `shop` and its user `ann`. */
export const actions: Readonly<Record<string, Action>> = {
  show: ask("GET", ""),
  history: ask("GET", "/history"),
  "rename (PUT)": ask("PUT", "", { instance: { name: "other" } }),
  "rename (PATCH)": ask("PATCH", "", { instance: { name: "other" } }),
  restart: act("restart"),
  stop: act("stop"),
  start: act("start"),
  "reset status": act("reset_status"),
  "reset status, admin": admin(act("reset_status")),
  "force delete": act("reset_status", { force_delete: true }),
  delete: ask("DELETE", ""),

  "list databases": ask("GET", "/databases"),
  "create database": ask("POST", "/databases", { databases: [{ name: "more" }] }),
  "delete database": ask("DELETE", "/databases/shop"),
  "list users": ask("GET", "/users"),
  "create user": ask("POST", "/users", { users: [{ name: "bob", password, databases: [{ name: "shop" }] }] }),
  "show user": ask("GET", "/users/ann"),
  "change user": ask("PUT", "/users/ann", { user: { name: "anna", password } }),
  "change passwords": ask("PUT", "/users", { users: [{ name: "ann", password }] }),
  "delete user": ask("DELETE", "/users/ann"),
  "list grants": ask("GET", "/users/ann/databases"),
  grant: ask("PUT", "/users/ann/databases", { databases: [{ name: "shop" }] }),
  revoke: ask("DELETE", "/users/ann/databases/shop"),
  "show root": ask("GET", "/root"),
  "enable root": ask("POST", "/root"),
  "disable root": ask("DELETE", "/root"),

  "list logs": ask("GET", "/log"),
  "show log": ask("POST", "/log", { name: "general" }),
  "enable log": ask("POST", "/log", { name: "general", enable: 1 }),
  "read log": ask("GET", "/log/general"),

  "resize volume": act("resize", { volume: { size: 2 } }),
  "resize flavor": act("resize", { flavorRef: "2" }),
  promote: act("promote_to_replica_source"),
  eject: act("eject_replica_source"),
  "change access": ask("PUT", "", { instance: { access: { is_public: true } } }),
  "default configuration": ask("GET", "/configuration"),
  "attach configuration": { ...ask("PUT", ""), bodyOf: (configuration) => ({ instance: { configuration } }) },
  "detach configuration": ask("PUT", "", { instance: { configuration: null } }),
  upgrade: ask("PATCH", "", { instance: { datastore_version: "18" } }),

  "mgmt show": manage("GET", ""),
  "mgmt show deleted": manage("GET", "?deleted=true"),
  "mgmt root": manage("GET", "/root"),
  "mgmt ping": manage("GET", "/rpc_ping"),
  "mgmt reboot": mend("reboot"),
  "mgmt reset status": mend("reset-task-status"),
  "mgmt stop": mend("stop"),
  "mgmt migrate": mend("migrate"),
  "mgmt rebuild": mend("rebuild", { image_id: "v-1" }),
  "mgmt hwinfo": manage("GET", "/hwinfo"),
  "mgmt diagnostics": manage("GET", "/diagnostics"),
  "mgmt delete": manage("DELETE", ""),
  "operation show": operate("GET", ""),
  "operation cancel": operate("POST", "/action", { cancel: {} }),
  "operation compensate": operate("POST", "/action", { compensate: {} }),
  "operation retry": operate("POST", "/action", { retry: {} })
}
