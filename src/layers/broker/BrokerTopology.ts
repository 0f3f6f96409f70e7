/**
 * What the broker must have so that guests are heard. Made at the start, with each guest, and every while, so that
 * what was lost with a broker comes back.
 */
import { Effect, Option, Schema } from "effect"
import { conductorTopic } from "../../services/ConductorApi.ts"
import type { AgentKind, GuestAccessError } from "../../services/GuestAccess.ts"
import { guestTopic } from "../../services/GuestApi.ts"
import { guestHostTopic } from "../../services/GuestHostApi.ts"
import type { InstanceId } from "../../services/Ids.ts"
import { type Names, type QueueKind, replyExchange } from "../fabric/oslo/Topology.ts"
import { guestExchange } from "./GuestRights.ts"
import type { Management } from "./Management.ts"

type Done = Effect.Effect<void, GuestAccessError>

const Named = Schema.Struct({ name: Schema.String })

export interface Broker {
  readonly management: Management
  readonly vhost: string
  readonly names: Names
}

export const make = ({ management, names, vhost }: Broker) => {
  const isThere = (kind: "queues" | "exchanges", name: string) =>
    Effect.map(management.find([kind, vhost, name], Named, "?columns=name"), Option.isSome)

  /**
   * Stands at the broker while it has all that was made for guests. It is lost with the broker's data, and taken away
   * by whoever finds an exchange missing, whichever process that is: with an exchange go the ways to guests' queues.
   */
  const mark = ["global-parameters", `coffer_guests_complete:${vhost}:${names.exchange}`]

  /** One that is there is left as it is: whoever declared it otherwise finds his own. */
  const exchange = Effect.fnUntraced(function* (name: string, durable: boolean) {
    if (yield* isThere("exchanges", name)) return
    yield* management.remove(mark)
    yield* management.put(["exchanges", vhost, name], { type: "topic", durable, auto_delete: false })
  })

  const queue = Effect.fnUntraced(function* (name: string, kind: QueueKind) {
    if (yield* isThere("queues", name)) return
    const args = kind === "quorum" ? { "x-queue-type": "quorum" } : {}
    yield* management.put(["queues", vhost, name], {
      durable: kind !== "transient",
      auto_delete: false,
      arguments: args
    })
  })

  const bind = (from: string, to: "q" | "e", name: string, key: string): Done =>
    management.post(["bindings", vhost, "e", from, to, name], { routing_key: key, arguments: {} })

  const outlives = names.queues !== "transient"
  const guests = guestExchange(names)

  /** Where guests report and answer. */
  const ensureShared: Done = Effect.gen(function* () {
    yield* exchange(names.exchange, outlives)
    for (const durable of [replyExchange(names), guests.exchange, replyExchange(guests)]) yield* exchange(durable, true)
    yield* bind(replyExchange(guests), "e", replyExchange(names), "#")
    yield* queue(conductorTopic, names.queues)
    for (const from of [names.exchange, guests.exchange]) yield* bind(from, "q", conductorTopic, conductorTopic)
  })

  /** False where the broker lacks what was made for guests one by one. */
  const isComplete = Effect.map(management.find(mark, Named, "?columns=name"), Option.isSome)

  /** All guests have again what is theirs. */
  const complete: Done = management.put(mark, { value: true })

  const ensureQueue = Effect.fnUntraced(function* (topic: string, kind: QueueKind) {
    yield* queue(topic, kind)
    yield* bind(names.exchange, "q", topic, topic)
  })

  /** Ours may not declare theirs again, so it outlives the broker in any case. */
  const lasting = outlives ? names.queues : "durable"

  /** The queue where a guest host is asked. */
  const ensureHost = (name: string) => ensureQueue(guestHostTopic(name), lasting)

  /** The guest's queue, where it is asked, and of Trove's agents the exchange through which they report. */
  const ensureGuest = Effect.fnUntraced(function* (id: InstanceId, agent: AgentKind, controlExchange: string) {
    const topic = guestTopic(id)
    yield* ensureQueue(topic, agent === "coffer" ? lasting : names.queues)
    if (controlExchange !== topic) return
    yield* exchange(topic, outlives)
    yield* bind(topic, "q", conductorTopic, conductorTopic)
  })

  return { ensureShared, isComplete, complete, ensureGuest, ensureHost }
}
