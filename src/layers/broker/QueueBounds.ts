/**
 * No queue grows without end: a policy for each kind of queue says how much may wait in it before senders are
 * refused. RabbitMQ lets one policy only rule a queue, so that an operator's own and ours may shut each other out:
 * that is found, and said.
 */
import { Effect, Option, Schema } from "effect"
import { conductorTopic } from "../../services/ConductorApi.ts"
import type { GuestAccessError } from "../../services/GuestAccess.ts"
import { guestTopic } from "../../services/GuestApi.ts"
import { guestHostTopic } from "../../services/GuestHostApi.ts"
import { InstanceId } from "../../services/Ids.ts"
import { taskmanagerTopic } from "../../services/TaskmanagerApi.ts"
import type { Management } from "./Management.ts"

/** What may wait in one queue. */
export interface QueueBound {
  readonly messages: number
  readonly bytes: number
}

export interface QueueBounds {
  /** For the taskmanager, for a guest, for a host. */
  readonly requests: QueueBound
  /** For the conductor, from all guests together. */
  readonly reports: QueueBound
  /** For one process of the control plane, from all that it asked. */
  readonly replies: QueueBound
}

const megabyte = 1_000_000

export const defaultBounds: QueueBounds = {
  requests: { messages: 1024, bytes: 64 * megabyte },
  reports: { messages: 100_000, bytes: 512 * megabyte },
  replies: { messages: 1024, bytes: 64 * megabyte }
}

/** Above a policy for all queues, which has 0 unless somebody chose otherwise. */
const priority = 1

/** How many policies of an operator's are named in a warning. */
const maxNamed = 10

const policies = (bounds: QueueBounds) => [
  { name: "coffer-bounds", pattern: "^(taskmanager|guestagent|guesthost)([._].+)?$", bound: bounds.requests },
  { name: "coffer-conductor-bounds", pattern: "^trove-conductor([._].+)?$", bound: bounds.reports },
  { name: "coffer-reply-bounds", pattern: "^reply_", bound: bounds.replies }
]

export const ensure = (
  management: Management,
  vhost: string,
  bounds: QueueBounds
): Effect.Effect<void, GuestAccessError> =>
  Effect.forEach(
    policies(bounds),
    ({ bound, name, pattern }) =>
      management.put(["policies", vhost, name], {
        pattern,
        definition: { "max-length": bound.messages, "max-length-bytes": bound.bytes, overflow: "reject-publish" },
        "apply-to": "queues",
        priority
      }),
    { discard: true }
  )

const Policies = Schema.Array(
  Schema.Struct({
    name: Schema.String,
    pattern: Schema.String,
    priority: Schema.Number,
    "apply-to": Schema.String,
    definition: Schema.Record(Schema.String, Schema.Unknown)
  })
)

/** A queue of each kind. */
const examples = [
  taskmanagerTopic,
  guestTopic(InstanceId.make("00000000-0000-4000-8000-000000000000")),
  guestHostTopic("host"),
  conductorTopic,
  `reply_${"0".repeat(32)}`
]

/** RabbitMQ reads more in a pattern than we can: what cannot be read here may match. */
const mayMatch = (pattern: string) => {
  try {
    const found = new RegExp(pattern)
    return examples.some((name) => found.test(name))
  } catch {
    return true
  }
}

/** One sentence for each policy of an operator's that rules one of our queues, or no longer does. */
export const rivals = Effect.fnUntraced(function* (management: Management, vhost: string) {
  const all = Option.getOrElse(yield* management.find(["policies", vhost], Policies), () => [])
  const ours = new Set(policies(defaultBounds).map(({ name }) => name))
  return all
    .filter(({ name }) => !ours.has(name))
    .filter((policy) => !["exchanges", "streams"].includes(policy["apply-to"]) && mayMatch(policy.pattern))
    .map(({ definition, name, pattern, priority: theirs }) =>
      theirs < priority
        ? `${name} (${pattern}) does not hold for Coffer's queues: ${Object.keys(definition).join(", ")} is lost there.`
        : `${name} (${pattern}, priority ${theirs}) may hold in place of Coffer's: queues that it rules can grow without end.`
    )
})

/** Says once what an operator could not see: that his policy and ours are about the same queues. */
export const warnOfRivals = Effect.fnUntraced(function* (management: Management, vhost: string) {
  const found = yield* rivals(management, vhost)
  if (found.length === 0) return
  const more = found.length > maxNamed ? ` And ${found.length - maxNamed} more.` : ""
  yield* Effect.logWarning(
    `RabbitMQ lets one policy rule a queue, the one with the highest priority; Coffer's have ${priority}. ` +
      found.slice(0, maxNamed).join(" ") +
      more
  )
})
