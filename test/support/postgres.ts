/** A real PostgreSQL for a test: the embedded one, in a data folder of its own that goes with the test. */
import { mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { Effect, Layer, Redacted } from "effect"
import * as AesSecretBox from "../../src/layers/AesSecretBox.ts"
import { ControlPostgres } from "../../src/layers/embedded/ControlPostgres.ts"
import { DataFolder } from "../../src/layers/embedded/DataFolder.ts"
import { PostgresBinaries } from "../../src/layers/embedded/PostgresBinaries.ts"
import * as Migrations from "../../src/layers/postgres/Migrations.ts"
import * as PgAccesses from "../../src/layers/postgres/PgAccesses.ts"
import * as PgAllInstances from "../../src/layers/postgres/PgAllInstances.ts"
import * as PgAuditStore from "../../src/layers/postgres/PgAuditStore.ts"
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
import { localHost, type StandingHost } from "../../src/services/Placing.ts"

const folder = Layer.unwrap(
  Effect.gen(function* () {
    const path = yield* Effect.acquireRelease(
      Effect.sync(() => join(mkdtempSync(join(tmpdir(), "coffer-test-")), "data")),
      (path) =>
        Effect.sync(() => {
          rmSync(realpathSync(path), { recursive: true, force: true })
          rmSync(join(path, ".."), { recursive: true, force: true })
        })
    )
    return DataFolder.layer(path)
  })
)

/** The server, with an empty database. */
export const server = ControlPostgres.layer.pipe(Layer.provide(PostgresBinaries.layer), Layer.provide(folder))

/** A client of an empty database. */
export const client = Layer.unwrap(Effect.map(ControlPostgres, ({ url }) => PgPool.layer(url))).pipe(
  Layer.provide(server)
)

/** Every store, over that database, with its tables, and with these places for instances. */
export const storesWith = (standing: ReadonlyArray<StandingHost>) =>
  Layer.mergeAll(
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
    PgAuditStore.layer,
    PgPlacements.layer(standing)
  ).pipe(
    Layer.provide(AesSecretBox.layer(Redacted.make(new Uint8Array(32).fill(7)))),
    Layer.provideMerge(Migrations.layer),
    Layer.provideMerge(client),
    Layer.provide(NodeServices.layer)
  )

export const stores = storesWith([localHost("127.76.0.0/16")])
