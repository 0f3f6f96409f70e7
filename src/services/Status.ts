/**
 * What a tenant sees of an instance: a pure function of where it is in its life and what its guest
 * was last seen to be. Never stored.
 */
import { Schema } from "effect"
import type { ServiceStatus } from "./ConductorApi.ts"
import { Millis } from "./Ids.ts"

/** Where an instance can be in its life; what each state holds is its actor's (`actors/Instance.ts`). */
export const StateTag = Schema.Literals([
  "New",
  "Building",
  "Active",
  "Restarting",
  "Configuring",
  "Resizing",
  "Stopping",
  "Stopped",
  "Starting",
  "Upgrading",
  "Rebuilding",
  "Deleting",
  "Deleted",
  "Failed"
])
export type StateTag = typeof StateTag.Type

/** A state by its name in the store: `Unknown` is one of a newer release, which this one does not know. */
export const StoredState = Schema.Literals([...StateTag.literals, "Unknown"])
export type StoredState = typeof StoredState.Type

/**
 * A state as it is shown: `RestartRequired` is at rest in service, with a server that has to be started anew to take all
 * of its configuration group.
 */
export const ShownState = Schema.Literals([...StoredState.literals, "RestartRequired"])
export type ShownState = typeof ShownState.Type

const isStateTag = Schema.is(StateTag)

/** A state by the name that the store has for it. */
export const stateNamed = (tag: string): StoredState => (isStateTag(tag) ? tag : "Unknown")

const expectsGuest: Record<StateTag, boolean> = {
  New: true,
  Building: true,
  Active: true,
  Restarting: true,
  Configuring: true,
  Resizing: true,
  Stopping: true,
  Stopped: true,
  Starting: true,
  Upgrading: true,
  Rebuilding: true,
  Deleting: false,
  Deleted: false,
  Failed: false
}

/** Where no guest is expected to report, and none is heard. In a state that only a newer release knows, it is. */
export const quietStates: ReadonlyArray<string> = StateTag.literals.filter((tag) => !expectsGuest[tag])

/** Why an instance is in ERROR: `message` is for its tenant, `details` for an operator. */
export const Fault = Schema.Struct({
  message: Schema.String,
  details: Schema.NullOr(Schema.String),
  at: Millis
})
export type Fault = typeof Fault.Type

/**
 * A guest that is silent for longer counts as lost, in milliseconds. Trove's own 90 s would do for our agents, which
 * report every 30 s; but Trove's report every 60 or 90 s, and up to 5 % later, so that 90 s take healthy ones for
 * lost. This is longer than two of their longest gaps (2 × 94.5 s): one heartbeat may get lost, and the next one
 * be a while on its way, before anybody is alarmed.
 */
export const heartbeatExpiry = 200_000

/** What the conductor last heard of a guest. */
export interface Observation {
  readonly status: ServiceStatus
  readonly heartbeatAt: Millis
}

/** What was accepted and its actor has not taken yet. */
export interface Requested {
  /** Ever, and be it one that has failed since. */
  readonly delete: boolean
  /** In the very state that it is in, by the command's name: of what has failed its delete or a rebuild, of all else what is done next. */
  readonly now: string | null
  readonly configure: boolean
  readonly resize: boolean
}

/** What a state holds that shows. */
export interface Shades {
  readonly restartRequired: boolean
  /** A restart follows what is under way. */
  readonly restart: boolean
  /** It is to be a rebuild. */
  readonly rebuild: boolean
  /** A resize follows what is under way. */
  readonly resize: boolean
  /** A stop does. */
  readonly stop: boolean
}

/** What was accepted shows at once. A delete that has failed does not show any more, until it is asked for again. */
export const shownState = (tag: string, requested: Requested, shades: Shades): ShownState => {
  const state = stateNamed(tag)
  if (state === "Unknown") return state
  if (requested.delete && expectsGuest[state]) return "Deleting"
  const isOpen = state === "Active" || state === "Configuring"
  if ((isOpen || state === "Stopped" || state === "Failed") && requested.now === "Rebuild") return "Rebuilding"
  if (state === "Failed" && requested.now !== null) return "Deleting"
  if (isOpen && (requested.now === "Stop" || shades.stop)) return "Stopping"
  if (isOpen && shades.rebuild) return "Rebuilding"
  if (isOpen && (requested.now === "Restart" || shades.restart)) return "Restarting"
  if (isOpen && requested.now === "Upgrade") return "Upgrading"
  if (state === "Stopped" && requested.now !== null) return "Starting"
  if (isOpen && (requested.resize || shades.resize)) return "Resizing"
  if (state === "Active" && requested.configure) return "Configuring"
  return state === "Active" && shades.restartRequired ? "RestartRequired" : state
}

