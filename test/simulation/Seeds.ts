/** Many seeds, over a few threads: each takes the next seed when it is done with the last. */
import { availableParallelism } from "node:os"
import { isMainThread, parentPort, Worker } from "node:worker_threads"
import type { Verdict } from "./simulate.ts"

export interface Options {
  /** Every seed once, in order; it may have no end. */
  readonly seeds: Iterable<number>
  readonly threads?: number
  /** Whether to go on. */
  readonly onVerdict: (verdict: Verdict) => boolean
}

/** A life leaves much behind that is never seen again: with room for it, a third less is spent on looking through it. */
const youngMb = 192

/** A seed whose simulation broke down has a verdict as well. */
const broken = (seed: number, cause: unknown): Verdict => ({
  seed,
  violations: [`the simulation broke down: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`],
  story: [],
  faults: new Map(),
  length: 0
})

/** Runs all seeds; done when each thread is. */
export const runSeeds = async ({ onVerdict, seeds, threads = availableParallelism() }: Options): Promise<void> => {
  const left = seeds[Symbol.iterator]()
  let goesOn = true
  const next = () => (goesOn ? left.next() : { done: true as const, value: undefined })
  const thread = () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), { resourceLimits: { maxYoungGenerationSizeMb: youngMb } })
      let current: number | undefined
      const give = () => {
        const { done, value } = next()
        if (done) {
          current = undefined
          return void worker.terminate()
        }
        current = value
        worker.postMessage(value)
      }
      worker.on("message", (verdict: Verdict) => {
        goesOn = onVerdict(verdict) && goesOn
        give()
      })
      worker.on("error", reject)
      worker.on("exit", () => {
        if (current === undefined) resolve()
        else reject(new Error(`the thread of seed ${current} ended`))
      })
      give()
    })
  await Promise.all(Array.from({ length: threads }, thread))
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort
  const { simulate } = await import("./simulate.ts")
  port.on("message", async (seed: number) => {
    port.postMessage(await simulate(seed).catch((cause: unknown) => broken(seed, cause)))
  })
}
