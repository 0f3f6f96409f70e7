/**
 * The actor's side of the store: where an instance is in its life, and its durable mailbox. The actor is the
 * only writer; a commit is refused when somebody else has written since it read.
 */
import { Context, type Effect, type Option, Schema } from "effect"
import type { InstanceId, Millis } from "../services/Ids.ts"
import type { Desired } from "../services/Instances.ts"
import type { Command, State } from "./Instance.ts"

/** One command in the mailbox; `seq` orders them. */
export interface Mail {
  readonly seq: number
  readonly command: Command
}

export interface Loaded {
  readonly state: State
  /** Counts the commits; what was decided on an older one is refused. */
  readonly generation: number
  /** Unhandled commands, oldest first. */
  readonly mail: ReadonlyArray<Mail>
}

export interface Commit {
  readonly generation: number
  readonly state: State
  /** For the history; null when only mail was handled. */
  readonly transition: { readonly from: string; readonly to: string; readonly because: string } | null
  readonly handled: ReadonlyArray<number>
}

/** Another process has moved this instance on since it was read. */
export class StaleGeneration extends Schema.TaggedError<StaleGeneration>()("StaleGeneration", {
  id: Schema.String,
  generation: Schema.Int
}) {}

export class Lifecycles extends Context.Service<
  Lifecycles,
  {
    readonly load: (id: InstanceId) => Effect.Effect<Option.Option<Loaded>>
    /** State, handled mail, history entry and quota (held once ACTIVE, forgotten once DELETED) in one transaction. */
    readonly commit: (id: InstanceId, commit: Commit) => Effect.Effect<void, StaleGeneration>
    /** Puts a command into the mailbox; the same key twice is one command. */
    readonly post: (id: InstanceId, key: string, command: Command) => Effect.Effect<void>
    /** What the tenant wants, for the operations. */
    readonly desired: (id: InstanceId) => Effect.Effect<Option.Option<Desired>>
    /** Instances that have unhandled mail older than `mailBefore` or whose deadline passed before `now`. */
    readonly overdue: (bounds: {
      readonly mailBefore: Millis
      readonly now: Millis
      readonly limit: number
    }) => Effect.Effect<ReadonlyArray<InstanceId>>
    /** Instances with an operation under way, or with one that was called off and has not come to its end. */
    readonly underWay: (limit: number) => Effect.Effect<ReadonlyArray<InstanceId>>
    /** The command that was put into the mailbox under this key, handled or not. */
    readonly posted: (id: InstanceId, key: string) => Effect.Effect<Option.Option<Command>>
    /** How many instances are in each state. */
    readonly count: Effect.Effect<ReadonlyMap<State["_tag"], number>>
    /** Removes every trace of instances that were deleted before `before`; how many went. */
    readonly prune: (before: Millis) => Effect.Effect<number>
  }
>()("coffer/actors/Lifecycles") {}
