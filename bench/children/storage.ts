/**
 * The taskmanager with its actors, workflows and pruning over PostgreSQL, and guests that do at once whatever they are
 * told. Does operations, many at once, and tells what memory it takes.
 */
// First, as in main.ts: before any schema is used.
import "effect/schema/SchemaJITCompiler/enable"
import { randomUUID } from "node:crypto"
import { NodeCrypto } from "@effect/platform-node"
import { Duration, Effect, Layer, ManagedRuntime, Schedule, Schema } from "effect"
import { SqlClient } from "effect/sql"
import * as Actors from "../../src/actors/Actors.ts"
import { DeletedRetention, HandledRetention, PruneInterval } from "../../src/actors/Taskmanager.ts"
import * as NoGuestAccess from "../../src/layers/embedded/NoGuestAccess.ts"
import * as InProcessFabric from "../../src/layers/fabric/InProcessFabric.ts"
import * as Logging from "../../src/layers/Logging.ts"
import * as ClusterPruning from "../../src/layers/postgres/ClusterPruning.ts"
import * as Telemetry from "../../src/layers/Telemetry.ts"
import { Catalog } from "../../src/services/Catalog.ts"
import * as Conductor from "../../src/services/Conductor.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { InstanceId, ProjectId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { TaskmanagerApi, taskmanagerTopic } from "../../src/services/TaskmanagerApi.ts"
import * as InstantGuests from "../../test/kit/InstantGuests.ts"
import * as composition from "./composition.ts"
import { memory } from "./memory.ts"
import { answer, options } from "./parent.ts"

/** `retention`: how long what is over is kept, in milliseconds. */
const { retention, url } = options(Schema.Struct({ url: Schema.String, retention: Schema.Int }))

const retentions = Layer.mergeAll(
  Layer.succeed(DeletedRetention, Duration.millis(retention)),
  Layer.succeed(HandledRetention, Duration.millis(retention)),
  Layer.succeed(PruneInterval, Duration.seconds(5))
)

process.env["COFFER_WORKFLOW_RETENTION"] = `${retention} millis`

const runtime = ManagedRuntime.make(
  Actors.layer.pipe(
    Layer.provide(ClusterPruning.layer),
    Layer.provide([InstantGuests.layer, NoGuestAccess.layer]),
    Layer.provide(Layer.effectDiscard(Conductor.serve)),
    Layer.provideMerge(composition.catalog),
    Layer.provideMerge(InProcessFabric.layer),
    Layer.provideMerge(composition.cluster),
    Layer.provideMerge(composition.stores),
    Layer.provideMerge(composition.sql(url)),
    Layer.provide(Layer.mergeAll(NodeCrypto.layerSecureRandom, NodeCrypto.layerDigest)),
    Layer.provide(retentions),
    Layer.provide(Logging.layer),
    Layer.provide(Telemetry.layer)
  )
)

/** They are at rest: up, gone or failed. */
const settled = Effect.fnUntraced(function* (ids: ReadonlyArray<string>, tag: "Active" | "Deleted") {
  const sql = yield* SqlClient.SqlClient
  const wake = (yield* Fabric).client(taskmanagerTopic, TaskmanagerApi).wake
  yield* Effect.forEach(ids, (id) => Effect.ignore(wake({ instance_id: id })), { discard: true })
  const left = sql<{ readonly tag: string; readonly waits: boolean }>`
    SELECT l.tag, EXISTS (SELECT FROM mailbox m WHERE m.instance = l.instance AND m.handled IS NULL) AS waits
    FROM lifecycles l WHERE ${sql.in("instance", ids)}`
  yield* left.pipe(
    Effect.tap((rows) =>
      rows.some((row) => row.tag === "Failed") ? Effect.die("an instance is in ERROR") : Effect.void
    ),
    Effect.repeat({
      until: (rows) => rows.every((row) => row.tag === tag && !row.waits),
      schedule: Schedule.spaced("20 millis")
    }),
    Effect.timeout("2 minutes")
  )
})

const project = ProjectId.make("bench-0")

/** Built and up; their ids. */
const create = Effect.fnUntraced(function* (count: number) {
  const instances = yield* Instances
  const version = (yield* Catalog).configured.datastores[0]?.defaultVersion ?? ""
  const ids = Array.from({ length: count }, () => InstanceId.make(randomUUID()))
  const now = Date.now()
  const kind = { flavor: "1", ram: 512, volumeSize: 1, volumeType: null, datastoreVersion: version, access: null }
  yield* Effect.forEach(ids, (id) =>
    instances.create(
      { ...kind, id, project, name: id, region: "RegionOne", created: now, updated: now },
      { databases: [], users: [] }
    )
  )
  yield* settled(ids, "Active")
  return ids
})

const Ids = Schema.decodeUnknownSync(Schema.Array(InstanceId))

/** One operation each. */
const restart = Effect.fnUntraced(function* (ids: ReadonlyArray<InstanceId>) {
  const instances = yield* Instances
  yield* Effect.forEach(ids, instances.requestRestart, { concurrency: 8, discard: true })
  yield* settled(ids, "Active")
  return ids.length
})

/** Two operations each. */
const createAndDelete = Effect.fnUntraced(function* (count: number) {
  const instances = yield* Instances
  const ids = yield* create(count)
  yield* Effect.forEach(ids, instances.requestDelete, { concurrency: 8, discard: true })
  yield* settled(ids, "Deleted")
  return 2 * count
})

answer({
  create: (count) => runtime.runPromise(create(Schema.decodeUnknownSync(Schema.Int)(count))),
  restart: (ids) => runtime.runPromise(restart(Ids(ids))),
  createAndDelete: (count) => runtime.runPromise(createAndDelete(Schema.decodeUnknownSync(Schema.Int)(count))),
  memory
})
