/**
 * What the service keeps does not grow with what it has done: hundreds of operations through the real taskmanager over
 * a real PostgreSQL, and then no row more than the instances need that are there.
 */
import { NodeCrypto } from "@effect/platform-node"
import { expect, layer } from "@effect/vitest"
import { Duration, Effect, Layer, References, Schedule } from "effect"
import { ClusterWorkflowEngine, SingleRunner } from "effect/cluster"
import { SqlClient } from "effect/sql"
import * as Actors from "../../src/actors/Actors.ts"
import { DeletedRetention, HandledRetention, PruneInterval } from "../../src/actors/Taskmanager.ts"
import * as NoGuestAccess from "../../src/layers/embedded/NoGuestAccess.ts"
import * as InProcessFabric from "../../src/layers/fabric/InProcessFabric.ts"
import { pruneOnce } from "../../src/layers/postgres/ClusterPruning.ts"
import * as Conductor from "../../src/services/Conductor.ts"
import * as OfferedCatalog from "../../src/services/catalog/OfferedCatalog.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { InstanceId, ProjectId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { Quotas } from "../../src/services/Quotas.ts"
import { TaskmanagerApi, taskmanagerTopic } from "../../src/services/TaskmanagerApi.ts"
import { catalog } from "../kit/ControlPlane.ts"
import * as InstantGuests from "../kit/InstantGuests.ts"
import { stores } from "../support/postgres.ts"

const cluster = ClusterWorkflowEngine.layer.pipe(
  Layer.provideMerge(
    SingleRunner.layer({ runnerStorage: "memory", shardingConfig: { maxResidentEntities: "unbounded" } })
  )
)

const service = Actors.layer.pipe(
  Layer.provide([InstantGuests.layer, NoGuestAccess.layer]),
  Layer.provide(Layer.effectDiscard(Conductor.serve)),
  Layer.provide(OfferedCatalog.layer(catalog)),
  Layer.provideMerge(InProcessFabric.layer),
  Layer.provideMerge(cluster),
  Layer.provideMerge(stores),
  Layer.provide(Layer.mergeAll(NodeCrypto.layerSecureRandom, NodeCrypto.layerDigest)),
  Layer.provide([
    Layer.succeed(DeletedRetention, Duration.millis(1)),
    Layer.succeed(HandledRetention, Duration.millis(1)),
    Layer.succeed(PruneInterval, Duration.seconds(1)),
    Layer.succeed(References.MinimumLogLevel, "Warn")
  ])
)

const live = 10
const rounds = 20

const settled = Effect.fnUntraced(function* (ids: ReadonlyArray<InstanceId>, tag: "Active" | "Deleted" | "gone") {
  const sql = yield* SqlClient.SqlClient
  const { wake } = (yield* Fabric).client(taskmanagerTopic, TaskmanagerApi)
  yield* Effect.forEach(ids, (id) => Effect.ignore(wake({ instance_id: id })), { discard: true })
  yield* sql<{ readonly n: bigint }>`
    SELECT count(*) AS n FROM lifecycles l WHERE ${sql.in("instance", ids)} AND (tag <> ${tag}
      OR EXISTS (SELECT FROM mailbox m WHERE m.instance = l.instance AND m.handled IS NULL))`.pipe(
    Effect.repeat({ until: ([row]) => Number(row?.n) === 0, schedule: Schedule.spaced("20 millis") }),
    Effect.timeout("60 seconds")
  )
})

let drawn = 0
const create = Effect.fnUntraced(function* (count: number) {
  const instances = yield* Instances
  const ids = Array.from({ length: count }, () =>
    InstanceId.make(`00000000-0000-4000-8000-${String(++drawn).padStart(12, "0")}`)
  )
  const now = Date.now()
  const order = { volumeSize: 1, volumeType: null, datastoreVersion: "v-1", region: "R", access: null, ram: 512 }
  const project = ProjectId.make("bounded")
  const quota = { instances: 1000, volumes: 1000 }
  yield* (yield* Quotas).setLimits(project, quota)
  yield* Effect.forEach(ids, (id) =>
    instances.create(
      { ...order, id, project, name: "db", flavor: "1", created: now, updated: now },
      { databases: [], users: [] }
    )
  )
  yield* settled(ids, "Active")
  return ids
})

const rows = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const names = yield* sql<{ readonly name: string }>`
    SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`
  const counts: Record<string, number> = {}
  for (const { name } of names) {
    const [row] = yield* sql<{ readonly n: bigint }>`SELECT count(*) AS n FROM ${sql(name)}`
    counts[name] = Number(row?.n)
  }
  return counts
})

layer(service, { excludeTestServices: true, timeout: 120_000 })("what the service keeps", (it) => {
  it.effect(
    "is as much as the instances need that are there, whatever was done with them and others",
    () =>
      Effect.gen(function* () {
        const instances = yield* Instances
        const ids = yield* create(live)
        const atFirst = yield* rows
        for (let n = 0; n < rounds; n++) {
          yield* Effect.forEach(ids, instances.requestRestart, { discard: true })
          yield* settled(ids, "Active")
        }
        const others = yield* create(2 * live)
        yield* Effect.forEach(others, instances.requestDelete, { discard: true })
        yield* settled(others, "gone")
        const over = { mailbox: 0, cluster_messages: 0, cluster_replies: 0 }
        const now = yield* Effect.andThen(pruneOnce(Date.now()), rows).pipe(
          Effect.repeat({
            until: (now) => now["cluster_messages"] === 0 && now["mailbox"] === 0,
            schedule: Schedule.spaced("500 millis")
          }),
          Effect.timeout("30 seconds")
        )
        const { history: lines = 0, ...kept } = now
        const { history: linesAtFirst = 0, ...keptAtFirst } = atFirst
        expect(kept).toEqual({ ...keptAtFirst, ...over })
        // Two transitions and two steps a restart, of those alone that are there.
        expect(lines - linesAtFirst).toBe(4 * rounds * live)
      }),
    120_000
  )
})
