/**
 * The actor's side of the store: where an instance is in its life, and its durable mailbox. The actor is the
 * only writer; a commit is refused when somebody else has written since it read.
 */
import { Cause, Context, Effect, Exit, type Option, Schema } from "effect"
import type { InstanceId, Millis, OperationId, ProjectId } from "../services/Ids.ts"
import type { Desired } from "../services/Instances.ts"
import type { StoredState } from "../services/Status.ts"
import { Command, State } from "./Instance.ts"

/** One command in the mailbox; `seq` orders them. */
export interface Mail {
  readonly seq: number
  readonly command: Command
}

/** How often the turns of an instance have failed in a row, and when last. */
export interface Failures {
  readonly count: number
  readonly at: Millis
}

export const noFailures: Failures = { count: 0, at: 0 }

export interface Loaded {
  readonly state: State
  /** Counts the commits; what was decided on an older one is refused. */
  readonly generation: number
  /** Unhandled commands, oldest first, up to the first that cannot be read. */
  readonly mail: ReadonlyArray<Mail>
  /** The command behind them, where it cannot be read; those behind it are not told. */
  readonly unreadable: { readonly seq: number; readonly key: string; readonly reason: string } | null
  /** When the oldest of all these commands was put in; null where there is none. */
  readonly waitsSince: Millis | null
  readonly failures: Failures
}

/** What the store holds of an instance is of no kind that this release knows: garbled, or a newer release's. */
export class Unreadable extends Schema.TaggedError<Unreadable>()("Unreadable", {
  what: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.what} cannot be read: ${this.reason}`
  }
}

const decodeState = Schema.decodeUnknownEffect(State)

/** Reads a state as it stands in a row; dies with `Unreadable`. */
export const readState = (state: unknown): Effect.Effect<State> =>
  Effect.catch(decodeState(state), ({ message }) => Effect.die(new Unreadable({ what: "the state", reason: message })))

const decodeCommand = Schema.decodeUnknownExit(Command)

/** Reads what lies in a mailbox, up to the first that cannot be read; that one must not keep the others from being told. */
export const readMail = (
  letters: ReadonlyArray<{ readonly seq: number; readonly key: string; readonly command: unknown }>
): Pick<Loaded, "mail" | "unreadable"> => {
  const mail: Array<Mail> = []
  for (const { command, key, seq } of letters) {
    const read = decodeCommand(command)
    if (Exit.isFailure(read)) return { mail, unreadable: { seq, key, reason: Cause.pretty(read.cause) } }
    mail.push({ seq, command: read.value })
  }
  return { mail, unreadable: null }
}

export interface Commit {
  readonly generation: number
  readonly state: State
  /** For the history; null when only mail was handled. */
  readonly transition: { readonly from: string; readonly to: string; readonly because: string } | null
  readonly handled: ReadonlyArray<number>
  /** The version of its datastore that serves from now on, by its id. */
  readonly version?: string
  /** Commands that cannot be handled: kept with the reason, and not given to the actor any more. */
  readonly setAside?: ReadonlyArray<{ readonly seq: number; readonly reason: string }>
}

/** How many commands that were set aside are kept of one instance; older ones give way. */
export const maxSetAside = 50

/** A command that was set aside, for the operator. */
export interface SetAside {
  readonly key: string
  readonly posted: Millis
  readonly setAside: Millis
  readonly reason: string
}

/** An instance with an operation under way, or in ERROR. */
export interface Unsettled {
  readonly instance: InstanceId
  readonly name: string
  readonly project: ProjectId
  /** Null where it cannot be read. */
  readonly state: State | null
  readonly since: Millis
}

/** What an operator asks of an instance, as it was seen in this generation. */
export interface Request {
  readonly generation: number
  readonly key: string
  readonly command: Command
  /** For the history: who asked for what. */
  readonly line: string
}

/** Another process has moved this instance on since it was read. */
export class StaleGeneration extends Schema.TaggedError<StaleGeneration>()("StaleGeneration", {
  id: Schema.String,
  generation: Schema.Int
}) {}

export class Lifecycles extends Context.Service<
  Lifecycles,
  {
    /** Dies with `Unreadable` where the state cannot be read. */
    readonly load: (id: InstanceId) => Effect.Effect<Option.Option<Loaded>>
    /** What there is to know of an instance whose state cannot be read: `operation` is the one that it names. */
    readonly salvage: (
      id: InstanceId
    ) => Effect.Effect<
      Option.Option<{ readonly tag: string; readonly generation: number; readonly operation: OperationId | null }>
    >
    /** Counts one more failure of its turns; how many there are. */
    readonly noteFailure: (id: InstanceId) => Effect.Effect<number>
    readonly setFailures: (id: InstanceId, count: number) => Effect.Effect<void>
    /** State, handled mail, history entry and quota (held once ACTIVE, forgotten once DELETED) in one transaction. */
    readonly commit: (id: InstanceId, commit: Commit) => Effect.Effect<void, StaleGeneration>
    /** Puts a command into the mailbox; the same key twice is one command. */
    readonly post: (id: InstanceId, key: string, command: Command) => Effect.Effect<void>
    /** Command and history line, or neither: refused when the instance has moved on. The same key twice is one. */
    readonly request: (id: InstanceId, request: Request) => Effect.Effect<void, StaleGeneration>
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
    /** Instances with an operation under way, or in ERROR; those that are so for longest first. */
    readonly unsettled: (limit: number) => Effect.Effect<ReadonlyArray<Unsettled>>
    /** The commands of an instance that were set aside and are kept, oldest first. */
    readonly setAside: (id: InstanceId) => Effect.Effect<ReadonlyArray<SetAside>>
    /** How many instances are in each state; those that this release does not know are one. */
    readonly count: Effect.Effect<ReadonlyMap<StoredState, number>>
    /** Removes every trace of instances that were deleted before `before`, `limit` of them at most; how many went. */
    readonly prune: (before: Millis, limit: number) => Effect.Effect<number>
    /**
     * Removes commands that were handled before `before`, `limit` of them at most; how many went. Those that were set
     * aside stay, and outcomes of the operations that the instance's state names.
     */
    readonly pruneMail: (before: Millis, limit: number) => Effect.Effect<number>
  }
>()("coffer/actors/Lifecycles") {}
