/**
 * Services as a process sees them that can be killed: once its life is over, whatever it still asks of the
 * world never returns and changes nothing, just as after kill -9.
 */
import { Context, Effect } from "effect"
import { MessageStorage } from "effect/cluster"
import { History } from "../../src/services/History.ts"

export interface Life {
  over: boolean
}

/** Objects inside a service through which it is used as well. */
const insides = new Set(["encoded", "runtime"])

const mortal = <A extends object>(service: A, life: Life): A =>
  new Proxy(service, {
    get(target, key, receiver) {
      const value: unknown = Reflect.get(target, key, receiver)
      const whileAlive = (effect: unknown) =>
        Effect.isEffect(effect) ? Effect.suspend(() => (life.over ? Effect.never : effect)) : effect
      if (typeof value === "object" && value !== null && insides.has(String(key))) return mortal(value, life)
      if (typeof value !== "function") return whileAlive(value)
      return (...args: ReadonlyArray<unknown>) => whileAlive(Reflect.apply(value, target, args))
    }
  })

/** Every service of `context`, mortal; the history strikes when `fatal` says so. */
export const context = <R>(
  context: Context.Context<R>,
  life: Life,
  fatal: (call: "started" | "ended", step: string) => boolean
): Context.Context<R> => {
  const services = new Map<string, unknown>()
  for (const [key, service] of context.mapUnsafe) {
    const isTheWorld = key.startsWith("coffer/") || key === MessageStorage.MemoryDriver.key
    services.set(key, isTheWorld && typeof service === "object" && service !== null ? mortal(service, life) : service)
  }
  const history = context.mapUnsafe.get(History.key) as History["Service"]
  const strike = (call: "started" | "ended", step: string) =>
    Effect.suspend(() => {
      if (life.over) return Effect.never
      if (!fatal(call, step)) return Effect.void
      life.over = true
      return Effect.never
    })
  services.set(
    History.key,
    History.of({
      ...mortal(history, life),
      report: mortal(history, life).report,
      list: mortal(history, life).list,
      stepStarted: (id, step) => Effect.andThen(strike("started", step.step), history.stepStarted(id, step)),
      stepEnded: (id, step) => Effect.andThen(strike("ended", step.step), history.stepEnded(id, step))
    })
  )
  return Context.makeUnsafe(services)
}
