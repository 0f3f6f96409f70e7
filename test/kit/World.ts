/**
 * A whole control plane on virtual time, in one layer: the real actors, workflows, conductor and guest agents
 * over the store in memory and databases that are fake. A lifecycle test is ten lines with it:
 *
 *     it.effect("a build becomes ACTIVE", () => World.run(Effect.gen(function* () {
 *       const id = yield* World.create()
 *       yield* World.passes("10 seconds")
 *       expect(yield* World.status(id)).toBe("ACTIVE")
 *     })))
 */

import { expect } from "@effect/vitest"
import { Clock, Context, Duration, Effect, Layer, Option, Scope } from "effect"
import { MessageStorage } from "effect/cluster"
import { TestClock } from "effect/testing"
import * as GuestLinks from "../../src/layers/embedded/GuestLinks.ts"
import * as LocalCompute from "../../src/layers/embedded/LocalCompute.ts"
import * as LocalInventory from "../../src/layers/embedded/LocalInventory.ts"
import * as NoGuestAccess from "../../src/layers/embedded/NoGuestAccess.ts"
import * as InProcessFabric from "../../src/layers/fabric/InProcessFabric.ts"
import * as MemoryGuestHosts from "../../src/layers/memory/MemoryGuestHosts.ts"
import * as MemoryStore from "../../src/layers/memory/MemoryStore.ts"
import type { CatalogContents } from "../../src/services/Catalog.ts"
import type { Compute } from "../../src/services/Compute.ts"
import { UpgradeOrders } from "../../src/services/DatastoreUpgrades.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import type { GuestAccess } from "../../src/services/GuestAccess.ts"
import { type Entry, History } from "../../src/services/History.ts"
import { InstanceId, ProjectId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import type { AccessInventory, ServerInventory } from "../../src/services/Inventories.ts"
import { localName } from "../../src/services/Placing.ts"
import { Resizes, type ResizeTarget } from "../../src/services/Resizes.ts"
import { operatingStatusOf, statusOf } from "../../src/services/Status.ts"
import { Switching } from "../../src/services/Switching.ts"
import { TaskmanagerApi, taskmanagerTopic } from "../../src/services/TaskmanagerApi.ts"
import * as ControlPlane from "./ControlPlane.ts"
import * as FakeDatabases from "./FakeDatabases.ts"
import * as InstantCrypto from "./InstantCrypto.ts"
import * as Mortal from "./Mortal.ts"

export const project = ProjectId.make("demo")

/** What outlives a process: the store, the cluster's messages, the guests' homes and their databases. */
export const surviving = Layer.mergeAll(
  MemoryStore.layer,
  MemoryGuestHosts.layer,
  FakeDatabases.layer,
  MessageStorage.MemoryDriver.layer,
  InstantCrypto.layer
)

export const probe = ControlPlane.probe

/** Taskmanager and conductor as one process, over some compute. `standing`: the hosts that do not report. */
export const controlPlane = <E, R>(
  compute: Layer.Layer<Compute | GuestAccess | ServerInventory | AccessInventory, E, R>,
  standing: ReadonlyArray<string>,
  catalog: CatalogContents = ControlPlane.catalog
) =>
  Layer.merge(ControlPlane.rolesWith(catalog), ControlPlane.audits(standing)).pipe(
    Layer.provideMerge(compute),
    Layer.provideMerge(InProcessFabric.layer),
    Layer.provideMerge(ControlPlane.cluster)
  )

/** A process that runs its databases itself. */
export const processWith = (catalog: CatalogContents) =>
  controlPlane(
    Layer.mergeAll(LocalCompute.layer, LocalInventory.layer, NoGuestAccess.layer).pipe(
      Layer.provide([GuestLinks.inProcess, probe]),
      Layer.provideMerge(FakeDatabases.runtimesLayer)
    ),
    [localName],
    catalog
  )

/** What a process is: it can die, and be built again over what survived. */
export const process = processWith(ControlPlane.catalog)

export const layer = process.pipe(Layer.provideMerge(surviving))

export type World = Layer.Success<typeof layer>

/** Lets virtual time pass, in steps small enough for everything that wakes on the way. */
export const passes = Effect.fnUntraced(function* (duration: Duration.Input, step: Duration.Input = "100 millis") {
  const steps = Math.ceil(Duration.toMillis(duration) / Duration.toMillis(step))
  for (let n = 0; n < steps; n++) yield* TestClock.adjust(step)
})

/** Runs a test in a world of its own, with its shards acquired. */
export const run = <A, E>(test: Effect.Effect<A, E, World | Scope.Scope>) =>
  Effect.andThen(passes("200 millis"), test).pipe(Effect.scoped, Effect.provide(layer))

/** Builds a process in which `onLine` strikes. Nobody closes its scope: who is killed runs no finalizer. */
const buildMortal = Effect.fnUntraced(function* (onLine: Mortal.OnLine) {
  const world = yield* Effect.context<Layer.Success<typeof surviving>>()
  const { dying, life } = Mortal.context(world, onLine)
  const abandoned = yield* Scope.make()
  const process_ = yield* Layer.buildWithScope(process, abandoned).pipe(Effect.provideContext(dying))
  return { life, witness: Context.merge(process_, world) }
})

/**
 * Runs `before` in a process that dies as by kill -9 when it opens or closes a line of the history that
 * `fatal` names, and `after` in the next one.
 */
export const runWithDeath = <A, E, B, E2>(
  fatal: (call: "started" | "ended", step: string) => boolean,
  before: Effect.Effect<A, E, World | Scope.Scope>,
  after: (a: A) => Effect.Effect<B, E2, World | Scope.Scope>
) =>
  Effect.gen(function* () {
    const { life, witness } = yield* buildMortal(({ call, step }, life) =>
      Effect.suspend(() => {
        if (!fatal(call, step)) return Effect.void
        life.over = true
        return Effect.never
      })
    )
    const a = yield* Effect.andThen(passes("200 millis"), before).pipe(Effect.scoped, Effect.provideContext(witness))
    expect(life.over, "the process was to die on the way").toBe(true)
    return yield* Effect.andThen(passes("200 millis"), after(a)).pipe(Effect.scoped, Effect.provide(process))
  }).pipe(Effect.provide(surviving))

/** Runs a test in which somebody deletes an instance at the very moment that it begins, or ends, a step. */
export const runWithDelete = <A, E>(
  at: (call: "started" | "ended", step: string) => boolean,
  test: Effect.Effect<A, E, World | Scope.Scope>
) =>
  Effect.gen(function* () {
    const instances = yield* Instances
    let asked = false
    const { witness } = yield* buildMortal(({ call, instance, step }) =>
      Effect.suspend(() => {
        if (asked || !at(call, step)) return Effect.void
        asked = true
        return instances.requestDelete(instance)
      })
    )
    yield* Effect.andThen(passes("200 millis"), test).pipe(Effect.scoped, Effect.provideContext(witness))
    expect(asked, "a delete was to be asked for on the way").toBe(true)
  }).pipe(Effect.provide(surviving))

/** Runs a test in which the history's store dies under a step, as often as `strikes` says. */
export const runWithOutage = <A, E>(
  strikes: (step: string) => boolean,
  test: Effect.Effect<A, E, World | Scope.Scope>
) =>
  Effect.gen(function* () {
    const { witness } = yield* buildMortal(({ step }) =>
      Effect.suspend(() => (strikes(step) ? Effect.die("the store is away") : Effect.void))
    )
    return yield* Effect.andThen(passes("200 millis"), test).pipe(Effect.scoped, Effect.provideContext(witness))
  }).pipe(Effect.provide(surviving))

let drawn = 0
const nextId = () => InstanceId.make(`00000000-0000-4000-8000-${String(++drawn).padStart(12, "0")}`)

/** What the api does with a POST: the order and its command in one transaction, then the news. */
export const create = Effect.fnUntraced(function* (
  databases: ReadonlyArray<string> = [],
  configuration: string | null = null,
  zone?: string
) {
  const instances = yield* Instances
  const now = yield* Clock.currentTimeMillis
  const id = nextId()
  yield* instances.create(
    {
      id,
      project,
      name: "db",
      flavor: "1",
      ram: 512,
      volumeSize: 1,
      volumeType: null,
      datastoreVersion: "v-1",
      region: "RegionOne",
      access: null,
      ...(zone === undefined ? {} : { zone }),
      created: now,
      updated: now
    },
    { databases: databases.map((name) => ({ name })), users: [] },
    configuration
  )
  yield* news(id)
  return id
})

/** A database `shop` that serves. */
export const serving = Effect.gen(function* () {
  const id = yield* create(["shop"])
  yield* passes("5 seconds")
  expect(yield* operatingStatus(id)).toBe("HEALTHY")
  return id
})

/** What the api does with a restart; whether it was accepted. */
export const restart = Effect.fnUntraced(function* (id: InstanceId) {
  const accepted = yield* (yield* Instances).requestRestart(id)
  yield* news(id)
  return accepted
})

/** What the api does with a change of the datastore version; whether it was accepted. */
export const upgrade = Effect.fnUntraced(function* (id: InstanceId, version = "v-2") {
  const accepted = yield* (yield* UpgradeOrders).request(id, version)
  yield* news(id)
  return accepted
})

/** What the api does with a resize; whether it was accepted. */
export const resize = Effect.fnUntraced(function* (id: InstanceId, target: ResizeTarget) {
  const { desired } = yield* record(id)
  const accepted = yield* (yield* Resizes).request(id, desired, target)
  yield* news(id)
  return accepted
})

/** What the api does with a stop; whether it was accepted. */
export const stop = Effect.fnUntraced(function* (id: InstanceId) {
  const accepted = yield* (yield* Switching).requestStop(id)
  yield* news(id)
  return accepted
})

/** What the api does with a start; whether it was accepted. */
export const start = Effect.fnUntraced(function* (id: InstanceId) {
  const accepted = yield* (yield* Switching).requestStart(id)
  yield* news(id)
  return accepted
})

/** What the api does with a DELETE. */
export const remove = Effect.fnUntraced(function* (id: InstanceId) {
  yield* (yield* Instances).requestDelete(id)
  yield* news(id)
})

/** What tells the taskmanager that there is mail. */
export const news = Effect.fnUntraced(function* (id: InstanceId) {
  const taskmanager = (yield* Fabric).client(taskmanagerTopic, TaskmanagerApi)
  yield* Effect.ignore(taskmanager.wake({ instance_id: id }))
})

const get = Effect.fnUntraced(function* (id: InstanceId) {
  return yield* (yield* Instances).get("any", id)
})

/** All that the store shows of it. */
export const record = (id: InstanceId) => Effect.map(get(id), Option.getOrThrow)

/** What a tenant sees; null when there is nothing to see any more. */
export const status = Effect.fnUntraced(function* (id: InstanceId) {
  const record = yield* get(id)
  return Option.isNone(record) ? null : statusOf(record.value.state)
})

export const operatingStatus = Effect.fnUntraced(function* (id: InstanceId) {
  const record = yield* get(id)
  const now = yield* Clock.currentTimeMillis
  return Option.isNone(record) ? null : operatingStatusOf(record.value.state, record.value.observed, now)
})

export const fault = Effect.fnUntraced(function* (id: InstanceId) {
  return Option.getOrNull(Option.map(yield* get(id), ({ fault }) => fault))
})

/** The lines of an instance's history. */
export const entries = (id: InstanceId) => Effect.flatMap(History, (history) => history.list(id))

/** The names of the steps that an instance went through, with their outcome. */
export const story = (id: InstanceId) => Effect.map(entries(id), (entries) => entries.map(tell))

const tell = (entry: Entry): string => {
  switch (entry.kind) {
    case "transition":
      return `${entry.from} → ${entry.to}`
    case "step":
      return `${entry.operationName}: ${entry.step} ${entry.outcome}`
    case "report":
      return entry.text
  }
}

/** Steps that nobody closed: when an instance is at rest, there are none. */
export const unfinished = Effect.fnUntraced(function* (id: InstanceId) {
  const entries = yield* (yield* History).list(id)
  return entries.flatMap((entry) => (entry.kind === "step" && entry.outcome === "running" ? [entry.step] : []))
})
