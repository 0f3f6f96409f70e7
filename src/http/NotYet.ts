/**
 * Routes that Trove has and Coffer does not, or not yet. A list of what cannot exist is empty, one of it is not found,
 * and a wish for it is refused by name: never an error of ours.
 */
import { Effect, Layer, Redacted } from "effect"
import { HttpRouter, type HttpServerRequest, HttpServerResponse } from "effect/http"
import type { PolicyName } from "../services/policy/Policies.ts"
import { type Access, administrator, policy } from "./Access.ts"
import { agentsUpgrade, faultResponse, itemNotFound, notYet } from "./Faults.ts"
import { Gatekeeper } from "./Gate.ts"
import { prefix } from "./Wire.ts"

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE"

const answerOf = (method: Method, path: `/${string}`, access: Access, answer: HttpServerResponse.HttpServerResponse) =>
  HttpRouter.use((router) =>
    Effect.gen(function* () {
      const { admit } = yield* Gatekeeper
      yield* router.add(method, `${prefix}${path}`, (request: HttpServerRequest.HttpServerRequest) =>
        admit(Redacted.make(request.headers["x-auth-token"] ?? ""), access, false, Effect.succeed(answer))
      )
    })
  )

const accessOf = (access: PolicyName | Access) => (typeof access === "string" ? policy(access) : access)

const refused = (feature: string, path: `/${string}`, access: PolicyName | Access, ...methods: ReadonlyArray<Method>) =>
  methods.map((method) => answerOf(method, path, accessOf(access), faultResponse(501, notYet(feature))))

const empty = (collection: string, access: PolicyName, path: `/${string}` = `/${collection}`) => [
  answerOf("GET", path, policy(access), HttpServerResponse.jsonUnsafe({ [collection]: [] }))
]

const missing = (what: string, path: `/${string}`, access: PolicyName) => [
  answerOf("GET", path, policy(access), faultResponse(404, itemNotFound(`${what} cannot be found.`)))
]

const all: ReadonlyArray<Method> = ["GET", "POST", "PUT", "PATCH", "DELETE"]

const instance = "/instances/:instance" as const

// A path that ends in /* is for what stands before it as well.

const [first, ...rest] = [
  ...empty("backups", "instance:backups", `${instance}/backups`),
  ...refused("SSL of an instance", `${instance}/ssl`, "instance:show", "GET"),
  ...refused("SSL of an instance", `${instance}/ssl`, "instance:update", "POST"),
  ...empty("modules", "instance:module_list", `${instance}/modules`),
  ...refused("Modules", `${instance}/modules`, "instance:module_apply", "POST"),
  ...refused("Modules", `${instance}/modules/:module`, "instance:module_remove", "DELETE"),
  ...refused("Showing one database", `${instance}/databases/:database`, "instance:extension:database:show", "GET"),

  ...empty("backups", "backup:index"),
  ...refused("Backups", "/backups", "backup:create", "POST"),
  ...missing("The backup", "/backups/:backup", "backup:show"),
  ...refused("Backups", "/backups/:backup", "backup:delete", "DELETE"),
  ...empty("backup_strategies", "backup_strategy:index"),
  ...refused("Backup strategies", "/backup_strategies", "backup_strategy:create", "POST"),
  ...refused("Backup strategies", "/backup_strategies", "backup_strategy:delete", "DELETE"),

  ...empty("modules", "module:index"),
  ...refused("Modules", "/modules", "module:create", "POST"),
  ...missing("The module", "/modules/:module", "module:show"),
  ...refused("Modules", "/modules/:module", "module:update", "PUT"),
  ...refused("Modules", "/modules/:module", "module:delete", "DELETE"),
  ...missing("The module", "/modules/:module/instances", "module:instances"),
  ...refused("Modules", "/modules/:module/instances", "module:reapply", "PUT"),

  ...empty("clusters", "cluster:index"),
  ...refused("Clusters", "/clusters", "cluster:create", "POST"),
  ...missing("The cluster", "/clusters/:cluster/*", "cluster:show"),
  ...refused("Clusters", "/clusters/:cluster/*", "cluster:action", "POST", "PUT", "PATCH"),
  ...refused("Clusters", "/clusters/:cluster/*", "cluster:delete", "DELETE"),

  answerOf("POST", "/mgmt/instances/:instance/upgrade", administrator, faultResponse(501, agentsUpgrade)),
  ...refused("Managing clusters (mgmt/clusters)", "/mgmt/clusters/*", administrator, ...all)
]

export const NotYetRoutes = first === undefined ? Layer.empty : Layer.mergeAll(first, ...rest)
