/**
 * Every operation of an instance in service, a line each: how it is asked for, its steps, and what is so when it is done.
 * What is true of all of them is in `inService.test.ts`, what is special in the test of each.
 */
import { expect } from "@effect/vitest"
import { Clock, Duration, Effect, Option, Schema, type Scope } from "effect"
import { RpcGroup } from "effect/rpc"
import type { State } from "../../src/actors/Instance.ts"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { requestRebuild } from "../../src/actors/RebuildRequests.ts"
import { GuestHosts, type GuestHostsError } from "../../src/layers/embedded/GuestHosts.ts"
import { call } from "../../src/services/Contract.ts"
import { Configurations } from "../../src/services/configuration/Configurations.ts"
import { Values } from "../../src/services/configuration/Parameter.ts"
import { UpgradeOrders } from "../../src/services/DatastoreUpgrades.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { GuestRefusal, guestTopic } from "../../src/services/GuestApi.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { Instances, type QuotaExceeded } from "../../src/services/Instances.ts"
import { Quotas } from "../../src/services/Quotas.ts"
import { Resizes, type ResizeTarget } from "../../src/services/Resizes.ts"
import { Switching } from "../../src/services/Switching.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as World from "../kit/World.ts"

type Surroundings = World.World | Scope.Scope
type Trouble = QuotaExceeded | GuestHostsError

export interface InServiceOperation {
  /** Where it begins: an instance that it can be asked of. */
  readonly from: Effect.Effect<InstanceId, Trouble, Surroundings>
  /** What the api writes: the command with what goes with it; whether it was accepted. The news of it is lost. */
  readonly request: (id: InstanceId) => Effect.Effect<boolean, Trouble, Surroundings>
  /** Meanwhile. */
  readonly state: State["_tag"]
  readonly shows: string
  readonly steps: ReadonlyArray<string>
  readonly isDone: (id: InstanceId) => Effect.Effect<void, Trouble, Surroundings>
  /** Why it went on from its state then. */
  readonly because: string
  /** Whether others of them can be asked for while it waits: what is to be brought waits beside what is to be done. */
  readonly waitsBeside?: boolean
  /** Has its guest never answer; without it, the servers that the guest starts are busy for an hour. */
  readonly silence?: (id: InstanceId) => Effect.Effect<void, never, Fabric | Scope.Scope>
  /** How far it is, in ms, when it is deleted, beside the ends of its steps. */
  readonly moments?: ReadonlyArray<number>
}

/** From now on, a server that is started is there after three seconds. */
const slowly = Effect.map(FakeDatabases, ({ faults }) => {
  faults.startTime = Duration.seconds(3)
})

/** A database that serves, and takes three seconds for its next start. */
export const serving = Effect.tap(World.serving, () => slowly)

/** What a tenant sees, and whether the server runs. */
export const shown = (id: InstanceId) =>
  Effect.all([
    World.status(id),
    World.operatingStatus(id),
    Effect.map(FakeDatabases, ({ servers }) => servers.get(id)?.running)
  ])

/** In service, with all its data, and nothing of it under way. */
export const isBack = Effect.fnUntraced(function* (id: InstanceId) {
  const { initialised, servers } = yield* FakeDatabases
  expect(yield* shown(id)).toEqual(["ACTIVE", "HEALTHY", true])
  expect(servers.get(id)?.databases.has("shop")).toBe(true)
  expect(initialised(id)).toBe(1)
  expect(yield* World.unfinished(id)).toEqual([])
})

/** Why the instance went on from these states. */
export const becauses = Effect.fnUntraced(function* (id: InstanceId, ...tags: ReadonlyArray<State["_tag"]>) {
  const entries = yield* World.entries(id)
  return entries.flatMap((entry) =>
    entry.kind === "transition" && tags.some((tag) => tag === entry.from) ? [entry.because] : []
  )
})

/** What the steps of an operation came to, in order: name, attempt, outcome. */
export const attempts = Effect.fnUntraced(function* (id: InstanceId, operation: string) {
  const entries = yield* World.entries(id)
  return entries.flatMap((entry) =>
    entry.kind === "step" && entry.operationName === operation
      ? [`${entry.step} ${entry.attempt} ${entry.outcome}`]
      : []
  )
})

