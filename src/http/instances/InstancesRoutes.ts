/** Handlers of the instance routes: from the wire to InstanceRequests and back. */
import { Clock, Effect, identity, Option, Struct } from "effect"
import type { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { OperatorRequests } from "../../actors/OperatorRequests.ts"
import { AccessRequests } from "../../services/AccessRequests.ts"
import { Catalog, type CatalogContents } from "../../services/Catalog.ts"
import { ConfigurationPreviews } from "../../services/configuration/ConfigurationPreviews.ts"
import { ConfigurationRequests } from "../../services/configuration/ConfigurationRequests.ts"
import { Configurations } from "../../services/configuration/Configurations.ts"
import { DatastoreUpgrades } from "../../services/DatastoreUpgrades.ts"
import { reached, resizing, switched, upgraded } from "../../services/ForeseenChanges.ts"
import type { ProjectId } from "../../services/Ids.ts"
import { InstanceRequests, InvalidRequest, type Order, orderedVersion } from "../../services/InstanceRequests.ts"
import { Previews } from "../../services/Previews.ts"
import type { PolicyName } from "../../services/policy/Policies.ts"
import { ResizeRequests, type Size } from "../../services/ResizeRequests.ts"
import { TenantNetwork } from "../../services/TenantNetwork.ts"
import { Trouble } from "../../services/Trouble.ts"
import { VolumeUsage } from "../../services/VolumeUsage.ts"
import { Api } from "../Api.ts"
import { answering, badRequest, type Fault, notYet } from "../Faults.ts"
import { allowed, CurrentCaller, scopeOf } from "../Gate.ts"
import { toDatabases, toUsers } from "../Names.ts"
import { isPreview, notOffered, previewView } from "../Preview.ts"
import { linkWriter, next, pageOf } from "../Wire.ts"
import type { InstanceAction, InstanceChanges, NewInstance, NewSize } from "./InstancesApi.ts"
import { detailView, listView, newestFirst, troubleView, type Viewer } from "./InstanceViews.ts"

const laterInCreate = {
  replica_of: "Replication (replica_of)",
  replica_count: "Replication (replica_count)",
  restorePoint: "Restoring a backup (restorePoint)",
  modules: "Modules"
}

const laterInUpdate = {
  replica_of: "Detaching a replica (replica_of)",
  slave_of: "Detaching a replica (slave_of)"
}

const laterActions = {
  promote_to_replica_source: "Promoting a replica (promote_to_replica_source)",
  eject_replica_source: "Ejecting a replica source (eject_replica_source)"
}

type Action = keyof typeof InstanceAction.Type

const has = (key: string, value: unknown) => typeof value === "object" && value !== null && Object.hasOwn(value, key)

/** As Trove has them: a status that is reset by force is asked for like a delete by force. */
const policyOf = (action: Action, asked: unknown): PolicyName => {
  switch (action) {
    case "resize":
      return has("volume", asked) ? "instance:resize_volume" : "instance:resize_flavor"
    case "reset_status":
      return has("force_delete", asked) ? "instance:force_delete" : "instance:reset_status"
    default:
      return `instance:${action}`
  }
}

const isNothing = (value: unknown) =>
  value === undefined || value === null || (Array.isArray(value) && value.length === 0)

/** A create may carry these fields empty; that asks for nothing. */
const refuseLater = (instance: typeof NewInstance.Type) => {
  for (const key of Object.keys(laterInCreate) as ReadonlyArray<keyof typeof laterInCreate>)
    if (!isNothing(instance[key])) return Effect.fail(notYet(laterInCreate[key]))
  return Effect.void
}

/** In an update even null asks for something: a detach. */
const refuseChanges = (changes: typeof InstanceChanges.Type) => {
  if (Object.keys(changes).filter((key) => key !== "name").length > 1)
    return Effect.fail(badRequest("Only one attribute (except 'name') is allowed to update."))
  const first = (Object.keys(laterInUpdate) as ReadonlyArray<keyof typeof laterInUpdate>).find((key) => key in changes)
  return first === undefined ? Effect.void : Effect.fail(notYet(laterInUpdate[first]))
}

/** The one action that is asked for. */
const actionOf = (asked: typeof InstanceAction.Type) => {
  const [action, ...others] = Struct.keys(asked)
  return action === undefined || others.length > 0
    ? Effect.fail(badRequest("Validation error: the body must name one action, as restart"))
    : Effect.succeed(action)
}

/** What an order asks for beside the instance has policies of its own. */
const allowedOrder = ({ configuration, databases, modules, users }: typeof NewInstance.Type) => {
  const asked: ReadonlyArray<readonly [unknown, PolicyName]> = [
    [configuration, "instance:update"],
    [modules, "instance:module_apply"],
    [databases, "instance:extension:database:create"],
    [users, "instance:extension:user:create"]
  ]
  return Effect.forEach(
    asked.filter(([field]) => !isNothing(field)),
    ([, policy]) => allowed(policy),
    { discard: true }
  )
}

/** A link to a flavor is as good as its id. */
const flavorIdOf = (flavorRef: string | number | null | undefined): string | null =>
  isNothing(flavorRef) ? null : (String(flavorRef).replace(/\/+$/, "").split("/").at(-1) ?? null)

const orderOf = (instance: typeof NewInstance.Type): Omit<Order, "configuration"> => ({
  name: instance.name,
  flavor: flavorIdOf(instance.flavorRef),
  volume: instance.volume ? { size: Number(instance.volume.size), type: instance.volume.type ?? null } : null,
  datastore: {
    type: instance.datastore?.type ?? null,
    version: instance.datastore?.version ?? null,
    versionNumber: instance.datastore?.version_number ?? null
  },
  provisioning: { databases: toDatabases(instance.databases ?? []), users: toUsers(instance.users ?? []) },
  access: instance.access ?? null,
  region: instance.region_name ?? null,
  zone: instance.availability_zone ?? null,
  locality: instance.locality ?? null,
  nic: instance.nics?.[0] ?? null
})

const sizeOf = (asked: typeof NewSize.Type | undefined): Effect.Effect<Size, Fault> => {
  if (asked?.volume !== undefined) return Effect.succeed({ volume: Number(asked.volume.size) })
  const flavor = flavorIdOf(asked?.flavorRef)
  return flavor === null
    ? Effect.fail(
        badRequest("Validation error: resize must name what to resize to: volume with its size, or flavorRef")
      )
    : Effect.succeed({ flavor })
}

export const InstancesRoutes = HttpApiBuilder.group(
  Api,
  "instances",
  Effect.fnUntraced(function* (handlers) {
    const requests = yield* InstanceRequests
    const resizes = yield* ResizeRequests
    const volumes = yield* VolumeUsage
    const troubles = yield* Trouble
    const operators = yield* OperatorRequests
    const groups = yield* ConfigurationRequests
    const upgrades = yield* DatastoreUpgrades
    const { contents, since } = yield* Catalog
    const previews = yield* Previews
    const configurations = yield* Configurations
    const configured = yield* ConfigurationPreviews
    const accesses = yield* AccessRequests
    const { id: network } = yield* TenantNetwork

    /** `catalog`: what is offered by the time that what is viewed was read. */
    const viewerOf = Effect.fnUntraced(function* (
      request: HttpServerRequest.HttpServerRequest,
      project: string,
      catalog: Effect.Effect<CatalogContents> = contents
    ) {
      const { isAdmin } = yield* CurrentCaller
      const now = yield* Clock.currentTimeMillis
      const viewer: Viewer = { links: linkWriter(request, project), catalog: yield* catalog, network, now, isAdmin }
      return viewer
    })

    const orderedGroup = Effect.fnUntraced(function* (
      project: ProjectId,
      asked: string | null | undefined,
      order: Omit<Order, "configuration">
    ) {
      const id = asked?.split("/").at(-1)?.toLowerCase()
      if (id === undefined) return null
      const { group } = yield* groups.get({ project }, id)
      const version = yield* orderedVersion(yield* contents, order)
      if (group.datastoreVersion !== version.id)
        return yield* new InvalidRequest({
          message: `Datastore Version on Configuration ${group.datastoreVersion} does not match the Datastore Version on the instance ${version.id}.`
        })
      return { id, name: group.name, notApplied: null }
    })

    const change = Effect.fnUntraced(function* (id: string, changes: typeof InstanceChanges.Type) {
      const scope = scopeOf(yield* CurrentCaller)
      yield* requests.get(scope, id)
      yield* refuseChanges(changes)
      const { access, configuration, datastore_version } = changes
      if (datastore_version !== undefined) yield* upgrades.request(scope, id, datastore_version)
      if (changes.name !== undefined) yield* requests.rename(scope, id, changes.name)
      if (access !== undefined) return yield* accesses.change(scope, id, access)
      if (configuration !== undefined && configuration !== null)
        return yield* groups.attach(scope, id, configuration.toLowerCase())
      if (datastore_version !== undefined) return
      // Clients of Trove detach by changing nothing at all.
      if (configuration === null || Object.keys(changes).length === 0) yield* groups.detach(scope, id)
    })

    /** Of a change that would be accepted, what it would do. */
    const foresee = Effect.fnUntraced(function* (id: string, changes: typeof InstanceChanges.Type) {
      const scope = scopeOf(yield* CurrentCaller)
      const record = yield* requests.get(scope, id)
      yield* refuseChanges(changes)
      const { access, configuration, datastore_version, name } = changes
      if (datastore_version !== undefined) {
        const { record } = yield* upgrades.check(scope, id, datastore_version)
        return previewView([yield* previews.of(record, upgraded)])
      }
      if (access !== undefined) {
        const record = yield* accesses.check(scope, id, access)
        return previewView([yield* previews.of(record, reached(record, access))])
      }
      if (configuration !== undefined && configuration !== null)
        return previewView([yield* configured.attach(scope, id, configuration.toLowerCase())])
      if (configuration === null || Object.keys(changes).length === 0)
        return previewView([yield* configured.detach(scope, id)])
      const reason = name === record.desired.name ? "it has that name already" : "only its name changes"
      return previewView([yield* previews.of(record, { operation: null, restart: false, reason })])
    })

    return handlers.handleAll({
      create: ({ request, params, payload }) =>
        Effect.gen(function* () {
          const { project } = yield* CurrentCaller
          yield* allowedOrder(payload.instance)
          yield* refuseLater(payload.instance)
          const order = orderOf(payload.instance)
          const configuration = yield* orderedGroup(project, payload.instance.configuration, order)
          const created = yield* requests.create(project, { ...order, configuration })
          return { instance: detailView(created, yield* viewerOf(request, params.project)) }
        }).pipe(answering),

      list: ({ request, params, query }) =>
        Effect.gen(function* () {
          const { project } = yield* CurrentCaller
          const { items, next: marker, offer } = yield* requests.list(project, pageOf(query))
          const viewer = yield* viewerOf(request, params.project, since(offer))
          return {
            instances: newestFirst(items, identity).map((instance) => listView(instance, viewer)),
            ...next(request, marker, "instances_links")
          }
        }),

      listDetail: ({ request, params, query }) =>
        Effect.gen(function* () {
          const { project } = yield* CurrentCaller
          const viewer = yield* viewerOf(request, params.project)
          const { items, next: marker } = yield* requests.listDetail(project, pageOf(query))
          return {
            instances: newestFirst(items, identity).map((instance) => detailView(instance, viewer)),
            ...next(request, marker, "instances_links")
          }
        }),

      show: ({ request, params }) =>
        Effect.gen(function* () {
          const instance = yield* requests.get(scopeOf(yield* CurrentCaller), params.instance)
          const usage = yield* volumes.of(instance)
          const viewer = yield* viewerOf(request, params.project)
          const trouble = yield* troubles.of(instance)
          return {
            instance: { ...detailView(instance, viewer, Option.getOrUndefined(usage)), ...troubleView(trouble) }
          }
        }).pipe(answering),

      remove: ({ params }) =>
        Effect.gen(function* () {
          yield* requests.remove(scopeOf(yield* CurrentCaller), params.instance)
        }).pipe(answering),

      act: ({ params, payload, query }) =>
        Effect.gen(function* () {
          const { user } = yield* CurrentCaller
          yield* requests.get(scopeOf(yield* CurrentCaller), params.instance)
          const action = yield* actionOf(payload)
          const scope = yield* allowed(policyOf(action, payload[action]))
          if (action === "restart" || action === "stop" || action === "start") {
            if (!isPreview(query)) return yield* requests[action](scope, params.instance)
            const record = yield* requests.check(scope, params.instance, action)
            return previewView([yield* previews.of(record, switched(action, record))])
          }
          if (action === "resize") {
            const size = yield* sizeOf(payload.resize)
            if (!isPreview(query)) return yield* resizes.resize(scope, params.instance, size)
            const { record, target } = yield* resizes.check(scope, params.instance, size)
            const applied = yield* configurations.applied(record.desired.id)
            return previewView([yield* previews.of(record, resizing(record, target, yield* contents, applied))])
          }
          if (isPreview(query)) return yield* Effect.fail(notOffered)
          if (action !== "reset_status") return yield* Effect.fail(notYet(laterActions[action]))
          const { desired } = yield* requests.get(scope, params.instance)
          yield* operators.reset(desired.id, user)
        }).pipe(answering),

      update: ({ params, payload, query }) =>
        (isPreview(query) ? foresee : change)(params.instance, payload.instance).pipe(answering),
      patch: ({ params, payload, query }) =>
        (isPreview(query) ? foresee : change)(params.instance, payload.instance).pipe(answering)
    })
  })
)
