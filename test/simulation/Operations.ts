/** Operations, each as the story in which it is tried: what there is before it, and what is asked for then. */
import { Duration, Effect, Layer, Option } from "effect"
import { type Action, OperatorRequests } from "../../src/actors/OperatorRequests.ts"
import { RebuildRequests } from "../../src/actors/RebuildRequests.ts"
import { RuntimeError } from "../../src/guest/DatabaseRuntime.ts"

import { AccessRequests } from "../../src/services/AccessRequests.ts"
import * as OfferedCatalog from "../../src/services/catalog/OfferedCatalog.ts"

import { ConfigurationRequests } from "../../src/services/configuration/ConfigurationRequests.ts"
import type { Values } from "../../src/services/configuration/Parameter.ts"
import { DatastoreUpgrades } from "../../src/services/DatastoreUpgrades.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { type InstanceId, ProjectId } from "../../src/services/Ids.ts"
import { InstanceRequests, NewId } from "../../src/services/InstanceRequests.ts"
import { ResizeRequests, type Size } from "../../src/services/ResizeRequests.ts"
import * as ControlPlane from "../kit/ControlPlane.ts"
import * as FaultyServices from "./FaultyServices.ts"
import { fatalConnections, ordered } from "./Requests.ts"
import type { Stage } from "./Stage.ts"
import { alive } from "./VirtualTime.ts"

/** What can be done in a story. */
interface Hands {
  readonly order: () => Promise<void>
  readonly restart: () => Promise<void>
  readonly stop: () => Promise<void>
  readonly start: () => Promise<void>
  readonly rebuild: () => Promise<void>
  /** Attaches a group with these settings. */
  readonly configure: (values: Values) => Promise<void>
  readonly upgrade: () => Promise<void>
  readonly resize: (size: Size) => Promise<void>
  /** Says who may reach it. */
  readonly restrict: (networks: ReadonlyArray<string>) => Promise<void>
  readonly remove: () => Promise<void>
  readonly ask: (action: Action) => Promise<void>
  readonly passes: (millis: number) => Promise<void>
  readonly rest: () => Promise<void>
  /** Whether databases can be started. */
  readonly startable: (can: boolean) => void
  /** No server of another version comes up. */
  readonly unfit: () => void
  /** With how much memory at the most, in MB. */
  readonly mostMemory: (mb: number) => void
  /** How long one takes to start, in milliseconds. */
  readonly startTime: (millis: number) => void
}

interface Story {
  readonly operation: string
  readonly before: (hands: Hands) => Promise<void>
  readonly act: (hands: Hands) => Promise<void>
}

const nothing = async () => {}

const anActive = async ({ order, rest }: Hands) => {
  await order()
  await rest()
}

const aFailed = async (hands: Hands) => {
  hands.startable(false)
  await anActive(hands)
}

/** A database that would be hours in starting. */
const aHanging = async ({ order, passes, startTime }: Hands) => {
  startTime(10 * 3_600_000)
  await order()
  await passes(3_000)
}

export const stories: ReadonlyArray<Story> = [
  { operation: "a create", before: nothing, act: ({ order }) => order() },
  {
    operation: "a create that fails",
    before: async ({ startable }) => startable(false),
    act: ({ order }) => order()
  },
  { operation: "a restart", before: anActive, act: ({ restart }) => restart() },
  {
    operation: "a group that is attached",
    before: anActive,
    act: ({ configure }) => configure({ work_mem: 200 })
  },
  {
    operation: "an access that is restricted",
    before: anActive,
    act: ({ restrict }) => restrict(["10.0.0.0/8"])
  },
  {
    operation: "a restart with a group with which no server starts",
    before: async (hands) => {
      await anActive(hands)
      await hands.configure({ max_connections: fatalConnections })
      await hands.rest()
    },
    act: ({ restart }) => restart()
  },
  { operation: "an upgrade", before: anActive, act: ({ upgrade }) => upgrade() },
  {
    operation: "an upgrade that fails",
    before: async (hands) => {
      await anActive(hands)
      hands.unfit()
    },
    act: ({ upgrade }) => upgrade()
  },
  {
    operation: "a cancel of an upgrade",
    before: async (hands) => {
      await anActive(hands)
      hands.startTime(10 * 60_000)
      await hands.upgrade()
      await hands.passes(3_000)
      hands.startTime(1_000)
    },
    act: ({ ask }) => ask("cancel")
  },
  {
    operation: "a flavor resize",
    before: anActive,
    act: ({ resize }) => resize({ flavor: "2" })
  },
  {
    operation: "a volume resize",
    before: anActive,
    act: ({ resize }) => resize({ volume: 3 })
  },
  {
    operation: "a resize to a flavor with which no server starts",
    before: async (hands) => {
      await anActive(hands)
      hands.mostMemory(600)
    },
    act: ({ resize }) => resize({ flavor: "2" })
  },
  { operation: "a stop", before: anActive, act: ({ stop }) => stop() },
  {
    operation: "a start",
    before: async (hands) => {
      await anActive(hands)
      await hands.stop()
      await hands.rest()
    },
    act: ({ start }) => start()
  },
  { operation: "a rebuild", before: anActive, act: ({ rebuild }) => rebuild() },
  {
    operation: "a rebuild of what is stopped, and does not come up",
    before: async (hands) => {
      await anActive(hands)
      await hands.stop()
      await hands.rest()
      hands.startable(false)
    },
    act: ({ rebuild }) => rebuild()
  },
  { operation: "a delete", before: anActive, act: ({ remove }) => remove() },
  {
    operation: "a delete during a build",
    before: nothing,
    act: async ({ order, passes, remove }) => {
      await order()
      await passes(700)
      await remove()
    }
  },
  { operation: "a cancel by an operator", before: aHanging, act: ({ ask }) => ask("cancel") },
  { operation: "a compensation by an operator", before: aFailed, act: ({ ask }) => ask("compensate") },
  {
    operation: "a retry by an operator",
    before: async (hands) => {
      await aFailed(hands)
      hands.startable(true)
    },
    act: ({ ask }) => ask("retry")
  }
]