/** The API's `status`, in Trove's words. */
export const statusOf = (
  state: ShownState
): "BUILD" | "ACTIVE" | "REBOOT" | "RESIZE" | "UPGRADE" | "RESTART_REQUIRED" | "SHUTDOWN" | "ERROR" | "UNKNOWN" => {
  switch (state) {
    case "New":
    case "Building":
    // As in Trove, to which it is another build.
    case "Rebuilding":
      return "BUILD"
    case "Active":
      return "ACTIVE"
    // As in Trove, whose clients bring back what was stopped with a restart.
    case "Starting":
    case "Restarting":
      return "REBOOT"
    case "Upgrading":
      return "UPGRADE"
    case "Resizing":
      return "RESIZE"
    // As in Trove, whose group needs a restart until it is seen that it does not.
    case "Configuring":
    case "RestartRequired":
      return "RESTART_REQUIRED"
    case "Stopping":
    case "Stopped":
    case "Deleting":
    case "Deleted":
      return "SHUTDOWN"
    case "Failed":
      return "ERROR"
    case "Unknown":
      return "UNKNOWN"
  }
}

const apiStatus: Record<ServiceStatus, string> = {
  new: "NEW",
  building: "BUILD",
  running: "ACTIVE",
  healthy: "HEALTHY",
  "instance ready": "BUILD",
  "restart required": "RESTART_REQUIRED",
  restarting: "RESTARTING",
  upgrading: "UPGRADING",
  "promoting replica": "PROMOTE",
  "ejecting replica source": "EJECT",
  "transferring guest logs": "LOGGING",
  blocked: "BLOCKED",
  paused: "SHUTDOWN",
  shutdown: "SHUTDOWN",
  crashed: "SHUTDOWN",
  deleted: "DELETED",
  "failed to spawn": "FAILED",
  "guestagent error": "ERROR",
  unknown: "ERROR"
}

/** What the guest was last seen to be, in the API's words. */
export const apiStatusOf = (observed: Observation | null): string =>
  observed === null ? "NEW" : apiStatus[observed.status]

/**
 * The API's `operating_status`: empty while an operation runs, ERROR when the guest has gone silent. What is stopped and
 * what is being deleted have one status, and are told apart by this.
 */
export const operatingStatusOf = (state: ShownState, observed: Observation | null, now: Millis): string => {
  if (state !== "Active" && state !== "Stopped") return ""
  return observed !== null && isSilent(observed, now) ? "ERROR" : apiStatusOf(observed)
}

/** Whether nothing was heard of the guest for so long that something is amiss. */
export const isSilent = ({ heartbeatAt }: Observation, now: Millis) => now - heartbeatAt > heartbeatExpiry

/** Whether the guest has carried out its order: in a cluster, it waits for the others then. */
export const isReady = (observed: Observation): boolean => isServing(observed) || observed.status === "instance ready"

/** What a guest must have been last seen to be for its database to be acted on, as by a restart. */
const actionable: ReadonlySet<ServiceStatus> = new Set([
  "healthy",
  "running",
  "shutdown",
  "crashed",
  "blocked",
  "restart required"
])

/**
 * Whether an instance at rest can be acted on: its guest was heard of, and was not busy with something else. One that
 * has fallen silent can, as in Trove: it may be why somebody acts.
 */
export const isActionable = (observed: Observation | null): boolean =>
  observed !== null && actionable.has(observed.status)

/** Whether there is a database that serves, and nothing under way that takes it away. */
export const isInService = (state: ShownState): boolean =>
  state === "Active" || state === "RestartRequired" || state === "Configuring"

/**
 * Whether a configuration group can be attached or detached: it is brought now, or with the start of what is stopped. Also
 * where a restart is awaited: Terraform detaches one and attaches another at once, and asks for no restart in between.
 */
export const takesGroups = (state: ShownState): boolean => isInService(state) || state === "Stopped"

/** Whether users, databases and root can be asked of the guest. */
export const isServing = (observed: { readonly status: ServiceStatus } | null): boolean =>
  observed !== null && (observed.status === "healthy" || observed.status === "running")
