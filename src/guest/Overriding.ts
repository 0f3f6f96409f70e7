/**
 * The settings that a guest's server was told beyond its flavor's. What is wanted is kept before it is confirmed; what the
 * server last came up with is kept beside it. A server that does not come up with what is wanted is started with that:
 * a database that serves comes before a setting.
 */
import { Duration, Effect } from "effect"
import { changed, type Values } from "../services/configuration/Parameter.ts"
import { GuestRefusal } from "../services/GuestApi.ts"
import type { RuntimeError, RuntimeStatus } from "./DatabaseRuntime.ts"
import type { DatastoreSession, SettingChanges } from "./DatastoreManager.ts"
import type { GuestNotes } from "./GuestNotes.ts"

/** How long a server may take to come up with settings that it never came up with. */
const trialDeadline = Duration.seconds(60)

/** How often a start with them is tried again that failed for a moment. */
const trialRetries = 1

/** How much of what a server said is told, in characters. */
const maxReason = 400

/** What follows from a reason, or was told to whoever wanted to log in meanwhile. */
const isNoReason = /\bAborting\b|storage engine\b|the database system is/i

/** The last complaint among a server's last words; paths and times are the operator's. */
const complaintIn = (logs: string): string | null => {
  const lines = logs.split("\n").filter((line) => /\b(FATAL|PANIC)\b:|\[ERROR\]/.test(line))
  const said = lines.findLast((line) => !isNoReason.test(line))
  return said === undefined ? null : said.replace(/^.*?(\b(FATAL|PANIC)\b:|\[ERROR\])\s*/, "").slice(0, maxReason)
}

interface Server<E, R> {
  readonly notes: GuestNotes["Service"]
  readonly startWith: (settings: Values, retries?: number) => Effect.Effect<void, E, R>
  readonly status: Effect.Effect<RuntimeStatus, RuntimeError>
  readonly stop: Effect.Effect<void, RuntimeError>
  readonly logs: Effect.Effect<string, RuntimeError>
}

/** Starts the server; answers why the wanted settings were taken back, null where they were not. */
export const start =
  <E extends { readonly message: string }, R>({ logs, notes, startWith, status, stop }: Server<E, R>) =>
  (tell: (reason: string) => Effect.Effect<void>) =>
    Effect.gen(function* () {
      const { good, wanted } = yield* notes.overrides
      if (changed(good, wanted).length === 0) return yield* Effect.as(startWith(wanted), null)
      // One that is adopted has read its file long ago, and shows nothing.
      const isAdopted = (yield* Effect.orElseSucceed(status, () => "absent" as const)) === "running"
      if (isAdopted) return yield* Effect.as(startWith(wanted), null)
      const trial = startWith(wanted, trialRetries).pipe(
        Effect.as(null),
        Effect.timeoutOrElse({
          duration: trialDeadline,
          orElse: () => Effect.succeed(`it did not serve within ${Duration.format(trialDeadline)}`)
        }),
        Effect.catch((error) =>
          Effect.map(
            Effect.orElseSucceed(logs, () => ""),
            (logs) => complaintIn(logs) ?? error.message
          )
        )
      )
      const refusal = yield* trial
      // A disk that takes no note of it has it tried again at the next start.
      if (refusal === null) return yield* Effect.as(Effect.ignore(notes.keepOverrides({ good: wanted, wanted })), null)
      yield* Effect.logWarning(`the server does not come up with its settings: ${refusal}`)
      // It may hang, and hold its address.
      yield* Effect.ignore(stop)
      // What keeps it from starting with these as well, if only at first, is no fault of the others: they stay wanted.
      yield* startWith(good, 0)
      yield* Effect.ignore(notes.keepOverrides({ good, wanted: good }))
      yield* tell(refusal)
      return refusal
    })

interface Parts {
  readonly notes: GuestNotes["Service"]
  readonly session: DatastoreSession
  /** What is set over them all, and is not theirs to change. */
  readonly held: Effect.Effect<ReadonlySet<string>>
  /** What the server has by its flavor. */
  readonly flavor: () => Values
  /** Writes the server's file. */
  readonly configure: (settings: Values) => Effect.Effect<void, RuntimeError>
}

export const make = ({ configure, flavor, held, notes, session }: Parts) => {
  /** What the running server was told to take, as far as that is known here: what it came up with, else. */
  let taken: Values | null = null

  const update = Effect.fnUntraced(
    function* (overrides: Values) {
      const before = yield* notes.overrides
      taken ??= before.wanted
      yield* notes.keepOverrides({ ...before, wanted: overrides })
      yield* configure(overrides)
    },
    Effect.mapError((error) => (error._tag === "DiskError" ? error : new GuestRefusal({ message: error.message })))
  )

  /**
   * `asked`: what changes, as far as whoever asks knows; of what an agent before this one had the server take, that is all.
   * Answers what the server came up with, where it waits for a restart; else null.
   */
  const apply = Effect.fnUntraced(function* (asked: Values) {
    const { good, wanted } = yield* notes.overrides
    const others = yield* held
    const names = new Set([...changed(good, wanted), ...changed(taken ?? good, wanted), ...Object.keys(asked)])
    const changes: SettingChanges = Object.fromEntries(
      [...names].filter((name) => !others.has(name)).map((name) => [name, wanted[name] ?? flavor()[name] ?? null])
    )
    const isWaiting = yield* session.applySettings(changes)
    taken = wanted
    // A server that runs with all of it comes up with it.
    if (!isWaiting) yield* Effect.ignore(notes.keepOverrides({ good: wanted, wanted }))
    return isWaiting ? good : null
  })

  return { update, apply }
}
