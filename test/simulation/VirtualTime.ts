/**
 * Time that goes from one event to the next, and an order of fibers that is thrown by dice: what is ready at one moment
 * runs in any order, but for one seed always in the same. Each process has a clock of its own, which can be wrong, and
 * which stands still with the process.
 */
import { type Clock, Duration, Effect, Scheduler } from "effect"
import type { Dice } from "./Dice.ts"

/** What becomes of a process. */
export interface Life {
  /** Killed: nothing of it goes on, ever. */
  over: boolean
  /** Stopped, as by SIGSTOP: whoever would go on is kept here, and goes on when it is thawed. */
  held: Array<() => void> | null
  /** Milliseconds by which its clock is ahead of the world's. */
  skew: number
}

export const alive = (): Life => ({ over: false, held: null, skew: 0 })

/** Goes on only while the process lives, and not while it is frozen. */
export const whileAlive = <A, E, R>(life: Life, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend((): Effect.Effect<A, E, R> => {
    if (life.over) return Effect.never
    const { held } = life
    if (held === null) return effect
    return Effect.flatMap(
      Effect.callback<void>((resume) => void held.push(() => resume(Effect.void))),
      () => whileAlive(life, effect)
    )
  })

export const thaw = (life: Life) => {
  const held = life.held ?? []
  life.held = null
  for (const goOn of held) goOn()
}

interface Timer {
  readonly at: number
  readonly order: number
  readonly ring: () => void
}

const isBefore = (one: Timer, other: Timer) => one.at < other.at || (one.at === other.at && one.order < other.order)

/** Timers, the next one first: a binary heap. Those that were called off are let be when their time comes. */
class Timers {
  readonly #heap: Array<Timer> = []

  get next(): Timer | undefined {
    return this.#heap[0]
  }

  add(timer: Timer) {
    const heap = this.#heap
    let hole = heap.length
    heap.push(timer)
    while (hole > 0) {
      const parent = (hole - 1) >> 1
      const above = heap[parent]
      if (above === undefined || !isBefore(timer, above)) break
      heap[hole] = above
      hole = parent
    }
    heap[hole] = timer
  }

  take(): Timer | undefined {
    const heap = this.#heap
    const [first] = heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return first
    let hole = 0
    while (true) {
      const [left, right] = [2 * hole + 1, 2 * hole + 2]
      const [one, other] = [heap[left], heap[right]]
      const child = other !== undefined && one !== undefined && isBefore(other, one) ? right : left
      const below = heap[child]
      if (below === undefined || !isBefore(below, last)) break
      heap[hole] = below
      hole = child
    }
    heap[hole] = last
    return first
  }
}

/** When a life begins. */
export const epoch = Date.UTC(2030, 0, 1)

/** More turns at one moment than this, and somebody runs in circles. */
const maxTurns = 200_000

/** Promises of the engine's digests are kept within so many microtasks. */
const microtasks = 6

export class VirtualTime {
  #now = epoch
  #order = 0
  readonly #ready: Array<() => void> = []
  readonly #timers = new Timers()
  readonly #dice: Dice
  readonly scheduler: Scheduler.MixedScheduler
  /** The world's own clock, which is right. */
  readonly clock: Clock.Clock

  constructor(dice: Dice) {
    this.#dice = dice
    this.scheduler = new Scheduler.MixedScheduler("async", (task) => {
      let isWanted = true
      this.#ready.push(() => {
        if (isWanted) task()
      })
      return () => {
        isWanted = false
      }
    })
    this.clock = this.clockOf(alive())
  }

  get now() {
    return this.#now
  }

  /** Milliseconds since the life began. */
  get elapsed() {
    return this.#now - epoch
  }

  clockOf(life: Life): Clock.Clock {
    const millis = () => this.#now + life.skew
    const nanos = () => BigInt(Math.round(millis())) * 1_000_000n
    const sleep = (duration: Duration.Duration) => {
      const length = Duration.toMillis(duration)
      if (length <= 0) return Effect.yieldNow
      if (!Number.isFinite(length)) return Effect.never
      return Effect.callback<void>((resume) => {
        let isWanted = true
        this.after(length, () => {
          if (isWanted && !life.over) resume(Effect.void)
        })
        return Effect.sync(() => {
          isWanted = false
        })
      })
    }
    return {
      currentTimeMillisUnsafe: millis,
      currentTimeMillis: Effect.sync(millis),
      currentTimeNanosUnsafe: nanos,
      currentTimeNanos: Effect.sync(nanos),
      monotonicTimeNanosUnsafe: () => BigInt(Math.round(this.#now)) * 1_000_000n,
      monotonicTimeNanos: Effect.sync(() => BigInt(Math.round(this.#now)) * 1_000_000n),
      sleep: (duration) => Effect.andThen(sleep(duration), whileAlive(life, Effect.void))
    }
  }

  after(millis: number, ring: () => void) {
    this.#timers.add({ at: this.#now + Math.max(0, millis), order: this.#order++, ring })
  }

  /** Runs what is ready, in an order that the dice tell, until nothing is. */
  async settle() {
    let turns = 0
    do {
      while (this.#ready.length > 0) {
        if (++turns > maxTurns) throw new Error(`somebody runs in circles at ${this.elapsed} ms`)
        const last = this.#ready.length - 1
        const chosen = this.#dice.between(0, last)
        const task = this.#ready[chosen]
        const end = this.#ready.pop()
        if (chosen !== last && end !== undefined) this.#ready[chosen] = end
        task?.()
      }
      for (let n = 0; n < microtasks; n++) await null
    } while (this.#ready.length > 0)
  }

  /** Goes to the next event, at `until` at the latest; whether there is one before that. */
  async step(until: number): Promise<boolean> {
    const next = this.#timers.next
    if (next === undefined || next.at > until) {
      this.#now = Math.max(this.#now, until)
      return false
    }
    this.#timers.take()
    this.#now = Math.max(this.#now, next.at)
    next.ring()
    await this.settle()
    return true
  }
}
