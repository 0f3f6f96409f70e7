/**
 * What can go wrong, by kind: how likely it is at each occasion, and how often in one life at the most. Which kinds a
 * life knows, the dice say as well, so that some are pure storms and some have one thing wrong. At a moment all stop.
 */
import type { Dice } from "./Dice.ts"
import type { Story } from "./Story.ts"

interface Fault {
  /** At each occasion. */
  readonly chance: number
  /** In one life. */
  readonly most: number
}

/** A new kind belongs at the end: the dice of a life that does not know it are then what they were. */
export const catalog = {
  /** The store does nothing of what it was asked. */
  "store fails before": { chance: 0.01, most: 12 },
  /** The store does it, and nobody is told. */
  "store fails after": { chance: 0.008, most: 10 },
  /** A transaction that is undone in favour of others, and run again while they are committed: once or more often. */
  "store refuses to serialize": { chance: 0.01, most: 6 },
  "store is slow": { chance: 0.02, most: 20 },
  /** For all calls, for seconds. */
  "store is away": { chance: 0.0005, most: 2 },
  "runtime fails before": { chance: 0.15, most: 4 },
  "runtime fails after": { chance: 0.15, most: 4 },
  "runtime is slow": { chance: 0.2, most: 4 },
  "runtime fails for good": { chance: 0.05, most: 1 },
  /** A home that cannot be made or removed. */
  "volume does not appear": { chance: 0.15, most: 3 },
  "volume does not go": { chance: 0.15, most: 3 },
  "guest access fails": { chance: 0.15, most: 4 },
  "database crashes": { chance: 0.3, most: 5 },
  "guest host is killed": { chance: 0.2, most: 3 },
  "guest host freezes": { chance: 0.2, most: 3 },
  "guest host has a wrong clock": { chance: 0.2, most: 3 },
  "guest host loses its power": { chance: 0.1, most: 2 },
  "message is dropped": { chance: 0.06, most: 20 },
  "message comes twice": { chance: 0.06, most: 20 },
  /** By seconds, so that others overtake it. */
  "message is late": { chance: 0.08, most: 20 },
  /** By minutes, after it was delivered once. */
  "message is replayed": { chance: 0.03, most: 6 },
  "call gets nowhere": { chance: 0.08, most: 8 },
  "answer is lost": { chance: 0.08, most: 6 },
  "broker is away": { chance: 0.1, most: 2 },
  "turn dies": { chance: 0.01, most: 3 },
  "taskmanager is killed": { chance: 0.0006, most: 3 },
  "taskmanager freezes": { chance: 0.0006, most: 3 },
  /** A request is not answered, whether it was accepted or not. */
  "api is killed": { chance: 0.008, most: 3 },
  "api freezes": { chance: 0.008, most: 3 },
  /** The tables of the workflow engine, which are in the store as well. */
  "engine's tables fail before": { chance: 0.01, most: 12 },
  "engine's tables fail after": { chance: 0.008, most: 10 },
  "engine's tables are slow": { chance: 0.01, most: 10 },
  /** When it starts, in the middle of an upgrade or after it was taken back for a while. */
  "taskmanager is of the older release": { chance: 0.7, most: 4 },
  /** Nothing can be written there, and what does not run does not start. What runs goes on, and homes can be removed. */
  "guest host's disk is full": { chance: 0.2, most: 3 },
  /** Its database crashes, and does not start until the volume has grown, or has room by itself. */
  "volume is full": { chance: 0.2, most: 3 }
} satisfies Record<string, Fault>

export type FaultKind = keyof typeof catalog

export const kinds = Object.keys(catalog).filter((kind): kind is FaultKind => kind in catalog)

/** How likely it is that a life knows a kind at all. */
const presence = 0.55

export class Faults {
  readonly counts = new Map<FaultKind, number>()
  readonly #known: ReadonlySet<FaultKind>
  readonly #dice: (kind: FaultKind) => Dice
  readonly #story: Story
  #stopped = false

  constructor(dice: (concern: string) => Dice, story: Story) {
    const chooser = dice("faults")
    this.#known = new Set(kinds.filter(() => chooser.chance(presence)))
    const streams = new Map<FaultKind, Dice>()
    this.#dice = (kind) => {
      const known = streams.get(kind)
      if (known !== undefined) return known
      const made = dice(kind)
      streams.set(kind, made)
      return made
    }
    this.#story = story
  }

  /** Nothing goes wrong from now on. */
  stop() {
    this.#stopped = true
  }

  get stopped() {
    return this.#stopped
  }

  /** Whether this goes wrong here and now, so many times as likely as usual; it is counted, and told. */
  strikes(kind: FaultKind, where: string, times = 1): boolean {
    if (this.#stopped || !this.#known.has(kind)) return false
    const { chance, most } = catalog[kind]
    if (!this.#dice(kind).chance(chance * times)) return false
    const count = (this.counts.get(kind) ?? 0) + 1
    if (count > most) return false
    this.counts.set(kind, count)
    this.#story.tell("fault", `${kind}: ${where}`)
    return true
  }

  /** Milliseconds, for how long it lasts. */
  lasts(kind: FaultKind, from: number, to: number): number {
    return this.#dice(kind).between(from, to)
  }
}
