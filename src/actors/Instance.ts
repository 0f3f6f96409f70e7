/**
 * The words of an instance's life: its states, and the events that move it. Data only; what an event means in a
 * state stands in Lifecycle.ts.
 */
import { Schema } from "effect"
import { ServiceStatus } from "../services/ConductorApi.ts"
import { Millis, OperationId, Text } from "../services/Ids.ts"
import { ResizeTarget } from "../services/Resizes.ts"
import { Fault } from "../services/Status.ts"

/** An operation under way: it ends, one way or the other, by its deadline. */
const underWay = { operation: OperationId, deadline: Millis }

/** Accepted, and nothing done yet. */
export const New = Schema.TaggedStruct("New", {})
/** Operations that were called off, and have not come to their end yet: see `CalledOff.ts`. */
const calledOff = { previous: Schema.NullOr(OperationId), earlier: Schema.optionalKey(Schema.Array(OperationId)) }
/** The configuration group has changed meanwhile: it is brought to the guest when the operation has ended. */
const configure = Schema.optionalKey(Schema.Boolean)
/** The server runs, and has to be started anew to take all of its configuration group. */
const restartRequired = Schema.optionalKey(Schema.Boolean)
/** `anew`: what an earlier build may have left is taken back first. */
export const Building = Schema.TaggedStruct("Building", {
  ...underWay,
  anew: Schema.optionalKey(Schema.Boolean),
  configure
})
export const Active = Schema.TaggedStruct("Active", { restartRequired })
export const Restarting = Schema.TaggedStruct("Restarting", { ...underWay, configure, restartRequired })
/** `restart`, `stop`, `resize`: one of them was asked for meanwhile; `rebuild`: the restart is to be a rebuild. */
export const Configuring = Schema.TaggedStruct("Configuring", {
  ...underWay,
  configure,
  restartRequired,
  restart: Schema.optionalKey(Schema.Boolean),
  rebuild: Schema.optionalKey(Schema.Boolean),
  stop: Schema.optionalKey(Schema.Boolean),
  resize: Schema.optionalKey(ResizeTarget)
})
/** `calledOff`: it goes back to what it was. */
export const Resizing = Schema.TaggedStruct("Resizing", {
  ...underWay,
  to: ResizeTarget,
  configure,
  restartRequired,
  calledOff: Schema.optionalKey(Schema.Boolean)
})
/**
 * The guest tries another version on a copy of the data. `calledOff`, with the reason: nobody waits for the new version any
 * more, but which of the two serves is the guest's to tell.
 */
export const Upgrading = Schema.TaggedStruct("Upgrading", {
  ...underWay,
  /** The id of the version that it goes to. */
  version: Schema.String,
  calledOff: Schema.optionalKey(Schema.String),
  configure
})
export const Stopping = Schema.TaggedStruct("Stopping", { ...underWay, configure, restartRequired })
/** At rest, with a database that is not to run. What its configuration group is by then, its start brings. */
export const Stopped = Schema.TaggedStruct("Stopped", {})
export const Starting = Schema.TaggedStruct("Starting", { ...underWay, configure, restartRequired })
/** The server is made anew over its data. `stopped`: it was before, and is so again where this fails. */
export const Rebuilding = Schema.TaggedStruct("Rebuilding", {
  ...underWay,
  configure,
  restartRequired,
  stopped: Schema.optionalKey(Schema.Boolean)
})
/** What it calls off comes to its end first. */
export const Deleting = Schema.TaggedStruct("Deleting", { ...underWay, ...calledOff })
export const Deleted = Schema.TaggedStruct("Deleted", { at: Millis })
/** What a retry of an instance that has failed is: its build, its delete, or to be back in service, or stopped. */
export const Again = Schema.Literals(["build", "delete", "service", "stopped"])
export type Again = typeof Again.Type
/** `previous` may be one that takes back, too; `resize`: what it resizes to, should it succeed after all. `again` is not there where a release of the past has written the state. */
export const Failed = Schema.TaggedStruct("Failed", {
  fault: Fault,
  ...calledOff,
  again: Schema.optionalKey(Again),
  configure,
  resize: Schema.optionalKey(ResizeTarget)
})

export const State = Schema.Union([
  New,
  Building,
  Active,
  Restarting,
  Configuring,
  Upgrading,
  Resizing,
  Stopping,
  Stopped,
  Starting,
  Rebuilding,
  Deleting,
  Deleted,
  Failed
])
export type State = typeof State.Type

/**
 * Commands are written to the instance's durable mailbox: by the api in the transaction that accepts
 * a request, by an operation in its last step. Each is handled once.
 */
export const Create = Schema.TaggedStruct("Create", {})
export const Restart = Schema.TaggedStruct("Restart", {})
export const Stop = Schema.TaggedStruct("Stop", {})
export const Start = Schema.TaggedStruct("Start", {})
/** The guest is to have what the store says of the instance's configuration group. */
export const Configure = Schema.TaggedStruct("Configure", {})
/** Another version of the datastore is to serve, by its id. */
export const Upgrade = Schema.TaggedStruct("Upgrade", { version: Schema.String })
export const Resize = Schema.TaggedStruct("Resize", { to: ResizeTarget })
export const Rebuild = Schema.TaggedStruct("Rebuild", {})
export const Delete = Schema.TaggedStruct("Delete", {})
export const OperationSucceeded = Schema.TaggedStruct("OperationSucceeded", {
  operation: OperationId,
  restartRequired,
  /** The id of the version that serves from now on. */
  version: Schema.optionalKey(Schema.String)
})
/** `serves`: of a stop, a start or a rebuild, that a client can log in all the same. */
export const OperationFailed = Schema.TaggedStruct("OperationFailed", {
  operation: OperationId,
  fault: Fault,
  restartRequired,
  serves: Schema.optionalKey(Schema.Boolean)
})

/** An operator's commands, with who asked. `Cancel` means one operation, and no other that comes after it. */
const By = Text.check(Schema.isMaxLength(255))
export const Cancel = Schema.TaggedStruct("Cancel", { operation: OperationId, by: By })
export const Retry = Schema.TaggedStruct("Retry", { by: By })
export const TakeBack = Schema.TaggedStruct("TakeBack", { by: By })

export const Command = Schema.Union([
  Create,
  Restart,
  Stop,
  Start,
  Configure,
  Upgrade,
  Resize,
  Rebuild,
  Delete,
  OperationSucceeded,
  OperationFailed,
  Cancel,
  Retry,
  TakeBack
])
export type Command = typeof Command.Type

/** Signals are news that may be lost, because a row or a sweep tells the same a little later. */
export const Observed = Schema.TaggedStruct("Observed", { status: ServiceStatus })
export const HeartbeatLost = Schema.TaggedStruct("HeartbeatLost", {})
/** `waitedFor`: in words, which step was in flight and why; `detail` is for the operator. */
export const DeadlinePassed = Schema.TaggedStruct("DeadlinePassed", {
  waitedFor: Schema.optionalKey(Schema.String),
  detail: Schema.optionalKey(Schema.String)
})
/** The instance's own turn has failed too often; `command` is the kind of the one that it failed at; null: at its work. */
export const Defect = Schema.TaggedStruct("Defect", { fault: Fault, command: Schema.NullOr(Schema.String) })

export type Signal = typeof Observed.Type | typeof HeartbeatLost.Type | typeof DeadlinePassed.Type | typeof Defect.Type

export type Event = Command | Signal
export type EventTag = Event["_tag"]