/** What the project holds: MB and GB, in use and reserved. */
export const held = Effect.gen(function* () {
  const usage = yield* (yield* Quotas).usage(World.project)
  const of = (resource: string) => usage.find((one) => one.resource === resource)
  return [of("ram")?.inUse, of("ram")?.reserved, of("volumes")?.inUse, of("volumes")?.reserved]
})

const Silent = RpcGroup.make(call("rpc_ping", {}, { success: Schema.Boolean, timeout: "15 seconds" }))

/** Somebody else speaks for the guest for a moment, and is not heard any more then: nobody speaks for it. */
export const loseGuest = (id: InstanceId) =>
  Effect.scoped(
    Effect.flatMap(Fabric, (fabric) => fabric.serve(guestTopic(id), Silent, { rpc_ping: () => Effect.succeed(true) }))
  )

const RestartOnly = RpcGroup.make(call("restart", {}, { error: GuestRefusal, timeout: "180 seconds" }))

/** Answers a restart in place of the guest, for as long as the scope is open; then nobody does. */
export const answerRestart = (id: InstanceId, answer: Effect.Effect<void, GuestRefusal>) =>
  Effect.flatMap(Fabric, (fabric) => fabric.serve(guestTopic(id), RestartOnly, { restart: () => answer }))

const StopOnly = RpcGroup.make(call("stop_db", {}, { timeout: "180 seconds", version: "1.1" }))

const ofOverrides = { error: GuestRefusal, timeout: "180 seconds" } as const
const OverridesOnly = RpcGroup.make(
  call("update_overrides", { overrides: Values, remove: Schema.Boolean }, ofOverrides),
  call("apply_overrides", { overrides: Values }, ofOverrides)
)

/** The same with a configuration. */
export const answerOverrides = (id: InstanceId, answer: Effect.Effect<void, GuestRefusal>) =>
  Effect.flatMap(Fabric, (fabric) =>
    fabric.serve(guestTopic(id), OverridesOnly, { update_overrides: () => answer, apply_overrides: () => answer })
  )

/** A setting that needs no restart. */
export const live = { work_mem: 12_345 }

export const aGroup = Effect.fnUntraced(function* (values: Values) {
  const now = yield* Clock.currentTimeMillis
  const id = crypto.randomUUID()
  yield* (yield* Configurations).create({
    ...{ id, project: World.project, name: "tuned", description: null, datastoreVersion: "v-1" },
    ...{ values, revision: 1, created: now, updated: now }
  })
  return id
})

export const settings = (id: InstanceId) => Effect.map(FakeDatabases, ({ servers }) => servers.get(id)?.settings)

export const medium: ResizeTarget = { _tag: "Flavor", flavor: "2", ram: 1024 }

/** At rest with this size, everywhere where it is known; and with nothing held beyond it. */
export const isOf = Effect.fnUntraced(function* (id: InstanceId, memoryMb: number, volumeSize: number) {
  const { servers } = yield* FakeDatabases
  yield* isBack(id)
  const { desired } = yield* World.record(id)
  expect(desired).toMatchObject({ flavor: memoryMb === 512 ? "1" : "2", ram: memoryMb, volumeSize })
  const home = Option.getOrThrow(yield* (yield* GuestHosts).find(id))
  expect(home.spec).toMatchObject({ memoryMb, vcpus: memoryMb / 512, volumeSize })
  expect(servers.get(id)).toMatchObject({ memoryMb, fileMb: memoryMb, limitMb: memoryMb })
  expect(yield* held).toEqual([memoryMb, 0, volumeSize, 0])
})

/** A database that was stopped. */
export const stopped = Effect.gen(function* () {
  const id = yield* World.serving
  expect(yield* World.stop(id)).toBe(true)
  yield* World.passes("2 seconds")
  expect(yield* shown(id)).toEqual(["SHUTDOWN", "SHUTDOWN", false])
  return id
})

/** A database that serves, with something in it. */
export const filled = Effect.gen(function* () {
  const { servers } = yield* FakeDatabases
  const id = yield* World.serving
  const shop = servers.get(id)?.databases.get("shop")
  shop?.set("sold", [{ n: 7 }])
  return id
})

