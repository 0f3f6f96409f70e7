/**
 * The words of an instance's life: its states, and the events that move it. Data only; what an event means in a
 * state stands in Lifecycle.ts.
 */
import { Schema } from "effect"
import { ServiceStatus } from "../services/ConductorApi.ts"
import { Millis, OperationId } from "../services/Ids.ts"
import { Fault } from "../services/Status.ts"

/** An operation under way: it ends, one way or the other, by its deadline. */
const underWay = { operation: OperationId, deadline: Millis }

/** Accepted, and nothing done yet. */
export const New = Schema.TaggedStruct("New", {})
export const Building = Schema.TaggedStruct("Building", underWay)
export const Active = Schema.TaggedStruct("Active", {})
export const Restarting = Schema.TaggedStruct("Restarting", underWay)
/** `previous` is the operation that the delete calls off. */
export const Deleting = Schema.TaggedStruct("Deleting", { ...underWay, previous: Schema.NullOr(OperationId) })
export const Deleted = Schema.TaggedStruct("Deleted", { at: Millis })
/** `previous` is an operation that was called off and has not come to its end yet. */
export const Failed = Schema.TaggedStruct("Failed", { fault: Fault, previous: Schema.NullOr(OperationId) })

export const State = Schema.Union([New, Building, Active, Restarting, Deleting, Deleted, Failed])
export type State = typeof State.Type

/**
 * Commands are written to the instance's durable mailbox: by the api in the transaction that accepts
 * a request, by an operation in its last step. Each is handled once.
 */
export const Create = Schema.TaggedStruct("Create", {})
export const Restart = Schema.TaggedStruct("Restart", {})
export const Delete = Schema.TaggedStruct("Delete", {})
export const OperationSucceeded = Schema.TaggedStruct("OperationSucceeded", { operation: OperationId })
export const OperationFailed = Schema.TaggedStruct("OperationFailed", { operation: OperationId, fault: Fault })

export const Command = Schema.Union([Create, Restart, Delete, OperationSucceeded, OperationFailed])
export type Command = typeof Command.Type

/** Signals are news that may be lost, because a row or a sweep tells the same a little later. */
export const Observed = Schema.TaggedStruct("Observed", { status: ServiceStatus })
export const HeartbeatLost = Schema.TaggedStruct("HeartbeatLost", {})
export const DeadlinePassed = Schema.TaggedStruct("DeadlinePassed", {})

export type Signal = typeof Observed.Type | typeof HeartbeatLost.Type | typeof DeadlinePassed.Type

export type Event = Command | Signal
export type EventTag = Event["_tag"]
