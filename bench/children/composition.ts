/**
 * Parts of the service for a child of the bench, put together as Up.ts does it, over a PostgreSQL that runs
 * already. What a part does not measure is left out or does nothing.
 */
import { createServer } from "node:http"
import { NodeHttpServer } from "@effect/platform-node"
import { Effect, Layer, Option, Redacted } from "effect"
import { ClusterWorkflowEngine, SingleRunner } from "effect/cluster"
import { HttpRouter, HttpServer } from "effect/http"
import { HttpRoutes, serveOptions } from "../../src/http/Server.ts"
import * as AesSecretBox from "../../src/layers/AesSecretBox.ts"
import * as EmbeddedCatalog from "../../src/layers/embedded/EmbeddedCatalog.ts"
import * as LoopbackIdentity from "../../src/layers/embedded/LoopbackIdentity.ts"
import * as PgAccesses from "../../src/layers/postgres/PgAccesses.ts"
import * as PgAllInstances from "../../src/layers/postgres/PgAllInstances.ts"
import * as PgCatalogStore from "../../src/layers/postgres/PgCatalogStore.ts"
import * as PgConfigurations from "../../src/layers/postgres/PgConfigurations.ts"
import * as PgGuestHosts from "../../src/layers/postgres/PgGuestHosts.ts"
import * as PgHistory from "../../src/layers/postgres/PgHistory.ts"
import * as PgInstances from "../../src/layers/postgres/PgInstances.ts"
import * as PgLifecycles from "../../src/layers/postgres/PgLifecycles.ts"
import * as PgObservations from "../../src/layers/postgres/PgObservations.ts"
import * as PgPlacements from "../../src/layers/postgres/PgPlacements.ts"
import * as PgPool from "../../src/layers/postgres/PgPool.ts"
import * as PgUpgradeOrders from "../../src/layers/postgres/PgUpgradeOrders.ts"
import * as PgUpgrades from "../../src/layers/postgres/PgUpgrades.ts"
import * as Telemetry from "../../src/layers/Telemetry.ts"
import { Compute } from "../../src/services/Compute.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { localHost } from "../../src/services/Placing.ts"
import { TaskmanagerApi, taskmanagerTopic } from "../../src/services/TaskmanagerApi.ts"

export const sql = (url: string) => PgPool.layer(Redacted.make(url), "coffer-bench")

export const stores = Layer.mergeAll(
  PgInstances.layer,
  PgAccesses.layer,
  PgAllInstances.layer,
  PgConfigurations.layer,
  PgCatalogStore.layer,
  PgLifecycles.layer,
  PgUpgrades.layer,
  PgUpgradeOrders.layer,
  PgObservations.layer,
  PgHistory.layer,
  PgGuestHosts.layer,
  PgPlacements.layer([localHost("127.99.0.0/16")])
).pipe(Layer.provide(AesSecretBox.layer(Redacted.make(new Uint8Array(32).fill(7)))))

export const catalog = EmbeddedCatalog.layer({ runtime: "process", mariadb: Option.none() })

/** Takes the news and wakes nobody: what was accepted stays in the mailbox. */
export const idleTaskmanager = Layer.effectDiscard(
  Effect.flatMap(Fabric, (fabric) =>
    fabric.serve(taskmanagerTopic, TaskmanagerApi, {
      wake: () => Effect.void,
      observed: () => Effect.void,
      silent: () => Effect.void
    })
  )
)

/** Servers that are said to exist; nothing runs in them. */
export const noCompute = Layer.succeed(
  Compute,
  Compute.of({
    portOf: () => 5432,
    isFree: () => Effect.succeed(true),
    ensure: () => Effect.void,
    destroy: () => Effect.void
  })
)

/** A cluster of one, as `coffer up` has it. */
export const cluster = ClusterWorkflowEngine.layer.pipe(
  Layer.provideMerge(
    SingleRunner.layer({ runnerStorage: "memory", shardingConfig: { maxResidentEntities: "unbounded" } })
  )
)

/** The REST server on a free port. */
export const api = HttpRouter.serve(HttpRoutes, { ...serveOptions, disableListenLog: true }).pipe(
  Layer.provide(LoopbackIdentity.layer(Redacted.make("bench"))),
  Layer.provide(Telemetry.layer),
  Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
)

export const port = Effect.flatMap(HttpServer.HttpServer, ({ address }) =>
  address._tag === "UnixPathAddress" ? Effect.die("the server listens on a socket") : Effect.succeed(address.port)
)
