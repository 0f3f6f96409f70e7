/**
 * `coffer up`: api, taskmanager, conductor and guest agents in one process, over a PostgreSQL of their own and
 * the fabric in process. Layers close in the opposite order of their dependence: first nobody is let in any
 * more, then the actors rest, then the databases stop, last the store.
 */
import { randomBytes } from "node:crypto"
import { readFile } from "node:fs/promises"
import { createServer } from "node:http"
import { join } from "node:path"
import { NodeCrypto, NodeHttpServer } from "@effect/platform-node"
import { Duration, Effect, Layer, Redacted } from "effect"
import { ClusterWorkflowEngine, RunnerHealth, RunnerStorage, Runners, Sharding, ShardingConfig } from "effect/cluster"
import { HttpRouter } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import * as Actors from "../actors/Actors.ts"
import * as Auditor from "../actors/Auditor.ts"
import * as Audits from "../actors/Audits.ts"
import { HttpRoutes, serveOptions } from "../http/Server.ts"
import * as Conductor from "../services/Conductor.ts"
import { localHost, localName } from "../services/Placing.ts"
import * as AesSecretBox from "./AesSecretBox.ts"
import * as SteadyStorage from "./cluster/SteadyStorage.ts"
import { ControlPostgres } from "./embedded/ControlPostgres.ts"
import { DataFolder } from "./embedded/DataFolder.ts"
import { replaceFile } from "./embedded/DurableFile.ts"
import * as EmbeddedCatalog from "./embedded/EmbeddedCatalog.ts"
import * as FolderGuestHosts from "./embedded/FolderGuestHosts.ts"
import * as GuestLinks from "./embedded/GuestLinks.ts"
import * as Host from "./embedded/Host.ts"
import * as LocalCompute from "./embedded/LocalCompute.ts"
import * as LocalInventory from "./embedded/LocalInventory.ts"
import { loopbackRange } from "./embedded/LoopbackBlock.ts"
import * as LoopbackIdentity from "./embedded/LoopbackIdentity.ts"
import * as NftFirewall from "./embedded/NftFirewall.ts"
import * as NoGuestAccess from "./embedded/NoGuestAccess.ts"
import { PostgresBinaries } from "./embedded/PostgresBinaries.ts"
import * as VolumeKinds from "./embedded/VolumeKinds.ts"
import * as InProcessFabric from "./fabric/InProcessFabric.ts"
import * as Metrics from "./Metrics.ts"
import * as ClusterPruning from "./postgres/ClusterPruning.ts"
import * as Migrations from "./postgres/Migrations.ts"
import * as PgAccesses from "./postgres/PgAccesses.ts"
import * as PgAllInstances from "./postgres/PgAllInstances.ts"
import * as PgAuditStore from "./postgres/PgAuditStore.ts"
import * as PgCatalogStore from "./postgres/PgCatalogStore.ts"
import * as PgConfigurations from "./postgres/PgConfigurations.ts"
import * as PgGuestHosts from "./postgres/PgGuestHosts.ts"
import * as PgHistory from "./postgres/PgHistory.ts"
import * as PgInstances from "./postgres/PgInstances.ts"
import * as PgJournal from "./postgres/PgJournal.ts"
import * as PgLifecycles from "./postgres/PgLifecycles.ts"
import * as PgObservations from "./postgres/PgObservations.ts"
import * as PgPlacements from "./postgres/PgPlacements.ts"
import * as PgPool from "./postgres/PgPool.ts"
import * as PgUpgradeOrders from "./postgres/PgUpgradeOrders.ts"
import * as PgUpgrades from "./postgres/PgUpgrades.ts"
import * as Settings from "./Settings.ts"

export interface Options {
  readonly dataDir: string
  readonly port: number
  readonly runtime: Host.RuntimeChoice
  readonly volumes: VolumeKinds.VolumeChoice
}

export const host = "127.0.0.1"

/** How long a stop waits for the step in flight; what it cuts off is run again at the next start. */
const terminationTimeout = Duration.seconds(5)

/** A secret in a file of ours, drawn at the first start. One that is empty was never whole. */
const secretFile = (path: string, draw: () => string) =>
  Effect.promise(async () => {
    const known = await readFile(path, "utf8").catch(() => "")
    if (known.trim() !== "") return Redacted.make(known.trim())
    const drawn = draw()
    await replaceFile(path, drawn)
    return Redacted.make(drawn)
  })

