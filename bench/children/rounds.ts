/** Questions asked one after the other by several askers at once, each question timed. */
import { Schema } from "effect"

export const Asking = Schema.Struct({ calls: Schema.Int, atOnce: Schema.Int })

/** `ask` is given its asker; an asker has one question under way. Times in milliseconds. */
export const timeAll = async <A>(count: number, askers: ReadonlyArray<A>, ask: (asker: A) => Promise<unknown>) => {
  const took = new Float64Array(count)
  let asked = 0
  let answered = 0
  const drive = async (asker: A) => {
    while (asked < count) {
      asked++
      const from = performance.now()
      await ask(asker)
      took[answered++] = performance.now() - from
    }
  }
  const from = performance.now()
  await Promise.all(askers.map(drive))
  const milliseconds = performance.now() - from
  took.sort()
  const quantile = (share: number) => took[Math.min(count - 1, Math.floor(count * share))] ?? Number.NaN
  return { perSecond: (count * 1000) / milliseconds, p50: quantile(0.5), p99: quantile(0.99) }
}

/** `atOnce` askers that are all alike. */
export const timeCalls = ({ atOnce, calls }: typeof Asking.Type, ask: () => Promise<unknown>) =>
  timeAll(calls, Array.from({ length: atOnce }), ask)
