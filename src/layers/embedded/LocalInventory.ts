/**
 * What this machine holds of servers: homes by the names of their folders, whole or not, and processes and containers by
 * the volumes that they work on. Whatever lies elsewhere, or bears another name than an instance's, is not ours.
 */
import { relative } from "node:path"
import { Effect, Layer, Schema } from "effect"
import type { ServerPart } from "../../services/Audit.ts"
import { ComputeError } from "../../services/Compute.ts"
import { InstanceId } from "../../services/Ids.ts"
import { type HeldServer, ServerInventory } from "../../services/Inventories.ts"
import { GuestHosts } from "./GuestHosts.ts"
import { LocalRuntimes } from "./LocalRuntimes.ts"

const isInstanceId = Schema.is(InstanceId)

const partOf = { docker: "container", process: "process" } as const

const unseen = (detail: string) =>
  new ComputeError({ message: "What the machine holds cannot be seen.", detail, transient: true })

const make = Effect.gen(function* () {
  const hosts = yield* GuestHosts
  const runtimes = yield* LocalRuntimes

  return ServerInventory.of({
    of: Effect.fn("LocalInventory.of")(
      function* () {
        // Without its engine, containers would look as if there were none.
        const obstacle = yield* runtimes.obstacle
        if (obstacle !== null) return yield* unseen(obstacle)
        const there = [runtimes.byKind("process"), runtimes.byKind("docker")].filter((one) => one !== undefined)
        const servers = new Map<InstanceId, HeldServer>()
        const add = (name: string | undefined, part: ServerPart, since: number | null) => {
          if (!isInstanceId(name)) return
          const known = servers.get(name)
          servers.set(name, { instance: name, parts: [...(known?.parts ?? []), part], since: known?.since ?? since })
        }
        for (const { instanceId, since } of yield* hosts.remains) add(instanceId, "home", since)
        for (const runtime of new Set(there)) {
          for (const volume of yield* runtime.list(hosts.root)) {
            add(relative(hosts.root, volume).split("/")[0], partOf[runtime.kind], null)
          }
        }
        return {
          covers: ["home" as const, ...there.map(({ kind }) => partOf[kind])],
          servers: [...servers.values()].toSorted((one, other) => (one.instance < other.instance ? -1 : 1))
        }
      },
      Effect.catchTags({
        GuestHostsError: ({ detail }) => Effect.fail(unseen(detail)),
        RuntimeError: ({ detail, message }) => Effect.fail(unseen(`${message} ${detail}`))
      })
    )
  })
})

export const layer: Layer.Layer<ServerInventory, never, GuestHosts | LocalRuntimes> = Layer.effect(
  ServerInventory,
  make
)
