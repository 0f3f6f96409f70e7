/**
 * The services of the world as a process has them that can be killed, frozen, and left alone by them: a call that fails
 * before its effect or after it, takes long, or is the last thing that the process ever does.
 */
import { Cause, Context, Effect } from "effect"
import { ClusterError, MessageStorage } from "effect/cluster"
import { SqlError } from "effect/sql"
import { again, maxAgain } from "../../src/layers/postgres/Conflicts.ts"
import type { FaultKind, Faults } from "./Faults.ts"
import { type Life, whileAlive } from "./VirtualTime.ts"

/** What a call of a service meets. */
export type Meet = <A, E, R>(
  call: string,
  effect: Effect.Effect<A, E, R>
) => Effect.Effect<A, E | ClusterError.PersistenceError, R>

/** Objects inside a service through which it is used as well. */
const insides = new Set(["encoded", "runtime"])

/**
 * `service` with each of its effects met by `meet`. What is asked of it again is the same function again: services are
 * asked all the time.
 */
export const met = <A extends object>(name: string, service: A, meet: Meet): A => {
  const known = new Map<string | symbol, unknown>()
  const meeting = (key: string | symbol, value: unknown): unknown => {
    const call = `${name}.${String(key)}`
    const through = (result: unknown) => (Effect.isEffect(result) ? meet(call, result) : result)
    if (typeof value === "object" && value !== null && insides.has(String(key))) return met(name, value, meet)
    if (typeof value !== "function") return through(value)
    return (...args: ReadonlyArray<unknown>) => through(Reflect.apply(value, service, args))
  }
  return new Proxy(service, {
    get(target, key, receiver) {
      if (known.has(key)) return known.get(key)
      const made = meeting(key, Reflect.get(target, key, receiver))
      known.set(key, made)
      return made
    }
  })
}

const isTheStore = (key: string) =>
  /^coffer\/(services|actors)\//.test(key) && !/\/(Fabric|GuestAccess|AccessInventory)$/.test(key)
const isTheWorld = (key: string) => key.startsWith("coffer/") || key === MessageStorage.MemoryDriver.key
const shortName = (key: string) => key.slice(key.lastIndexOf("/") + 1)

/** Every service of the world in `context`, met by `meet`; what is of no world stays. */
export const world = <R>(
  context: Context.Context<R>,
  meet: (key: string, isStore: boolean) => Meet
): Context.Context<R> => {
  const services = new Map<string, unknown>()
  for (const [key, service] of context.mapUnsafe) {
    const wrapped =
      isTheWorld(key) && typeof service === "object" && service !== null
        ? met(shortName(key), service, meet(key, isTheStore(key)))
        : service
    services.set(key, wrapped)
  }
  return Context.makeUnsafe<R>(services)
}

class StoreAway extends Error {
  /** As an error of the database's own that tells of an outage. */
  readonly isRetryable = true

  constructor(call: string, how: string) {
    super(`the store ${how} (${call})`)
    this.name = "StoreAway"
  }
}

const died = (call: string, how: string) => Effect.die(new StoreAway(call, how))

/** Whether a failure is one that the simulation made. */
export const isMade = (cause: Cause.Cause<unknown>) => Cause.pretty(cause).includes("StoreAway")

/** Until when the store is away for everybody. */
export interface Outage {
  until: number
}

const serialization = "store refuses to serialize"

interface Trouble {
  readonly faults: Faults
  readonly outage: Outage
  readonly now: () => number
  readonly who: string
}

/** What a driver makes of PostgreSQL's 40001. */
const conflict = (call: string) =>
  new SqlError.SqlError({
    reason: new SqlError.SerializationError({ cause: new StoreAway(call, "could not serialize access") })
  })

/**
 * A transaction that is undone in favour of others so many times, which are committed meanwhile, inside of what runs it
 * again, as in the adapter of PostgreSQL. Who loses too often has failed.
 */
const losing = <A, E, R>(losses: number, faults: Faults, call: string, effect: Effect.Effect<A, E, R>) => {
  let left = losses
  return again(
    Effect.suspend(() =>
      left-- > 0
        ? Effect.andThen(Effect.sleep(faults.lasts(serialization, 1, 400)), Effect.die(conflict(call)))
        : effect
    )
  )
}

/** A store that fails now and then. Each call is a transaction: it is done as a whole or not at all. */
export const troubled =
  ({ faults, now, outage, who }: Trouble): Meet =>
  (call, effect) =>
    Effect.suspend(() => {
      const strikes = (kind: FaultKind) => faults.strikes(kind, `${who} ${call}`)
      if (strikes("store is away")) outage.until = now() + faults.lasts("store is away", 1_000, 20_000)
      if (!faults.stopped && now() < outage.until) return died(call, "is away")
      if (strikes("store fails before")) return died(call, "did nothing")
      if (strikes(serialization)) return losing(faults.lasts(serialization, 1, maxAgain + 1), faults, call, effect)
      if (strikes("store fails after")) return Effect.andThen(effect, died(call, "was not heard"))
      if (strikes("store is slow")) {
        const pause = Effect.sleep(faults.lasts("store is slow", 50, 8_000))
        return faults.lasts("store is slow", 0, 1) === 0 ? Effect.andThen(pause, effect) : Effect.tap(effect, pause)
      }
      return effect
    })

export const isEngine = (call: string) => /^(MemoryDriver|EngineTables)\./.test(call)

/** The engine's tables, which are away when the store is. They say what failed in the engine's own words. */
export const troubledEngine =
  ({ faults, now, outage, who }: Trouble): Meet =>
  (call, effect) =>
    Effect.suspend(() => {
      const strikes = (kind: FaultKind) => faults.strikes(kind, `${who} ${call}`)
      const failed = (how: string) =>
        Effect.fail(new ClusterError.PersistenceError({ cause: new StoreAway(call, how) }))
      if (!faults.stopped && now() < outage.until) return failed("is away")
      if (strikes("engine's tables fail before")) return failed("did nothing")
      // A read of messages claims them for ten minutes: where its answer is lost, they come so much later.
      const claims = call === "MemoryDriver.unprocessedMessages"
      if (!claims && strikes("engine's tables fail after")) return Effect.andThen(effect, failed("was not heard"))
      if (!strikes("engine's tables are slow")) return effect
      const pause = Effect.sleep(faults.lasts("engine's tables are slow", 50, 4_000))
      return faults.lasts("engine's tables are slow", 0, 1) === 0
        ? Effect.andThen(pause, effect)
        : Effect.tap(effect, pause)
    })

/**
 * A process that lives while it is let: `strike` may end it, or hold it up, at any call, and answers what is to be done
 * right after the call, before anybody hears of it.
 */
export const mortal =
  (life: Life, strike: (call: string) => (() => void) | undefined): Meet =>
  (call, effect) =>
    whileAlive(
      life,
      Effect.suspend(() => {
        const afterwards = strike(call)
        // The process that is ended here is ended before the call, and the one that is ended after it hears nothing.
        return Effect.flatMap(Effect.exit(whileAlive(life, effect)), (exit) => {
          afterwards?.()
          return whileAlive(life, exit)
        })
      })
    )
