/**
 * The store as a process of an older release sees it, while an upgrade is under way: one to which a restart is of no kind
 * that it knows, neither the state nor the command; nor is a configuration, a resize, an upgrade, nor a rebuild. So this release is the newer one, and has something to upgrade to.
 */
import { Context, Effect, Option } from "effect"
import { Lifecycles, Unreadable } from "../../src/actors/Lifecycles.ts"
import { Instances } from "../../src/services/Instances.ts"
import type { ShownState } from "../../src/services/Status.ts"
import { Upgrades } from "../../src/services/Upgrades.ts"

const isNewer = (state: string) => ["Restarting", "Configuring", "Resizing", "Upgrading", "Rebuilding"].includes(state)

const unknown = (what: string) => new Unreadable({ what, reason: "it is of no kind that this release knows" })

const lifecycles = (store: Lifecycles["Service"]): Lifecycles["Service"] => ({
  ...store,
  load: (id) =>
    Effect.map(
      Effect.tap(store.load(id), (loaded) =>
        Option.isSome(loaded) && isNewer(loaded.value.state._tag) ? Effect.die(unknown("the state")) : Effect.void
      ),
      Option.map((loaded) => {
        const newer = ["Restart", "Configure", "Resize", "Upgrade", "Rebuild"]
        const at = loaded.mail.findIndex(({ command }) => newer.includes(command._tag))
        const letter = loaded.mail[at]
        if (letter === undefined) return loaded
        const unreadable = { seq: letter.seq, key: "restart", reason: unknown("the command").reason }
        return { ...loaded, mail: loaded.mail.slice(0, at), unreadable }
      })
    ),
  unsettled: (limit) =>
    Effect.map(store.unsettled(limit), (all) =>
      all.map((one) => (one.state !== null && isNewer(one.state._tag) ? { ...one, state: null } : one))
    )
})

const instances = (store: Instances["Service"]): Instances["Service"] => {
  const shown = <A extends { readonly state: ShownState }>(record: A) =>
    isNewer(record.state) ? { ...record, state: "Unknown" as const } : record
  return {
    ...store,
    get: (scope, id) => Effect.map(store.get(scope, id), Option.map(shown)),
    list: (project, page) =>
      Effect.map(store.list(project, page), ({ items, ...rest }) => ({ ...rest, items: items.map(shown) })),
    listDetail: (project, page) =>
      Effect.map(store.listDetail(project, page), ({ items, ...rest }) => ({ ...rest, items: items.map(shown) }))
  }
}

/** The services of a process, as they are for one of the older release. */
export const olderRelease = <R>(services: Context.Context<R | Lifecycles | Instances | Upgrades>) =>
  services.pipe(
    Context.add(Lifecycles, lifecycles(Context.get(services, Lifecycles))),
    Context.add(Instances, instances(Context.get(services, Instances))),
    Context.add(Upgrades, Upgrades.of({ isUnderWay: Effect.succeed(true) }))
  )
