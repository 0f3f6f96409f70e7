/** Why an instance in service does not serve, as its guest told it last, for whoever looks at it. */
import { Clock, Context, Effect, Layer } from "effect"
import { guestSays, History } from "./History.ts"
import type { InstanceRecord } from "./Instances.ts"
import { isInService, isServing, isSilent } from "./Status.ts"

/** How a guest speaks of its database; what else it tells is of something else. */
const ofDatabase = /^(the database |a client can log in)/
const ofTrouble = /^the database (is down|has crashed|did not start)/

export class Trouble extends Context.Service<
  Trouble,
  {
    /** In words for the tenant; null where nothing is amiss, or nobody told. */
    readonly of: (instance: InstanceRecord) => Effect.Effect<string | null>
  }
>()("coffer/services/Trouble") {
  static readonly layer = Layer.effect(
    Trouble,
    Effect.gen(function* () {
      const history = yield* History
      return {
        of: Effect.fnUntraced(function* ({ desired, observed, state }) {
          if (!isInService(state) || observed === null) return null
          const { heartbeatAt } = observed
          if (isSilent(observed, yield* Clock.currentTimeMillis))
            return `its guest agent was last heard of at ${new Date(heartbeatAt).toISOString().slice(0, 19)}`
          if (isServing(observed)) return null
          const entries = yield* history.list(desired.id)
          const said = entries
            .flatMap((entry) => (entry.kind === "report" && entry.text.startsWith(guestSays) ? [entry.text] : []))
            .map((text) => text.slice(guestSays.length))
            .findLast((text) => ofDatabase.test(text))
          // Trouble that is over is no reason for what came after it.
          return said !== undefined && ofTrouble.test(said) ? said : null
        })
      }
    })
  )
}
