/**
 * Tenants, several at once, who order, restart and delete at any moment, twice, more than they may have, and what is not
 * theirs. What the api answers is kept: what was accepted has to end.
 */
import { Effect, Layer } from "effect"
import { Catalog } from "../../src/services/Catalog.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { ProjectId } from "../../src/services/Ids.ts"
import { InstanceRequests, NewId } from "../../src/services/InstanceRequests.ts"
import { Quotas } from "../../src/services/Quotas.ts"
import * as ControlPlane from "../kit/ControlPlane.ts"
import * as FaultyServices from "./FaultyServices.ts"
import type { Universe } from "./Universe.ts"
import { alive } from "./VirtualTime.ts"
import { shortOf } from "./Witness.ts"

/** How many instances one life has at the most. */
const maxOrders = 5

/** What each tenant may have. */
const limits = { instances: 2, volumes: 4 }

export const tenants = ["one", "two"].map((name) => ProjectId.make(name))

/** The database that is to be in each instance. */
export const ordered = "shop"

const order = (name: string) => ({
  name,
  flavor: "1",
  volume: { size: 1, type: null },
  datastore: { type: null, version: null, versionNumber: null },
  provisioning: { databases: [{ name: ordered }], users: [] },
  access: null,
  region: null
})

export const make = Effect.fnUntraced(function* (universe: Universe) {
  const { broker, faults, outage, references, story, time, witness, world } = universe
  const dice = universe.dice("clients")
  const ids = universe.dice("instances")
  const life = alive()
  const party = { name: "api", life, references, meet: FaultyServices.mortal(life, () => undefined) }
  const troubled = FaultyServices.troubled({ faults, outage, now: () => time.now, who: "api" })
  const store = FaultyServices.world(
    world,
    (_, isStore) => (call, effect) => (isStore ? troubled(call, effect) : effect)
  )
  const requests = yield* Effect.provide(
    InstanceRequests,
    InstanceRequests.layer.pipe(
      Layer.provide(Layer.succeed(Catalog, ControlPlane.catalog)),
      Layer.provide(Layer.succeed(Fabric, broker.fabricOf(party))),
      Layer.provide(Layer.succeed(NewId, Effect.sync(ids.uuid))),
      Layer.provide(Layer.succeedContext(store))
    )
  )
  for (const tenant of tenants) yield* (yield* Quotas).setLimits(tenant, limits)
  let orders = 0

  /** Asks, and tells what came of it. */
  const ask = <A, E>(what: string, asked: Effect.Effect<A, E>, answered: (answer: A) => string = () => "accepted") =>
    Effect.matchCause(asked, {
      onSuccess: (answer) => story.tell("asks", `${what}: ${answered(answer)}`),
      onFailure: (cause) => {
        const reason = cause.reasons.find((reason) => reason._tag === "Fail")?.error
        const isMade = FaultyServices.isMade(cause)
        story.tell("asks", `${what}: ${isMade ? "no answer" : reason === undefined ? String(cause) : String(reason)}`)
        if (reason === undefined && !isMade) witness.wrong(`the api met a bug: ${String(cause)}`)
      }
    })

  const listing = Effect.fnUntraced(function* (tenant: ProjectId) {
    const { items } = yield* requests.list(tenant, { limit: 100, marker: null })
    const foreign = items.find(({ desired }) => desired.project !== tenant)
    if (foreign !== undefined) witness.wrong(`${tenant} sees ${shortOf(foreign.desired.id)}, which is not its own`)
  })

  const foreign = Effect.fnUntraced(function* (tenant: ProjectId, id: string) {
    const seen = yield* Effect.exit(requests.get({ project: tenant }, id))
    if (seen._tag === "Success") witness.wrong(`${tenant} was shown ${shortOf(id)}, which is not its own`)
    const removed = yield* Effect.exit(requests.remove({ project: tenant }, id))
    if (removed._tag === "Success") witness.wrong(`${tenant} deleted ${shortOf(id)}, which is not its own`)
  })

  /** One request of some tenant. */
  const request = (): Effect.Effect<void> => {
    const tenant = dice.pick(tenants)
    const all = [...witness.instances.values()]
    const mine = all.filter(({ desired }) => desired.project === tenant)
    const kind = mine.length === 0 ? 0 : dice.next()
    if (kind < 0.3) {
      if (orders >= maxOrders) return Effect.ignoreCause(listing(tenant))
      orders++
      return ask(`${tenant} orders`, requests.create(tenant, order(`db${orders}`)), ({ desired }) =>
        shortOf(desired.id)
      )
    }
    const { id } = dice.pick(mine).desired
    const scope = { project: tenant }
    if (kind < 0.55) return ask(`${tenant} restarts ${shortOf(id)}`, requests.restart(scope, id))
    if (kind < 0.85) return ask(`${tenant} deletes ${shortOf(id)}`, requests.remove(scope, id))
    const others = all.filter(({ desired }) => desired.project !== tenant)
    if (kind < 0.92 || others.length === 0) return Effect.ignoreCause(listing(tenant))
    return Effect.ignoreCause(foreign(tenant, dice.pick(others).desired.id))
  }

  const later = (until: number): void =>
    time.after(dice.between(200, dice.chance(0.3) ? 2_000 : 45_000), () => {
      if (time.elapsed > until) return
      universe.run(request())
      later(until)
    })

  // Impatient: what hangs is deleted, and it is another process that does it.
  universe.hooks.whenHeldUp = () =>
    time.after(dice.between(300, 5_000), () => {
      const hanging = [...witness.instances.values()].filter(({ state }) => state._tag === "Building")
      if (hanging.length === 0 || dice.chance(0.4)) return
      const { id, project } = dice.pick(hanging).desired
      universe.run(ask(`${project} deletes ${shortOf(id)}`, requests.remove({ project }, id)))
    })

  return {
    /** Asks again and again, until a moment of this life. */
    begin: later,
    /** Lets go of everything there is. */
    removeAll: Effect.suspend(() =>
      Effect.forEach(
        [...witness.instances.values()].filter(({ state }) => state._tag !== "Deleted"),
        ({ desired }) =>
          ask(
            `${desired.project} deletes ${shortOf(desired.id)}`,
            requests.remove({ project: desired.project }, desired.id)
          ),
        { discard: true }
      )
    )
  }
})
