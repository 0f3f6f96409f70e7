/**
 * What a guest may do at the broker: the least that its agent can live with.
 *
 * **Our agents** declare nothing and bind nothing. They take from their own queue, tell the conductor, and answer.
 * They write to two exchanges that are the guests' alone: one to which the conductor's queue is bound and nothing
 * else, and one that leads to queues for replies. The control exchange itself they may not write to, with whatever
 * routing key: RabbitMQ judges a message by its routing key only, and delivers it by those in its headers `CC` and
 * `BCC` as well (seen with 3.10), so that a right to the key `trove-conductor` there is one to every topic.
 *
 * **Trove's agents** declare their queues and exchanges themselves, and answer through the default exchange. Their
 * control exchange is one of their own, named as their topic is, to which the conductor's queue is bound. What they
 * can do and ours cannot:
 * - put a message into any queue of the virtual host, through the default exchange. It opens nothing, for the keys
 *   are not theirs; but it takes room there, up to the queue's bound;
 * - make and remove queues and exchanges under their own name, and so undo what was made for themselves.
 * With transient queues it is worse: an exchange of their own would lose its bindings with the broker's next start,
 * so that they share the control exchange, and can write to every topic, or remove it.
 */
import type { AgentKind } from "../../services/GuestAccess.ts"
import { guestTopic } from "../../services/GuestApi.ts"
import { guestHostTopic } from "../../services/GuestHostApi.ts"
import type { InstanceId } from "../../services/Ids.ts"
import { type Names, replyExchange } from "../fabric/oslo/Topology.ts"

/** The control exchange as our guests see it, and by `replyExchange` where they answer. */
export const guestExchange = ({ exchange, queues }: Names): Names => ({ exchange: `${exchange}_guests`, queues })

export interface Rights {
  /** What the guest takes for the control exchange. */
  readonly controlExchange: string
  /** Patterns of names of queues and exchanges. */
  readonly permissions: { readonly configure: string; readonly write: string; readonly read: string }
  /** Patterns of routing keys, for exchanges of which not all will do. */
  readonly topics: ReadonlyArray<{ readonly exchange: string; readonly write: string; readonly read: string }>
  /** More than these at a time is no agent. */
  readonly limits: { readonly "max-connections": number; readonly "max-channels": number }
}

const quoted = (name: string) => name.replace(/[^\w-]/g, "\\$&")
const exactly = (...patterns: ReadonlyArray<string>) => `^(${patterns.join("|")})$`
const nothing = "^$"

const replyQueues = "^reply_[0-9a-f]{32}$"

/** oslo.messaging keeps up to 30 connections for sending, and opens new ones before the broker has missed the old. */
const limits = { "max-connections": 64, "max-channels": 128 }

const ofOurs = (topic: string, conductor: string, names: Names): Rights => {
  const { exchange } = guestExchange(names)
  const replies = replyExchange(guestExchange(names))
  return {
    controlExchange: exchange,
    permissions: {
      configure: nothing,
      write: exactly(quoted(exchange), quoted(replies)),
      read: exactly(quoted(topic))
    },
    topics: [
      { exchange, write: exactly(quoted(conductor)), read: nothing },
      { exchange: replies, write: replyQueues, read: nothing }
    ],
    limits
  }
}

/** Seen with oslo.messaging 14.0.3: its server declares and binds all of these again at every start. */
const ofTroves = (topic: string, server: string, conductor: string, { exchange, queues }: Names): Rights => {
  // Its exchange and its queues: the topic's, its own of the topic, and its share of what is told to all.
  const own = `${quoted(topic)}(\\.${quoted(server)}|_fanout(_[0-9a-f]{32})?)?`
  if (queues !== "transient") {
    return {
      controlExchange: topic,
      permissions: { configure: exactly(own), write: exactly(own, "amq\\.default"), read: exactly(own) },
      topics: [],
      limits
    }
  }
  const shared = quoted(exchange)
  return {
    controlExchange: exchange,
    permissions: {
      configure: exactly(own, shared),
      write: exactly(own, shared, "amq\\.default"),
      read: exactly(own, shared)
    },
    topics: [{ exchange, write: exactly(quoted(conductor)), read: exactly(own) }],
    limits
  }
}

/** `conductor`: the topic that guests report to. */
export const rightsOf = (agent: AgentKind, id: InstanceId, conductor: string, names: Names): Rights =>
  agent === "trove" ? ofTroves(guestTopic(id), id, conductor, names) : ofOurs(guestTopic(id), conductor, names)

/** Of a guest host: on its own topic what our guests have on theirs. */
export const rightsOfHost = (name: string, conductor: string, names: Names): Rights =>
  ofOurs(guestHostTopic(name), conductor, names)
