/** What every store must do, whatever it keeps its rows in: run by the one in memory and by PostgreSQL. */
import { layer, type Vitest } from "@effect/vitest"
import type { Layer } from "effect"
import type { Lifecycles } from "../../src/actors/Lifecycles.ts"
import type { GuestHostDirectory } from "../../src/services/GuestHostDirectory.ts"
import type { History } from "../../src/services/History.ts"
import type { Instances } from "../../src/services/Instances.ts"
import type { Observations } from "../../src/services/Observations.ts"
import type { Placements } from "../../src/services/Placements.ts"
import type { ProvisioningStore } from "../../src/services/Provisioning.ts"
import type { Quotas } from "../../src/services/Quotas.ts"
import type { Resizes } from "../../src/services/Resizes.ts"
import { historyTests } from "./history.ts"
import { instancesTests } from "./instances.ts"
import { lifecyclesTests } from "./lifecycles.ts"
import { observationsTests } from "./observations.ts"
import { type Poison, unreadableTests } from "./unreadable.ts"

export type Store =
  | Instances
  | Lifecycles
  | Observations
  | History
  | GuestHostDirectory
  | Placements
  | ProvisioningStore
  | Quotas
  | Resizes

/** Over one store for all. */
export type StoreTests<R> = Vitest.MethodsNonLive<Store | R>

export const storeConformance = <R>(name: string, store: Layer.Layer<Store | R, unknown>, poison: Poison<Store | R>) =>
  layer(store, { excludeTestServices: true, timeout: 60_000 })(name, (it) => {
    instancesTests(it)
    lifecyclesTests(it)
    unreadableTests(it, poison)
    observationsTests(it)
    historyTests(it)
  })
