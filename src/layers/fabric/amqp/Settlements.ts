/**
 * What the broker is told of the messages of one channel. Acknowledgements are told once in a turn of the event loop,
 * and as one where nothing older is still in hand: a frame for each costs more than the messages do.
 */
import { type ConfirmChannel, type ConsumeMessage, IllegalOperationError } from "amqplib"

/** What is asked of a channel. */
export type Settling = Pick<ConfirmChannel, "ack" | "nack">

export class Settlements {
  readonly #channel: Settling
  /** In the order in which they came. */
  readonly #inHand = new Set<ConsumeMessage>()
  /** To be acknowledged. */
  #due: Array<ConsumeMessage> = []

  constructor(channel: Settling) {
    this.#channel = channel
  }

  /** A message came: it is in hand until it is acknowledged or refused, of which only the first counts. */
  begin(message: ConsumeMessage): void {
    this.#inHand.add(message)
  }

  ack(message: ConsumeMessage): void {
    if (!this.#inHand.delete(message)) return
    if (this.#due.push(message) === 1) setImmediate(() => this.tell())
  }

  /** At once. With `requeue` it comes again, here or elsewhere. */
  nack(message: ConsumeMessage, requeue: boolean): void {
    if (this.#inHand.delete(message)) this.#send((channel) => channel.nack(message, false, requeue))
  }

  /** Tells what is due without waiting: to be called before the channel is closed. */
  tell(): void {
    const due = this.#due
    this.#due = []
    const oldest = this.#oldestInHand()
    let last: ConsumeMessage | null = null
    for (const message of due) {
      if (tagOf(message) > oldest) this.#send((channel) => channel.ack(message))
      else if (last === null || tagOf(message) > tagOf(last)) last = message
    }
    if (last !== null) this.#send((channel) => channel.ack(last, true))
  }

  #oldestInHand(): number {
    for (const message of this.#inHand) return tagOf(message)
    return Number.POSITIVE_INFINITY
  }

  /** A channel that is gone takes none: its broker delivers again, and the repeat is known. */
  #send(act: (channel: Settling) => void): void {
    try {
      act(this.#channel)
    } catch (error) {
      if (!(error instanceof IllegalOperationError)) throw error
    }
  }
}

const tagOf = ({ fields }: ConsumeMessage) => fields.deliveryTag
