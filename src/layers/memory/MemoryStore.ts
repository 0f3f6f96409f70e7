/**
 * The whole store in memory, for tests on virtual time: the twin of `layers/postgres`, held to it by the
 * conformance suite in `test/conformance/store.ts`.
 */
import { Context, Effect, Layer } from "effect"
import { Lifecycles } from "../../actors/Lifecycles.ts"
import { Accesses } from "../../services/Accesses.ts"
import { AllInstances } from "../../services/AllInstances.ts"
import { CatalogStore } from "../../services/catalog/CatalogStore.ts"
import { Configurations } from "../../services/configuration/Configurations.ts"
import { UpgradeOrders } from "../../services/DatastoreUpgrades.ts"
import { GuestHostDirectory } from "../../services/GuestHostDirectory.ts"
import { History } from "../../services/History.ts"
import { Instances } from "../../services/Instances.ts"
import { AuditStore } from "../../services/Inventories.ts"
import { nextKind } from "../../services/MailKeys.ts"
import { Observations } from "../../services/Observations.ts"
import { type Placement, Placements } from "../../services/Placements.ts"
import { localHost, type StandingHost } from "../../services/Placing.ts"
import { ProvisioningStore } from "../../services/Provisioning.ts"
import { Quotas } from "../../services/Quotas.ts"
import { Resizes } from "../../services/Resizes.ts"
import { Switching } from "../../services/Switching.ts"
import { makeMemoryAccesses } from "./MemoryAccesses.ts"
import { makeMemoryAllInstances } from "./MemoryAllInstances.ts"
import { makeMemoryAuditStore } from "./MemoryAuditStore.ts"
import { makeMemoryCatalogStore } from "./MemoryCatalogStore.ts"
import { makeMemoryConfigurations } from "./MemoryConfigurations.ts"
import { makeMemoryHistory } from "./MemoryHistory.ts"
import { makeMemoryInstances } from "./MemoryInstances.ts"
import { makeMemoryLifecycles } from "./MemoryLifecycles.ts"
import { makeMemoryObservations } from "./MemoryObservations.ts"
import { makeMemoryPlacements } from "./MemoryPlacements.ts"
import { makeMemoryProvisioning } from "./MemoryProvisioning.ts"
import { makeMemoryQuotas } from "./MemoryQuotas.ts"
import { makeMemoryResizes } from "./MemoryResizes.ts"
import { has, isAsked, makeMemoryRows } from "./MemoryRows.ts"
import { makeMemorySwitching } from "./MemorySwitching.ts"
import { makeMemoryUpgradeOrders } from "./MemoryUpgradeOrders.ts"
import * as MemoryUpgrades from "./MemoryUpgrades.ts"

const make = (standing: ReadonlyArray<StandingHost>) =>
  Effect.sync(() => {
    const table = makeMemoryRows()
    const { all, letter, rows } = table
    const places = new Map<string, Placement>()
    const groups = makeMemoryConfigurations((id) => {
      const row = rows.get(id)
      return row === undefined
        ? undefined
        : {
            desired: row.desired,
            state: row.state,
            deleteRequested: row.deleteRequested,
            restartRequested: has(row, nextKind) || has(row, "resize"),
            touch: (updated) => {
              row.desired = { ...row.desired, updated }
            },
            post: (command, now) => letter(row, `configure:${row.generation}`, command, now)
          }
    })

    const accesses = makeMemoryAccesses((id) => {
      const row = rows.get(id)
      return row === undefined
        ? undefined
        : {
            tag: row.state._tag,
            deleteRequested: row.deleteRequested,
            access: row.desired.access,
            setAccess: (access, updated) => {
              row.desired = { ...row.desired, access, updated }
            },
            post: (command, now) => letter(row, `configure:${row.generation}`, command, now)
          }
    })

    const { quotas, usage } = makeMemoryQuotas(table)
    const { instances, toRecord } = makeMemoryInstances(table, { places, groups, usage })
    const lifecycles = makeMemoryLifecycles(table, (id) => {
      places.delete(id)
      groups.forget(id)
    })

    const switching = makeMemorySwitching((id) => {
      const row = rows.get(id)
      return row === undefined || isAsked(row)
        ? undefined
        : {
            state: toRecord(row).state,
            post: (command, now) => {
              row.desired = { ...row.desired, updated: now }
              letter(row, `${nextKind}:${row.generation}`, command, now)
            }
          }
    })

    const { directory, placements } = makeMemoryPlacements(
      {
        byInstance: places,
        ramOf: (id) => (rows.get(id)?.desired.ram ?? 0) + (rows.get(id)?.more?.ram ?? 0),
        isAwaited: (id) => ["New", "Building"].includes(rows.get(id)?.state._tag ?? "")
      },
      standing
    )

    const upgradeOrders = makeMemoryUpgradeOrders((id) => {
      const row = rows.get(id)
      if (row === undefined || isAsked(row)) return undefined
      return {
        state: toRecord(row).state,
        groupVersion: groups.versionOf(id),
        isChanging: row.mailbox.some(({ command, handled }) => command._tag === "Configure" && handled === null),
        post: (command, now) => {
          row.desired = { ...row.desired, updated: now }
          letter(row, `${nextKind}:${row.generation}`, command, now)
        }
      }
    })

    const catalog = makeMemoryCatalogStore(
      (version) =>
        groups.isOf(version) ||
        all().some(
          ({ desired, mailbox, state }) =>
            (state._tag !== "Deleted" && desired.datastoreVersion === version) ||
            (state._tag === "Upgrading" && state.version === version) ||
            mailbox.some(
              ({ command, handled }) => handled === null && command._tag === "Upgrade" && command.version === version
            )
        )
    )

    const managed = makeMemoryAllInstances(() =>
      all().map((row) => ({
        record: toRecord(row),
        host: places.get(row.desired.id)?.host ?? null,
        root: row.root
      }))
    )

    const audited = makeMemoryAuditStore(() =>
      all().map((row) => ({
        instance: row.desired.id,
        state: row.state,
        since: row.since,
        deleteRequested: row.deleteRequested,
        hasMail: row.mailbox.some(({ handled }) => handled === null),
        history: row.history.map(({ entry }) => entry),
        host: places.get(row.desired.id)?.host ?? null,
        provisioning: row.provisioning !== null,
        observed: row.observed?.heartbeatAt ?? null,
        hold: row.hold !== null
      }))
    )

    return Context.make(Instances, instances).pipe(
      Context.add(Lifecycles, lifecycles),
      Context.add(Observations, makeMemoryObservations(table)),
      Context.add(History, makeMemoryHistory(table)),
      Context.add(Placements, placements),
      Context.add(GuestHostDirectory, directory),
      Context.add(ProvisioningStore, makeMemoryProvisioning(table)),
      Context.add(Quotas, quotas),
      Context.add(Resizes, makeMemoryResizes(table, { shownAs: (row) => toRecord(row).state, usage })),
      Context.add(AllInstances, managed),
      Context.add(AuditStore, audited),
      Context.add(Configurations, groups.configurations),
      Context.add(Switching, switching),
      Context.add(UpgradeOrders, upgradeOrders),
      Context.add(Accesses, accesses),
      Context.add(CatalogStore, catalog),
      Context.merge(MemoryUpgrades.make())
    )
  })

/** `standing`: the places for instances that need not report. */
export const layerOf = (standing: ReadonlyArray<StandingHost>) => Layer.effectContext(make(standing))

export const layer = layerOf([localHost("127.64.0.0/16")])
