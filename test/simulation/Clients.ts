/**
 * Tenants, several at once, who order, restart, upgrade and delete at any moment, twice, more than they may have, what is not
 * theirs and what makes no sense; and an administrator who calls off, takes back and repeats. All over the api's routes.
 * What it answers is kept: what was accepted has to end.
 */
import { Effect, Option } from "effect"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { ProjectId } from "../../src/services/Ids.ts"
import { Quotas } from "../../src/services/Quotas.ts"
import * as Answers from "./Answers.ts"
import * as Api from "./Api.ts"
import * as Requests from "./Requests.ts"
import type { Shared, Universe } from "./Universe.ts"
import { type Known, shortOf } from "./Witness.ts"

export { ordered } from "./Requests.ts"

/** How many instances one life has at the most. */
const maxOrders = 5

/** How many configuration groups a tenant keeps at the most. */
const maxGroups = 3

/** What each tenant may have. */
const limits = { instances: 2, volumes: 4, ram: 1_536 }

export const tenants = Requests.tenantNames.map((name) => ProjectId.make(name))

/** How often the last deletes are asked for, and how long is waited between, in milliseconds. */
const maxDeletes = 5
const pause = 61_000

const generationOf = Effect.fnUntraced(function* (known: Known | undefined) {
  if (known === undefined) return null
  const loaded = Option.getOrNull(yield* (yield* Lifecycles).load(known.desired.id))
  return loaded === null ? null : { generation: loaded.generation, mail: loaded.mail.length }
})