const project = ProjectId.make("one")

/** Hands for a story of one instance, played there. */
export const handsFor = async ({ inWorld, machines, rest, universe, until }: Stage): Promise<Hands> => {
  const { broker, references, time, witness } = universe
  const ids = universe.dice("instances")
  const life = alive()
  const party = { name: "api", life, references, meet: FaultyServices.mortal(life, () => undefined) }
  const requests = await inWorld(
    Layer.build(
      Layer.mergeAll(
        ConfigurationRequests.layer,
        ResizeRequests.layer,
        AccessRequests.layer,
        DatastoreUpgrades.layer,
        RebuildRequests.layer,
        OperatorRequests.layer
      ).pipe(
        Layer.provideMerge(InstanceRequests.layer),
        Layer.provide(OfferedCatalog.layer(ControlPlane.catalog)),
        Layer.provide(Layer.succeed(Fabric, broker.fabricOf(party))),
        Layer.provide(Layer.succeed(NewId, Effect.sync(ids.uuid)))
      )
    )
  )
  const asked = <A, E>(
    request: Effect.Effect<
      A,
      E,
      | InstanceRequests
      | ConfigurationRequests
      | ResizeRequests
      | AccessRequests
      | DatastoreUpgrades
      | RebuildRequests
      | OperatorRequests
    >
  ) => inWorld(Effect.orDie(Effect.provideContext(request, requests)))
  let known: Option.Option<InstanceId> = Option.none()
  const the = Effect.suspend(() => Effect.fromOption(known))

  return {
    order: async () => {
      const { desired } = await asked(
        Effect.flatMap(InstanceRequests, (api) =>
          api.create(project, {
            name: "db1",
            flavor: "1",
            volume: { size: 1, type: null },
            datastore: { type: null, version: null, versionNumber: null },
            provisioning: { databases: [{ name: ordered }], users: [] },
            access: null,
            configuration: null,
            region: null,
            zone: null,
            locality: null,
            nic: null
          })
        )
      )
      known = Option.some(desired.id)
    },
    configure: (values) =>
      asked(
        Effect.gen(function* () {
          const groups = yield* ConfigurationRequests
          const datastore = { type: null, version: null, versionNumber: null }
          const { group } = yield* groups.create(project, { name: "tuned", description: null, values, datastore })
          yield* groups.attach({ project }, yield* the, group.id)
        })
      ),
    restrict: (networks) =>
      asked(
        Effect.gen(function* () {
          yield* (yield* AccessRequests).change({ project }, yield* the, { allowed_cidrs: networks })
        })
      ),
    restart: () =>
      asked(Effect.flatMap(InstanceRequests, (api) => Effect.flatMap(the, (id) => api.restart({ project }, id)))),
    upgrade: () =>
      asked(
        Effect.flatMap(DatastoreUpgrades, (api) => Effect.flatMap(the, (id) => api.request({ project }, id, "v-2")))
      ),
    resize: (size) =>
      asked(Effect.flatMap(ResizeRequests, (api) => Effect.flatMap(the, (id) => api.resize({ project }, id, size)))),
    stop: () =>
      asked(Effect.flatMap(InstanceRequests, (api) => Effect.flatMap(the, (id) => api.stop({ project }, id)))),
    start: () =>
      asked(Effect.flatMap(InstanceRequests, (api) => Effect.flatMap(the, (id) => api.start({ project }, id)))),
    rebuild: () =>
      asked(
        Effect.flatMap(RebuildRequests, (api) => Effect.flatMap(the, (id) => api.request(id, "v-1", "an operator")))
      ),
    remove: async () => {
      if ([...witness.instances.values()].every(({ state }) => state._tag === "Deleted")) return
      await asked(Effect.flatMap(InstanceRequests, (api) => Effect.flatMap(the, (id) => api.remove({ project }, id))))
    },
    ask: (action) =>
      asked(Effect.flatMap(OperatorRequests, (api) => Effect.flatMap(the, (id) => api.ask(id, action, "an operator")))),
    passes: (millis) => until(time.elapsed + millis),
    rest,
    startable: (can) => {
      const broken = new RuntimeError({ message: "There is no such image.", detail: "404", transient: false })
      for (const { databases } of machines) databases.faults.startFails = can ? null : broken
    },
    unfit: () => {
      for (const { databases } of machines) databases.faults.unfit = (version) => version === "18.4"
    },
    mostMemory: (mb) => {
      for (const { databases } of machines) databases.faults.mostMemory = mb
    },
    startTime: (millis) => {
      for (const { databases } of machines) databases.faults.startTime = Duration.millis(millis)
    }
  }
}
