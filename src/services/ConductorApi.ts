/**
 * What guests report, on the topic `trove-conductor`: all casts, all about the reporting guest
 * itself. The method and argument names are Trove's.
 */
import { Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import { cast } from "./Contract.ts"

export const conductorTopic = "trove-conductor"

/** The service statuses that a guest can report, in Trove's words. */
export const ServiceStatus = Schema.Literals([
  "new",
  "building",
  "running",
  "healthy",
  "restarting",
  "shutdown",
  "crashed",
  "failed to spawn",
  "unknown"
])
export type ServiceStatus = typeof ServiceStatus.Type

/** The longest text that a guest may send about itself, in characters. */
export const maxReportLength = 2000

/** What PostgreSQL can keep, and no terminal chokes on. */
const Text = Schema.String.check(Schema.isMaxLength(maxReportLength), Schema.isPattern(/^[^\p{Cc}\p{Cs}]*$/u))
/** Seconds since the epoch, up to the year 2100. */
const Sent = Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: 4_102_444_800 }))

const InstanceId = Schema.String.check(Schema.isMaxLength(36))

export const ConductorApi = RpcGroup.make(
  /** The guest is alive, and so is its database, or not. `sent`: seconds since the epoch. */
  cast("heartbeat", {
    instance_id: InstanceId,
    payload: Schema.Struct({
      service_status: ServiceStatus,
      /** An extension: what the guest is doing just now (pulling an image …), for the history. */
      progress: Schema.optionalKey(Schema.NullOr(Text))
    }),
    sent: Sent
  }),
  /** What the guest was told to do failed; `message` is fit for a tenant. */
  cast("notify_exc_info", { instance_id: InstanceId, message: Text, sent: Sent })
)
