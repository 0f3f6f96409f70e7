/**
 * What a tenant sees of an instance: a pure function of where it is in its life and what its guest
 * was last seen to be. Never stored.
 */
import { Schema } from "effect"
import type { ServiceStatus } from "./ConductorApi.ts"
import { Millis } from "./Ids.ts"

/** Where an instance can be in its life; what each state holds is its actor's (`actors/Instance.ts`). */
export const StateTag = Schema.Literals(["New", "Building", "Active", "Deleting", "Deleted", "Failed"])
export type StateTag = typeof StateTag.Type

/** Why an instance is in ERROR: `message` is for its tenant, `details` for an operator. */
export const Fault = Schema.Struct({
  message: Schema.String,
  details: Schema.NullOr(Schema.String),
  at: Millis
})
export type Fault = typeof Fault.Type

/** Trove's `agent_heartbeat_expiry`: a guest that is silent for longer counts as lost, in milliseconds. */
export const heartbeatExpiry = 90_000

/** What the conductor last heard of a guest. */
export interface Observation {
  readonly status: ServiceStatus
  readonly heartbeatAt: Millis
}

/** A delete that was accepted shows at once, before its actor has taken it. */
export const shownState = (tag: StateTag, deleteRequested: boolean): StateTag =>
  deleteRequested && (tag === "New" || tag === "Building" || tag === "Active") ? "Deleting" : tag

/** The API's `status`, in Trove's words. */
export const statusOf = (state: StateTag): "BUILD" | "ACTIVE" | "SHUTDOWN" | "ERROR" => {
  switch (state) {
    case "New":
    case "Building":
      return "BUILD"
    case "Active":
      return "ACTIVE"
    case "Deleting":
    case "Deleted":
      return "SHUTDOWN"
    case "Failed":
      return "ERROR"
  }
}

const apiStatus: Record<ServiceStatus, string> = {
  new: "NEW",
  building: "BUILD",
  running: "ACTIVE",
  healthy: "HEALTHY",
  restarting: "RESTARTING",
  shutdown: "SHUTDOWN",
  crashed: "SHUTDOWN",
  "failed to spawn": "FAILED",
  unknown: "ERROR"
}

/** The API's `operating_status`: empty while an operation runs, ERROR when the guest has gone silent. */
export const operatingStatusOf = (state: StateTag, observed: Observation | null, now: Millis): string => {
  if (state !== "Active") return ""
  if (observed === null) return "NEW"
  return now - observed.heartbeatAt > heartbeatExpiry ? "ERROR" : apiStatus[observed.status]
}

/** Whether users, databases and root can be asked of the guest. */
export const isServing = (observed: Observation | null): boolean =>
  observed !== null && (observed.status === "healthy" || observed.status === "running")
