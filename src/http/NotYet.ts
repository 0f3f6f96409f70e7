/**
 * Routes that Trove has and Coffer does not yet. A list of what cannot exist is empty, one of it is not found,
 * and a wish for it is refused by name: never an error of ours.
 */
import { Effect, Layer, Redacted } from "effect"
import { HttpRouter, type HttpServerRequest, HttpServerResponse } from "effect/http"
import { faultResponse, itemNotFound, notYet } from "./Faults.ts"
import { Gatekeeper } from "./Gate.ts"
import { prefix } from "./Wire.ts"

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE"

const answerOf = (method: Method, path: `/${string}`, answer: HttpServerResponse.HttpServerResponse) =>
  HttpRouter.use((router) =>
    Effect.gen(function* () {
      const { admit } = yield* Gatekeeper
      yield* router.add(method, `${prefix}${path}`, (request: HttpServerRequest.HttpServerRequest) =>
        admit(Redacted.make(request.headers["x-auth-token"] ?? ""), Effect.succeed(answer))
      )
    })
  )

const refused = (feature: string, path: `/${string}`, ...methods: ReadonlyArray<Method>) =>
  methods.map((method) => answerOf(method, path, faultResponse(501, notYet(feature))))

const empty = (collection: string, path: `/${string}` = `/${collection}`) => [
  answerOf("GET", path, HttpServerResponse.jsonUnsafe({ [collection]: [] }))
]

const missing = (what: string, path: `/${string}`) => [
  answerOf("GET", path, faultResponse(404, itemNotFound(`${what} cannot be found.`)))
]

const all: ReadonlyArray<Method> = ["GET", "POST", "PUT", "PATCH", "DELETE"]
const changes: ReadonlyArray<Method> = ["POST", "PUT", "PATCH", "DELETE"]

const instance = "/instances/:instance" as const

// A path that ends in /* is for what stands before it as well.

const [first, ...rest] = [
  ...empty("backups", `${instance}/backups`),
  ...refused("The default configuration of an instance", `${instance}/configuration`, "GET"),
  ...refused("Logs of an instance", `${instance}/log`, "GET", "POST"),
  ...refused("SSL of an instance", `${instance}/ssl`, "GET", "POST"),
  ...empty("modules", `${instance}/modules`),
  ...refused("Modules", `${instance}/modules`, "POST"),
  ...refused("Modules", `${instance}/modules/:module`, "DELETE"),
  ...refused("Showing one database", `${instance}/databases/:database`, "GET"),

  ...empty("backups"),
  ...refused("Backups", "/backups", "POST"),
  ...missing("The backup", "/backups/:backup"),
  ...refused("Backups", "/backups/:backup", "DELETE"),
  ...empty("backup_strategies"),
  ...refused("Backup strategies", "/backup_strategies", "POST", "DELETE"),

  ...empty("configurations"),
  ...refused("Configuration groups", "/configurations", "POST"),
  ...missing("The configuration group", "/configurations/:configuration"),
  ...refused("Configuration groups", "/configurations/:configuration", "PUT", "PATCH", "DELETE"),
  ...missing("The configuration group", "/configurations/:configuration/instances"),
  ...refused("Configuration parameters", "/datastores/:datastore/versions/:version/parameters", "GET"),
  ...refused("Configuration parameters", "/datastores/:datastore/versions/:version/parameters/:parameter", "GET"),
  ...refused("Configuration parameters", "/datastores/versions/:version/parameters", "GET"),
  ...refused("Configuration parameters", "/datastores/versions/:version/parameters/:parameter", "GET"),
  ...refused("Deleting a datastore", "/datastores/:datastore", "DELETE"),

  ...empty("modules"),
  ...refused("Modules", "/modules", "POST"),
  ...missing("The module", "/modules/:module"),
  ...refused("Modules", "/modules/:module", "PUT", "DELETE"),
  ...missing("The module", "/modules/:module/instances"),
  ...refused("Modules", "/modules/:module/instances", "PUT"),

  ...empty("clusters"),
  ...refused("Clusters", "/clusters", "POST"),
  ...missing("The cluster", "/clusters/:cluster/*"),
  ...refused("Clusters", "/clusters/:cluster/*", ...changes),

  ...refused("Diagnostics of a machine", "/mgmt/instances/:instance/diagnostics", "GET"),
  ...refused("Facts of a machine (hwinfo)", "/mgmt/instances/:instance/hwinfo", "GET"),
  ...refused("Upgrading a guest agent", "/mgmt/instances/:instance/upgrade", "POST"),
  ...refused("Managing datastore versions (mgmt/datastore-versions)", "/mgmt/datastore-versions/*", ...all),
  ...refused("Managing configuration parameters (mgmt/datastores)", "/mgmt/datastores/*", ...all),
  ...refused("Managing clusters (mgmt/clusters)", "/mgmt/clusters/*", ...all)
]

export const NotYetRoutes = first === undefined ? Layer.empty : Layer.mergeAll(first, ...rest)
