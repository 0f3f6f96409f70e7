/**
 * Which messages were handled lately, so that one which comes again is not: after a lost connection the broker
 * delivers anew what it saw no acknowledgement of, and senders send anew what it did not confirm.
 */

/** How many messages are remembered (oslo remembers 16). */
const capacity = 4096

/** What is to become of each copy of a message: it is done with, or it is to be delivered again. */
type Settle = (isDone: boolean) => void

export type Seen =
  | { readonly _tag: "New" }
  /** It is being handled: `settle` runs when that is over. */
  | { readonly _tag: "InHand"; readonly whenOver: (settle: Settle) => void }
  | { readonly _tag: "Done" }

const isNew: Seen = { _tag: "New" }
const isDone: Seen = { _tag: "Done" }

export class Repeats {
  readonly #inHand = new Map<string, Array<Settle>>()
  readonly #done = new Set<string>()

  /** Asks and remembers in one. */
  see(id: string): Seen {
    if (this.#done.has(id)) return isDone
    const waiting = this.#inHand.get(id)
    if (waiting !== undefined) return { _tag: "InHand", whenOver: (settle) => waiting.push(settle) }
    this.#inHand.set(id, [])
    return isNew
  }

  /** Ends what `see` began. Not done means not handled after all: the next one of that id is new. */
  over(id: string, isDone: boolean): void {
    const waiting = this.#inHand.get(id)
    if (waiting === undefined) return
    this.#inHand.delete(id)
    if (isDone) this.#remember(id)
    for (const settle of waiting) settle(isDone)
  }

  #remember(id: string): void {
    this.#done.add(id)
    if (this.#done.size <= capacity) return
    for (const oldest of this.#done) {
      this.#done.delete(oldest)
      return
    }
  }

  /** What waited came on a channel that is gone, and comes again. */
  forgetWaiting(): void {
    for (const waiting of this.#inHand.values()) waiting.length = 0
  }
}
