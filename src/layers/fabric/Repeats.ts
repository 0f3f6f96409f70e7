/**
 * Which messages were handled lately, so that one which comes again is not: after a lost connection the broker
 * delivers anew what it saw no acknowledgement of, and senders send anew what it did not confirm.
 */

/** How many messages are remembered (oslo remembers 16). */
const capacity = 4096

/**
 * What became of a message.
 * - `handled`: whenever it comes again, it is let be.
 * - `buried`: it is with the dead letters. When it comes again, somebody has sent it again.
 * - `unfinished`: it is given back, and is new when it comes again.
 */
export type Fate = "handled" | "buried" | "unfinished"

type Settle = (fate: Fate) => void

export type Seen =
  | { readonly _tag: "New" }
  /** It is being handled: `settle` runs when that is over, and this copy has the same fate. */
  | { readonly _tag: "InHand"; readonly whenOver: (settle: Settle) => void }
  | { readonly _tag: "Done" }

const isNew: Seen = { _tag: "New" }
const isDone: Seen = { _tag: "Done" }

export class Repeats {
  readonly #inHand = new Map<string, Array<Settle>>()
  readonly #done = new Set<string>()
  /** The same in the order in which they were done, each in the place of the one that it makes forgotten. */
  readonly #order: Array<string> = []
  #next = 0

  /** Asks and remembers in one. */
  see(id: string): Seen {
    if (this.#done.has(id)) return isDone
    const waiting = this.#inHand.get(id)
    if (waiting !== undefined) return { _tag: "InHand", whenOver: (settle) => waiting.push(settle) }
    this.#inHand.set(id, [])
    return isNew
  }

  /** Ends what `see` began. */
  over(id: string, fate: Fate): void {
    const waiting = this.#inHand.get(id)
    if (waiting === undefined) return
    this.#inHand.delete(id)
    if (fate === "handled") this.#remember(id)
    for (const settle of waiting) settle(fate)
  }

  #remember(id: string): void {
    const oldest = this.#order[this.#next]
    if (oldest !== undefined) this.#done.delete(oldest)
    this.#order[this.#next] = id
    this.#next = (this.#next + 1) % capacity
    this.#done.add(id)
  }

  /** What waited came on a channel that is gone, and comes again. */
  forgetWaiting(): void {
    for (const waiting of this.#inHand.values()) waiting.length = 0
  }
}