/** This version serves all that there was; the record says so, and nothing is left of the other one. */
export const serves = Effect.fnUntraced(function* (id: InstanceId, version: "18" | "18.4") {
  const { servers } = yield* FakeDatabases
  yield* isBack(id)
  const home = Option.getOrThrow(yield* (yield* GuestHosts).find(id))
  const record = Option.getOrThrow(yield* (yield* Lifecycles).desired(id))
  expect(record.datastoreVersion).toBe(version === "18" ? "v-1" : "v-2")
  expect(servers.get(id)).toMatchObject({ version, madeBy: version, port: 5432, kept: null })
  expect(servers.get(id)?.databases.get("shop")?.get("sold")).toEqual([{ n: 7 }])
  expect(yield* home.notes.release).toMatchObject({ trying: null, kept: false })
})

/** By name, as the history has it. */
export const operations: Readonly<Record<string, InServiceOperation>> = {
  restart: {
    ...{ from: serving, state: "Restarting", shows: "REBOOT" },
    request: (id) => Effect.flatMap(Instances, (instances) => instances.requestRestart(id)),
    steps: ["restart the database", "report"],
    isDone: isBack,
    because: "the database was restarted",
    silence: (id) => answerRestart(id, Effect.never),
    moments: [0, 100, 1000, 2900, 3000, 3100]
  },
  configure: {
    ...{ from: World.serving, state: "Configuring", shows: "RESTART_REQUIRED", waitsBeside: true },
    request: Effect.fnUntraced(function* (id) {
      return yield* (yield* Configurations).attach(id, yield* aGroup(live))
    }),
    steps: ["write the configuration", "apply the configuration", "report"],
    isDone: Effect.fnUntraced(function* (id) {
      yield* isBack(id)
      expect(yield* settings(id)).toEqual(live)
    }),
    because: "the configuration group is with the guest",
    silence: (id) => answerOverrides(id, Effect.never)
  },
  resize: {
    ...{ from: serving, state: "Resizing", shows: "RESIZE" },
    request: (id) => Effect.flatMap(Resizes, (resizes) => resizes.request(id, { flavor: "1", volumeSize: 1 }, medium)),
    steps: ["plan the resize", "resize the server", "apply the flavor", "restart the database", "report"],
    isDone: (id) => isOf(id, 1024, 1),
    because: "the instance has flavor 2"
  },
  stop: {
    ...{ from: World.serving, state: "Stopping", shows: "SHUTDOWN" },
    request: (id) => Effect.flatMap(Switching, ({ requestStop }) => requestStop(id)),
    steps: ["stop the database", "report"],
    isDone: Effect.fnUntraced(function* (id) {
      expect(yield* shown(id)).toEqual(["SHUTDOWN", "SHUTDOWN", false])
      expect(yield* World.unfinished(id)).toEqual([])
    }),
    because: "the database was stopped",
    silence: (id) =>
      Effect.flatMap(Fabric, (fabric) => fabric.serve(guestTopic(id), StopOnly, { stop_db: () => Effect.never })),
    moments: [0, 50, 200, 5000]
  },
  start: {
    ...{ from: Effect.tap(stopped, () => slowly), state: "Starting", shows: "REBOOT" },
    request: (id) => Effect.flatMap(Switching, ({ requestStart }) => requestStart(id)),
    steps: ["start the database", "report"],
    isDone: isBack,
    because: "the database was started"
  },
  rebuild: {
    ...{ from: serving, state: "Rebuilding", shows: "BUILD" },
    request: (id) => requestRebuild(id, "ann"),
    steps: ["make sure of the server", "rebuild the database", "report"],
    isDone: Effect.fnUntraced(function* (id) {
      yield* isBack(id)
      expect((yield* FakeDatabases).servers.get(id)).toMatchObject({ isWhole: true })
    }),
    because: "the database was rebuilt"
  },
  upgrade: {
    ...{ from: filled, state: "Upgrading", shows: "UPGRADE" },
    request: (id) => Effect.flatMap(UpgradeOrders, (orders) => orders.request(id, "v-2")),
    steps: ["upgrade the database", "report", "remove the data of the version before"],
    isDone: (id) => serves(id, "18.4"),
    because: "the new version serves",
    moments: [1500]
  }
}
