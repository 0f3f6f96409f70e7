/** Users of the broker, each with its rights: made, and taken away together with their connections. */
import { Duration, Effect, Option, Redacted, Schedule, Schema } from "effect"
import { GuestAccessError } from "../../services/GuestAccess.ts"
import { derive, type Origin } from "../fabric/secure/Derive.ts"
import type { Rights } from "./GuestRights.ts"
import type { Management } from "./Management.ts"

/** How long a connection may take to be closed, and how often that is looked at. */
const closedWithin = Duration.seconds(10)
const lookAgain = Duration.millis(100)

const Connections = Schema.Array(Schema.Record(Schema.String, Schema.Unknown))

/** The password of who has this key: the same each time, and nothing of the key can be told from it. */
export const passwordOf = (key: Origin): Redacted.Redacted =>
  Redacted.make(Buffer.from(Redacted.value(derive(key, "broker login"))).toString("base64url"))

export const make = (management: Management, vhost: string) => {
  /** The user has this password and these rights, and is no administrator of anything. */
  const ensure = Effect.fnUntraced(function* (user: string, password: Redacted.Redacted, rights: Rights) {
    // Of two who make the same user at once, RabbitMQ refuses one; it is there for him the second time.
    yield* Effect.retry(management.put(["users", user], { password: Redacted.value(password), tags: "" }), { times: 1 })
    yield* management.put(["permissions", vhost, user], rights.permissions)
    for (const topic of rights.topics) yield* management.put(["topic-permissions", vhost, user], topic)
    for (const [limit, value] of Object.entries(rights.limits)) {
      yield* management.put(["user-limits", user, limit], { value })
    }
  })

  /**
   * Nobody is connected as this user after it, or can be. The broker closes the connections of a user that is gone by
   * itself, and fails when it is asked to close one that it is closing: what is left a little later is closed here.
   */
  const remove = Effect.fnUntraced(function* (user: string) {
    yield* management.remove(["users", user])
    const path = ["connections", "username", user]
    const areClosed = Effect.gen(function* () {
      const open = yield* management.find(path, Connections)
      if (Option.isNone(open) || open.value.length === 0) return true
      yield* management.remove(path)
      return false
    })
    yield* Effect.orElseSucceed(areClosed, () => false).pipe(
      Effect.repeat({ until: (closed) => closed, schedule: Schedule.spaced(lookAgain) }),
      Effect.timeoutOrElse({
        duration: closedWithin,
        orElse: () =>
          Effect.fail(new GuestAccessError({ detail: `RabbitMQ does not close the connections of ${user}.` }))
      })
    )
  })

  return { ensure, remove }
}