export const make = Effect.fnUntraced(function* (universe: Universe) {
  const { story, time, witness } = universe
  const dice = universe.dice("clients")
  const others = universe.dice("other requests")
  const settings = universe.dice("settings")
  const sizes = universe.dice("sizes")
  const switches = universe.dice("switches")
  // Some are asked more often than they would be.
  const api = Api.make(universe, Requests.tokens, others.chance(0.2) ? 6 : 200)
  for (const tenant of tenants) yield* (yield* Quotas).setLimits(tenant, limits)
  yield* api.boot
  let orders = 0

  /** What was answered with 200 or 202 is there, at that very moment. */
  const accepted = Effect.fnUntraced(function* (ask: Requests.Ask, answer: Api.Answer, before: number | null) {
    if (ask.what.endsWith(" orders") && answer.status === 200) {
      const known = [...witness.instances.values()].find(({ desired }) => answer.text.includes(desired.id))
      if (known?.desired.project !== ask.tenant)
        witness.wrong(`${ask.what}: it was accepted, and there is no such order`)
      return
    }
    if (ask.of === null || answer.status !== 202) return
    const known = witness.instances.get(ask.of)
    if (ask.method === "DELETE" && known?.letGo !== true && !["Deleting", "Deleted"].includes(known?.state._tag ?? ""))
      witness.wrong(`${ask.what}: it was accepted, and nobody has let it go`)
    const now = yield* generationOf(known)
    if (now !== null && now.generation === before && now.mail === 0 && known?.state._tag !== "Deleting")
      witness.wrong(`${ask.what}: it was accepted, and is nowhere to be found`)
  })

  /** Asks, tells what came of it, and looks at the answer; the status, or null where none came. */
  const ask = Effect.fnUntraced(function* (asked: Requests.Ask) {
    const before = asked.of === null ? null : yield* generationOf(witness.instances.get(asked.of))
    const answer = yield* api.send(asked)
    story.tell("asks", `${asked.what}: ${answer === null ? "no answer" : answer.status}`)
    if (answer === null) return null
    const wrong = Answers.wrongWith(asked, answer, [...witness.instances.values()])
    if (wrong !== null) witness.wrong(wrong)
    yield* accepted(asked, answer, before?.generation ?? null)
    if (asked.what.endsWith(" keeps settings") && answer.status === 200) {
      const [, id] = /"id":"([^"]+)"/.exec(answer.text) ?? []
      if (id !== undefined) groups.set(asked.tenant ?? "", [...(groups.get(asked.tenant ?? "") ?? []), id])
    }
    return answer.status
  })

  const mineOf = (tenant: string) => [...witness.instances.values()].filter(({ desired }) => desired.project === tenant)

  /** What tenants are there for: orders, restarts, upgrades, deletes. */
  const request = (): Requests.Ask | null => {
    const tenant = dice.pick(tenants)
    const mine = mineOf(tenant)
    const kind = mine.length === 0 ? 0 : dice.next()
    if (kind < 0.35) return orders < maxOrders ? Requests.create(tenant, ++orders) : null
    const { id } = dice.pick(mine).desired
    if (kind < 0.5) return Requests.restart(tenant, id)
    return kind < 0.65 ? Requests.upgrade(tenant, id) : Requests.remove(tenant, id)
  }

  /** What each tenant was told of its groups; some of them are gone. */
  const groups = new Map<string, Array<string>>()

  /** Settings: kept, changed, attached and detached; and who reaches what has them. */
  const tune = (): Requests.Ask | null => {
    const tenant = settings.pick(tenants)
    const mine = mineOf(tenant)
    const kept = groups.get(tenant) ?? []
    if (mine.length > 0 && settings.chance(0.2)) return Requests.open(settings, tenant, settings.pick(mine).desired.id)
    const kind = kept.length === 0 ? 0 : settings.next()
    if (kind < 0.2) return kept.length < maxGroups ? Requests.group(settings, tenant) : null
    const id = settings.pick(kept)
    if (kind < 0.5 || mine.length === 0) return Requests.regroup(settings, tenant, id)
    return Requests.attach(tenant, settings.pick(mine).desired.id, kind < 0.85 ? id : null)
  }

  /** Sizes: another flavor, a larger volume, and what is neither. */
  const resize = (): Requests.Ask | null => {
    const tenant = sizes.pick(tenants)
    const mine = mineOf(tenant)
    return mine.length === 0 ? null : Requests.resize(sizes, tenant, sizes.pick(mine).desired.id)
  }

  /** Databases that are stopped for a while, and started again, one way or the other; and servers that are made anew. */
  const toggle = (): Requests.Ask | null => {
    const tenant = switches.pick(tenants)
    const mine = mineOf(tenant)
    if (mine.length === 0) return null
    const { desired, state } = switches.pick(mine)
    const kind = switches.next()
    if (kind > 0.9) return Requests.rebuild(switches, desired.id)
    if (state._tag === "Stopped" && kind < 0.7)
      return Requests.switched(tenant, desired.id, kind < 0.5 ? "start" : "restart")
    return Requests.switched(tenant, desired.id, kind < 0.7 ? "stop" : "start")
  }

  /** Everything else: they look, they err, they try what is not theirs; an administrator steers. */
  const other = (): Requests.Ask => {
    const tenant = others.pick(tenants)
    const [mine, theirs] = [mineOf(tenant), [...witness.instances.values()]]
    const own = mine.length === 0 ? null : others.pick(mine).desired.id
    const foreign = theirs.flatMap(({ desired }) => (desired.project === tenant ? [] : [desired.id]))
    const kind = others.next()
    if (kind < 0.1 && own !== null) return Requests.log(others, tenant, own)
    if (kind < 0.35) return Requests.look(others, tenant, own)
    if (kind < 0.7) return Requests.illegal(others, tenant, own, foreign)
    return Requests.operator(others, theirs)
  }

  const go = (asked: Requests.Ask | null) => {
    if (asked !== null) universe.run(Effect.asVoid(ask(asked)))
  }

  const later = (until: number, between: () => number, next: () => Requests.Ask | null): void =>
    time.after(between(), () => {
      if (time.elapsed > until) return
      go(next())
      later(until, between, next)
    })

  // Impatient: what hangs is deleted, and it is another process that does it.
  universe.hooks.whenHeldUp = () =>
    time.after(dice.between(300, 5_000), () => {
      const hanging = [...witness.instances.values()].filter(({ state }) => state._tag === "Building")
      if (hanging.length === 0 || dice.chance(0.4)) return
      const { id, project } = dice.pick(hanging).desired
      go(Requests.remove(project, id))
    })

  const removeOne = Effect.fnUntraced(function* ({ desired: { id, project } }: Known) {
    for (let n = 0; n < maxDeletes; n++) {
      const status = yield* ask(Requests.remove(project, id))
      if (status === 202 || status === 404) return
      yield* Effect.sleep(pause)
    }
    witness.wrong(`${shortOf(id)} could not be deleted`)
  })

  const removeAll: Effect.Effect<void, never, Shared> = Effect.gen(function* () {
    yield* api.heal
    // Whoever waits for an answer still has had it, or gone.
    yield* Effect.sleep(Api.patience)
    yield* Effect.forEach(
      [...witness.instances.values()].filter(({ state }) => state._tag !== "Deleted"),
      removeOne,
      { discard: true }
    )
  })

  return {
    /** Asks again and again, until a moment of this life. */
    begin: (until: number) => {
      later(until, () => dice.between(200, dice.chance(0.3) ? 2_000 : 45_000), request)
      later(until, () => settings.between(500, settings.chance(0.3) ? 5_000 : 40_000), tune)
      later(until, () => sizes.between(500, sizes.chance(0.3) ? 5_000 : 60_000), resize)
      later(until, () => switches.between(500, switches.chance(0.3) ? 5_000 : 60_000), toggle)
      later(until, () => others.between(100, others.chance(0.3) ? 1_000 : 30_000), other)
    },
    /** Lets go of everything there is. */
    removeAll
  }
})
