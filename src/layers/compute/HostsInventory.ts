/** What many machines hold of servers: each is asked over the fabric, a page at a time. */
import { Effect, Layer } from "effect"
import { ComputeError } from "../../services/Compute.ts"
import { Fabric } from "../../services/Fabric.ts"
import { GuestHostApi, guestHostTopic, inventoryPage } from "../../services/GuestHostApi.ts"
import { type HeldServer, ServerInventory } from "../../services/Inventories.ts"
import { isCommandHost } from "../../services/Placing.ts"

/** How many pages a machine is asked for: more than it has addresses for. */
const maxPages = 1000

const unseen = (message: string, detail: string) => new ComputeError({ message, detail, transient: true })

const make = Effect.gen(function* () {
  const fabric = yield* Fabric

  return ServerInventory.of({
    of: Effect.fn("HostsInventory.of")(function* (name) {
      if (isCommandHost(name)) return yield* unseen("The operator's program is not asked what it has made.", "")
      const host = fabric.client(guestHostTopic(name), GuestHostApi)
      const servers: Array<HeldServer> = []
      for (let page = 0; page < maxPages; page++) {
        const after = servers.at(-1)?.instance ?? null
        const held = yield* Effect.catchTag(host.inventory({ after, limit: inventoryPage }), "FabricError", (error) =>
          Effect.fail(unseen("The machine cannot be reached.", error.message))
        )
        servers.push(...held.servers)
        if (held.servers.length === 0 || !held.more) return { covers: held.covers, servers }
      }
      return yield* unseen("The machine has no end of servers.", `${maxPages} pages were read`)
    })
  })
})

export const layer: Layer.Layer<ServerInventory, never, Fabric> = Layer.effect(ServerInventory, make)
