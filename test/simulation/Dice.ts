/**
 * Seeded randomness: one stream for each concern, so that what one concern draws changes nothing of another's, and a
 * seed is one story.
 */

export interface Dice {
  /** At least 0 and below 1. */
  readonly next: () => number
  /** A whole number of `from` to `to`, both included. */
  readonly between: (from: number, to: number) => number
  readonly chance: (probability: number) => boolean
  /** One of several; there must be one. */
  readonly pick: <A>(all: ReadonlyArray<A>) => A
  readonly bytes: (size: number) => Uint8Array<ArrayBuffer>
  readonly uuid: () => string
}

/** FNV-1a. */
const hash = (text: string) => {
  let h = 0x811c9dc5
  for (let n = 0; n < text.length; n++) h = Math.imul(h ^ text.charCodeAt(n), 0x01000193)
  return h >>> 0
}

/** mulberry32: small, and good enough to throw dice. */
export const make = (seed: number, concern: string): Dice => {
  let state = (hash(`${seed}/${concern}`) ^ Math.imul(seed, 0x9e3779b1)) >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const between = (from: number, to: number) => from + Math.floor(next() * (to - from + 1))
  const bytes = (size: number) => Uint8Array.from({ length: size }, () => between(0, 255))
  return {
    next,
    between,
    chance: (probability) => next() < probability,
    pick: (all) => {
      for (const [n, one] of all.entries()) if (n >= all.length - 1 || next() < 1 / (all.length - n)) return one
      throw new Error("there is nothing to pick from")
    },
    bytes,
    uuid: () => {
      const hex = Buffer.from(bytes(16)).toString("hex")
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`
    }
  }
}
