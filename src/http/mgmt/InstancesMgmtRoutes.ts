/** Handlers of the routes of all projects' instances: for administrators only. */
import { Clock, Effect, Option, Schema, Struct } from "effect"
import type { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { OperatorRequests } from "../../actors/OperatorRequests.ts"
import { RebuildRequests } from "../../actors/RebuildRequests.ts"
import { AllInstances } from "../../services/AllInstances.ts"
import { Catalog } from "../../services/Catalog.ts"
import { Fabric } from "../../services/Fabric.ts"
import { rebuilt, switched } from "../../services/ForeseenChanges.ts"
import { GuestApi, guestTopic } from "../../services/GuestApi.ts"
import { InstanceId, ProjectId } from "../../services/Ids.ts"
import { InstanceRequests } from "../../services/InstanceRequests.ts"
import { InstanceNotFound } from "../../services/Instances.ts"
import { Previews } from "../../services/Previews.ts"
import { serverFacts } from "../../services/ServerFacts.ts"
import { TenantNetwork } from "../../services/TenantNetwork.ts"
import { VolumeUsage } from "../../services/VolumeUsage.ts"
import { Api } from "../Api.ts"
import { answering, badRequest, notYet } from "../Faults.ts"
import { CurrentCaller } from "../Gate.ts"
import { newestFirst } from "../instances/InstanceViews.ts"
import { isPreview, notOffered, previewView } from "../Preview.ts"
import { linkWriter, maxPage, next, stamp } from "../Wire.ts"
import type { ManagedAction } from "./InstancesMgmtApi.ts"
import { diagnosticsView, managedDetail, managedView } from "./InstancesMgmtViews.ts"

/** Trove gives an administrator as many as are asked for. */
const mostAtOnce = 1000

const migrating = notYet(
  "Migrating an instance (migrate) needs its data moved to another machine, which comes with backups"
)

const untold = (what: string) => notYet(`Trove's guest agents cannot be asked for this (${what})`)

const flagOf = (flag: string | undefined) => (flag === undefined ? null : flag.toLowerCase() === "true")

/** The one action that a body names. */
const actionOf = (asked: typeof ManagedAction.Type) => {
  const [action, ...others] = Struct.keys(asked)
  if (action === undefined || others.length > 0)
    return Effect.fail(badRequest("Validation error: the body must name one action, as reboot"))
  return Effect.succeed(action)
}

const isInstanceId = Schema.is(InstanceId)
const decodeProject = Schema.decodeUnknownOption(ProjectId)

export const InstancesMgmtRoutes = HttpApiBuilder.group(
  Api,
  "mgmtInstances",
  Effect.fnUntraced(function* (handlers) {
    const instances = yield* AllInstances
    const requests = yield* InstanceRequests
    const operators = yield* OperatorRequests
    const volumes = yield* VolumeUsage
    const fabric = yield* Fabric
    const { contents } = yield* Catalog
    const previews = yield* Previews
    const rebuilds = yield* RebuildRequests
    const facts = yield* serverFacts
    const { id: network } = yield* TenantNetwork

    const viewerOf = (request: HttpServerRequest.HttpServerRequest, project: string) =>
      Effect.map(Effect.all([Clock.currentTimeMillis, contents]), ([now, catalog]) => ({
        links: linkWriter(request, project),
        catalog,
        network,
        now,
        isAdmin: true
      }))

    const find = Effect.fnUntraced(function* (id: string, deleted: boolean | null) {
      const found = isInstanceId(id) ? yield* instances.get(id) : Option.none()
      const isMeant = Option.filter(found, ({ record }) => (record.state === "Deleted") === (deleted ?? false))
      return Option.isSome(isMeant) ? isMeant.value : yield* new InstanceNotFound({ id })
    })

    return handlers.handleAll({
      list: ({ request, params, query }) =>
        Effect.gen(function* () {
          const viewer = yield* viewerOf(request, params.project)
          const project = query.project_id === undefined ? Option.some(null) : decodeProject(query.project_id)
          // A text that can be the name of no project has no instances.
          if (Option.isNone(project)) return { instances: [] }
          const page = { limit: Math.min(query.limit ?? maxPage, mostAtOnce), marker: query.marker ?? null }
          const wanted = { project: project.value, deleted: flagOf(query.deleted) }
          const { items, next: marker } = yield* instances.list(wanted, page)
          return {
            instances: newestFirst(items, ({ record }) => record).map((one) => managedView(one, viewer)),
            ...next(request, marker)
          }
        }).pipe(answering),

      show: ({ request, params, query }) =>
        Effect.gen(function* () {
          const found = yield* find(params.instance, flagOf(query.deleted))
          const usage = yield* volumes.of(found.record)
          const viewer = yield* viewerOf(request, params.project)
          return { instance: managedDetail(found, viewer, Option.getOrUndefined(usage)) }
        }).pipe(answering),

      act: ({ params, payload, query }) =>
        Effect.gen(function* () {
          const { user } = yield* CurrentCaller
          const { id } = (yield* find(params.instance, null)).record.desired
          const action = yield* actionOf(payload)
          if (action === "reboot" || action === "stop") {
            const wanted = action === "reboot" ? "restart" : "stop"
            if (isPreview(query)) {
              const record = yield* requests.check("any", id, wanted)
              return previewView([yield* previews.of(record, switched(wanted, record))])
            }
            return yield* requests[wanted]("any", id)
          }
          if (payload.rebuild !== undefined) {
            const { image_id } = payload.rebuild
            if (!isPreview(query)) return yield* rebuilds.request(id, image_id, user)
            const record = yield* rebuilds.check(id, image_id)
            return previewView([yield* previews.of(record, rebuilt(record))])
          }
          if (isPreview(query)) return yield* Effect.fail(notOffered)
          if (action === "migrate") return yield* Effect.fail(migrating)
          yield* operators.reset(id, user)
        }).pipe(answering),

      remove: ({ params }) =>
        Effect.gen(function* () {
          const { id } = (yield* find(params.instance, null)).record.desired
          yield* requests.remove("any", id)
        }).pipe(answering),

      hwinfo: ({ params }) =>
        Effect.gen(function* () {
          const { record } = yield* find(params.instance, null)
          if (yield* facts.isTroves(record)) return yield* Effect.fail(untold("hwinfo"))
          return { hwinfo: yield* facts.hardware(record) }
        }).pipe(answering),

      diagnostics: ({ params }) =>
        Effect.gen(function* () {
          const { record } = yield* find(params.instance, null)
          if (yield* facts.isTroves(record)) return yield* Effect.fail(untold("diagnostics"))
          return { diagnostics: diagnosticsView(yield* facts.diagnostics(record)) }
        }).pipe(answering),

      root: ({ params }) =>
        Effect.gen(function* () {
          const { record, root } = yield* find(params.instance, null)
          return {
            root_history: {
              id: record.desired.id,
              enabled: root?.enabled ? stamp(root.at) : "Never",
              user: root?.enabled ? root.by : "Nobody"
            }
          }
        }).pipe(answering),

      ping: ({ params }) =>
        Effect.gen(function* () {
          const { record } = yield* find(params.instance, null)
          yield* fabric.client(guestTopic(record.desired.id), GuestApi).rpc_ping({})
        }).pipe(answering)
    })
  })
)
