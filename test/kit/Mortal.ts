/**
 * Services as a process sees them that can be killed: once its life is over, whatever it still asks of the
 * world never returns and changes nothing, just as after kill -9.
 */
import { Context, Effect } from "effect"
import { MessageStorage } from "effect/cluster"
import { History } from "../../src/services/History.ts"
import type { InstanceId } from "../../src/services/Ids.ts"

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

/** A line of the history is opened or closed: what happens right before it is written. */
export type OnLine = (
  line: { readonly call: "started" | "ended"; readonly step: string; readonly instance: InstanceId },
  life: Life
) => Effect.Effect<void>

/** Every service of `context`, mortal; `onLine` strikes in the middle of things. */
export const context = <R>(context: Context.Context<R>, onLine: OnLine) => {
  const life: Life = { over: false }
  const services = new Map<string, unknown>()
  for (const [key, service] of context.mapUnsafe) {
    const isTheWorld = key.startsWith("coffer/") || key === MessageStorage.MemoryDriver.key
    services.set(key, isTheWorld && typeof service === "object" && service !== null ? mortal(service, life) : service)
  }
  const history = Context.getUnsafe(Context.makeUnsafe<History>(services), History)
  const strike = (call: "started" | "ended", step: string, instance: InstanceId) =>
    Effect.suspend(() => (life.over ? Effect.never : onLine({ call, step, instance }, life)))
  services.set(
    History.key,
    History.of({
      report: history.report,
      list: history.list,
      operationEnded: history.operationEnded,
      stepStarted: (id, step) => Effect.andThen(strike("started", step.step, id), history.stepStarted(id, step)),
      waitStarted: (id, step) => Effect.andThen(strike("started", step.step, id), history.waitStarted(id, step)),
      stepEnded: (id, step) => Effect.andThen(strike("ended", step.step, id), history.stepEnded(id, step))
    })
  )
  return { life, dying: Context.makeUnsafe<R>(services) }
}
