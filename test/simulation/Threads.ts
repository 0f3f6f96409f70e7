/** Many lives, over a few threads: each takes the next one when it is done with the last. */
import { availableParallelism } from "node:os"
import { isMainThread, parentPort, Worker } from "node:worker_threads"
import type { CrashPoint } from "./CrashPoints.ts"
import type { Verdict } from "./simulate.ts"

/** A life by its seed, or an operation with a process killed in it. */
export type Life = number | CrashPoint

export interface Options<L extends Life> {
  /** Every life once, in order; it may have no end. */
  readonly lives: Iterable<L>
  readonly threads?: number
  /** Whether to go on. */
  readonly onVerdict: (verdict: Verdict, life: L) => boolean
}

/** A life leaves much behind that is never seen again: with room for it, a fifth less is spent on looking through it. */
const youngMb = 192

const nameOf = (life: Life) => (typeof life === "number" ? `seed ${life}` : `${life.moment} ${life.call}`)

/** A life whose simulation broke down has a verdict as well. */
const broken = (life: Life, cause: unknown): Verdict => ({
  seed: typeof life === "number" ? life : 0,
  violations: [`the simulation broke down: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`],
  story: [],
  faults: new Map(),
  length: 0
})

/** Runs all lives; done when each thread is. */
export const runLives = async <L extends Life>({
  lives,
  onVerdict,
  threads = availableParallelism()
}: Options<L>): Promise<void> => {
  const left = lives[Symbol.iterator]()
  let goesOn = true
  const next = () => (goesOn ? left.next() : { done: true as const, value: undefined })
  const thread = () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), { resourceLimits: { maxYoungGenerationSizeMb: youngMb } })
      let current: L | undefined
      const give = () => {
        const { done, value } = next()
        current = done ? undefined : value
        if (current === undefined) return void worker.terminate()
        worker.postMessage(current)
      }
      worker.on("message", (verdict: Verdict) => {
        if (current !== undefined) goesOn = onVerdict(verdict, current) && goesOn
        give()
      })
      worker.on("error", reject)
      worker.on("exit", () => {
        if (current === undefined) resolve()
        else reject(new Error(`the thread of ${nameOf(current)} ended`))
      })
      give()
    })
  await Promise.all(Array.from({ length: threads }, thread))
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort
  const { simulate } = await import("./simulate.ts")
  const { crashAt } = await import("./CrashPoints.ts")
  const live = (life: Life) => (typeof life === "number" ? simulate(life) : crashAt(life))
  port.on("message", async (life: Life) => {
    port.postMessage(await live(life).catch((cause: unknown) => broken(life, cause)))
  })
}
