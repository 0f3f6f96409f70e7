/**
 * What many machines hold of servers: each is asked over the fabric, a page at a time; what was made for Trove's agents,
 * the operator's program tells.
 */
import { Effect, Layer } from "effect"
import { ComputeError } from "../../services/Compute.ts"
import { diskMessageOr } from "../../services/Disk.ts"
import { Fabric } from "../../services/Fabric.ts"
import { GuestHostApi, guestHostTopic, inventoryPage } from "../../services/GuestHostApi.ts"
import { type HeldServer, ServerInventory } from "../../services/Inventories.ts"
import { commandName, isCommandHost } from "../../services/Placing.ts"
import * as CommandCompute from "./CommandCompute.ts"
import { commandLayer, type Settings } from "./HostsCompute.ts"

/** How many pages a machine is asked for: more than it has addresses for. */
const maxPages = 1000

const unseen = (message: string, detail: string) => new ComputeError({ message, detail, transient: true })

const make = Effect.gen(function* () {
  const fabric = yield* Fabric
  const command = yield* CommandCompute.CommandCompute

  return ServerInventory.of({
    of: Effect.fn("HostsInventory.of")(function* (name) {
      if (isCommandHost(name)) {
        const made = yield* command.list
        return {
          covers: ["server" as const],
          servers: made.map((instance) => ({ instance, parts: ["server" as const], since: null }))
        }
      }
      const host = fabric.client(guestHostTopic(name), GuestHostApi)
      const servers: Array<HeldServer> = []
      for (let page = 0; page < maxPages; page++) {
        const after = servers.at(-1)?.instance ?? null
        const held = yield* Effect.catchTag(host.inventory({ after, limit: inventoryPage }), "FabricError", (error) =>
          Effect.fail(unseen(diskMessageOr(error.reason, "The machine cannot be reached."), error.message))
        )
        servers.push(...held.servers)
        if (held.servers.length === 0 || !held.more) return { covers: held.covers, servers }
      }
      return yield* unseen("The machine has no end of servers.", `${maxPages} pages were read`)
    })
  })
})

/** Hosts that are there without being told of: an operator's program may have made what no record knows. */
export const standing = (command: ReadonlyArray<string> | undefined) => (command === undefined ? [] : [commandName])

export const layer = (settings: Settings): Layer.Layer<ServerInventory, never, Fabric> =>
  Layer.effect(ServerInventory, make).pipe(Layer.provide(commandLayer(settings)))
