/** What the two sides of the RabbitMQ fabric share: names, connections, and who knows the keys. */
import type { Duration } from "effect"
import type { Broker } from "./amqp/Broker.ts"
import type { Publisher } from "./amqp/Publisher.ts"
import type { Deadlines } from "./Deadlines.ts"
import type { Names } from "./oslo/Topology.ts"
import type { Protections } from "./secure/Protection.ts"

export interface RabbitWire {
  readonly names: Names
  /** Listening and publishing have a connection each: a broker that holds back publishers still delivers. */
  readonly listening: Broker
  readonly publisher: Publisher
  readonly deadlines: Deadlines
  readonly protections: Protections["Service"]
  /** oslo's server name: which of a topic's servers this is. */
  readonly server: string
  /** How many messages a server may have in hand. */
  readonly prefetch: number
  /**
   * Whether this is a guest with a login of its own, which declares nothing, takes from its topic's queue only,
   * and answers through the exchange for replies.
   */
  readonly restricted: boolean
  /** Spans cost as much as the rest of a message, also where nobody takes them. */
  readonly isTraced: boolean
  /** Has the queue for dead letters made again, which somebody has deleted. */
  readonly declareDeadLetters: () => void
}

/** How long a cast, a reply or a dead letter waits for a broker that is away. */
export const patience: Record<"cast" | "reply", Duration.Input> = { cast: "2 seconds", reply: "60 seconds" }

/** Of spans, whose stack would show the fabric alone, at the price of an error for each message. */
export const withoutStack = { captureStackTrace: false }