const sql = Layer.unwrap(Effect.map(ControlPostgres, ({ url }) => PgPool.layer(url)))

const store = Layer.unwrap(
  Effect.gen(function* () {
    const { root } = yield* DataFolder
    const key = yield* secretFile(join(root, "secrets.key"), () => randomBytes(32).toString("base64"))
    const bytes = Redacted.make(new Uint8Array(Buffer.from(Redacted.value(key), "base64")))
    return Layer.mergeAll(
      PgInstances.layer,
      PgAllInstances.layer,
      PgConfigurations.layer,
      PgAccesses.layer,
      PgCatalogStore.layer,
      PgLifecycles.layer,
      PgUpgrades.layer,
      PgUpgradeOrders.layer,
      PgObservations.layer,
      PgHistory.layer,
      PgGuestHosts.layer,
      PgAuditStore.layer,
      PgJournal.layer,
      PgPlacements.layer([
        { ...localHost(loopbackRange(root), yield* Settings.zone), guards: (yield* NftFirewall.obstacle) === null }
      ])
    ).pipe(Layer.provide(AesSecretBox.layer(bytes)))
  })
)

const crypto = Layer.mergeAll(NodeCrypto.layerSecureRandom, NodeCrypto.layerDigest)

/** The data folder's lock sees to it that there is one runner; its shards need no lease that outlives a kill. */
const cluster = ClusterWorkflowEngine.layer.pipe(
  Layer.provideMerge(Sharding.layer),
  Layer.provideMerge(Runners.layerNoop),
  Layer.provideMerge(SteadyStorage.layer),
  Layer.provide([RunnerStorage.layerMemory, RunnerHealth.layerNoop]),
  Layer.provide(
    ShardingConfig.layerFromEnv({
      maxResidentEntities: "unbounded",
      entityTerminationTimeout: terminationTimeout
    })
  )
)

const compute = (volumes: VolumeKinds.VolumeChoice) =>
  Layer.unwrap(
    Effect.map(DataFolder, ({ instances }) =>
      Layer.merge(LocalCompute.layer, LocalInventory.layer).pipe(
        Layer.provide([FolderGuestHosts.layer(instances), GuestLinks.inProcess, NftFirewall.layer(instances)]),
        Layer.provide(VolumeKinds.layer(volumes, instances))
      )
    )
  )

const taskmanager = Layer.merge(
  Actors.layer,
  Audits.layer.pipe(Layer.provide(Auditor.layer([localName])), Layer.provide(Metrics.ofAudits))
)

const api = (port: number) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { tokenFile } = yield* DataFolder
      const token = yield* secretFile(tokenFile, () => randomBytes(24).toString("base64url"))
      const metrics = PrometheusMetrics.layerHttp({ path: "/metrics" })
      return HttpRouter.serve(Layer.mergeAll(HttpRoutes, metrics), serveOptions).pipe(
        Layer.provide(LoopbackIdentity.layer(token)),
        Layer.provideMerge(NodeHttpServer.layer(createServer, { port, host }))
      )
    })
  )

/** Everything, serving when it is built. */
export const layer = ({ dataDir, port, runtime, volumes }: Options) =>
  Layer.unwrap(
    Effect.map(Host.inspect(runtime), (found) =>
      api(port).pipe(
        Layer.provide([Metrics.layer, ClusterPruning.layer]),
        Layer.provide(taskmanager),
        Layer.provide([compute(volumes), NoGuestAccess.layer]),
        Layer.provide(Layer.effectDiscard(Conductor.serve)),
        Layer.provide(Host.layer(found)),
        Layer.provide(EmbeddedCatalog.layer(found.host)),
        Layer.provide(InProcessFabric.layer),
        Layer.provide(cluster),
        Layer.provide(store),
        Layer.provide(Migrations.layer),
        Layer.provide(sql),
        Layer.provide(crypto),
        Layer.provideMerge(ControlPostgres.layer),
        Layer.provide(PostgresBinaries.layer),
        Layer.provideMerge(DataFolder.layer(dataDir)),
        Layer.provide(Settings.layer)
      )
    )
  )
