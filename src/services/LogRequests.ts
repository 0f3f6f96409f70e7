/**
 * What may be asked of the logs of an instance. Nothing of them is kept here: the guest is asked, also one whose database is
 * down. Those of the server itself are for administrators.
 */
import { Context, Effect, Layer, Schema } from "effect"
import type { FabricError } from "./Fabric.ts"
import type { GuestRefusal } from "./GuestApi.ts"
import { type LogAction, type LogDetails, type LogPart, type LogText, logsOf } from "./InstanceLogs.ts"
import { InvalidRequest } from "./InstanceRequests.ts"
import type { InstanceRecord } from "./Instances.ts"
import { type InstanceNotReady, servingGuest } from "./ServingGuest.ts"

/** The log is the server's own; `action` is what was to be done with it. */
export class LogAccessForbidden extends Schema.TaggedError<LogAccessForbidden>()("LogAccessForbidden", {
  log: Schema.String,
  action: Schema.String
}) {}

/** Trove's agents put logs into an object store, and tell no text. */
export class LogTextElsewhere extends Schema.TaggedError<LogTextElsewhere>()("LogTextElsewhere", {}) {}

export interface LogCaller {
  readonly isAdmin: boolean
}

type Refusal = InstanceNotReady | InvalidRequest | LogAccessForbidden | GuestRefusal | FabricError

const nameOf = ({ discard, disable, enable, publish }: LogAction) =>
  publish ? "publish" : discard ? "discard" : enable ? "enable" : disable ? "disable" : "show"

export class LogRequests extends Context.Service<
  LogRequests,
  {
    readonly list: (
      instance: InstanceRecord,
      caller: LogCaller
    ) => Effect.Effect<ReadonlyArray<LogDetails>, InstanceNotReady | GuestRefusal | FabricError>
    readonly act: (
      instance: InstanceRecord,
      caller: LogCaller,
      log: string,
      action: LogAction
    ) => Effect.Effect<LogDetails, Refusal>
    readonly text: (
      instance: InstanceRecord,
      caller: LogCaller,
      log: string,
      part: LogPart
    ) => Effect.Effect<LogText, Refusal | LogTextElsewhere>
  }
>()("coffer/services/LogRequests") {
  static readonly layer = Layer.effect(
    LogRequests,
    Effect.gen(function* () {
      const { agentOf } = yield* servingGuest

      const mayBeTold = (type: string, { isAdmin }: LogCaller) => isAdmin || type === "USER"

      /** The agent of an instance that has such a log, which the caller may see. */
      const agentWith = Effect.fnUntraced(function* (
        instance: InstanceRecord,
        caller: LogCaller,
        log: string,
        action: string
      ) {
        const agent = yield* agentOf(instance)
        const type = agent.version === undefined ? undefined : logsOf(agent.version.manager).get(log)
        // Trove's agents have one more.
        if (type === undefined && !(agent.isTroves && caller.isAdmin))
          return yield* new InvalidRequest({ message: `Log '${log}' is not defined.` })
        if (!mayBeTold(type ?? "SYS", caller)) return yield* new LogAccessForbidden({ log, action })
        return agent
      })

      return {
        list: Effect.fnUntraced(function* (instance, caller) {
          const { guest } = yield* agentOf(instance)
          return (yield* guest.guest_log_list({})).filter(({ type }) => mayBeTold(type, caller))
        }),
        act: Effect.fn("LogRequests.act")(function* (instance, caller, log, action) {
          if (action.enable && action.disable)
            return yield* new InvalidRequest({ message: `Cannot enable and disable log '${log}'.` })
          const { guest } = yield* agentWith(instance, caller, log, nameOf(action))
          return yield* guest.guest_log_action({ log_name: log, ...action })
        }),
        text: Effect.fnUntraced(function* (instance, caller, log, part) {
          const { guest, isTroves } = yield* agentWith(instance, caller, log, "read")
          if (isTroves) return yield* new LogTextElsewhere()
          return yield* guest.guest_log_text({ log_name: log, ...part })
        })
      }
    })
  )
}
