/** What an order told of databases and users, in memory: the twin of the one in PgInstances. */
import { Effect } from "effect"
import { ProvisioningStore } from "../../services/Provisioning.ts"
import type { MemoryRows } from "./MemoryRows.ts"

export const makeMemoryProvisioning = ({ change, rows }: MemoryRows) =>
  ProvisioningStore.of({
    open: (id) => Effect.sync(() => rows.get(id)?.provisioning ?? { databases: [], users: [] }),
    forget: (id) =>
      change(id, (row) => {
        row.provisioning = null
      })
  })
