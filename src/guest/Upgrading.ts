/**
 * Another version for a guest's server. It is tried on a copy of the data, at a port that no client knows; the data of
 * before lies beside it, untouched, until the new version has served. Which of both is true stands in one note, and one
 * write switches it: whoever is killed before that goes back, whoever is killed after it goes on.
 *
 * No client can write from the stop of the old version to the switch, so the way back loses nothing.
 */
import { Cause, Effect, Exit, Fiber, Schedule, Semaphore } from "effect"
import type { DiskError } from "../services/Disk.ts"
import { GuestRefusal, type UpgradeInfo, type UpgradeStanding } from "../services/GuestApi.ts"
import { awaitLogin, OrderFailed } from "./AwaitLogin.ts"
import type { DatabaseRuntimeShape, DatabaseSpec, RuntimeError } from "./DatabaseRuntime.ts"
import type { DatastoreManager } from "./DatastoreManager.ts"
import type { GuestNotes, Program } from "./GuestNotes.ts"
import { trialPort } from "./HostFirewall.ts"
import type { VolumeRoom } from "./VolumeRoom.ts"

/** Room beside the copy for what the new version writes of its own, in bytes. */
const spare = 64 * 1024 ** 2

const calledOff = "it was called off"

/** Whether what a server tells of itself is the version that was asked for, as far as that says. */
export const isVersion = (asked: string, told: string): boolean => {
  const wanted = /\d+(\.\d+)*/.exec(asked)?.[0].split(".") ?? []
  const parts = /\d+(\.\d+)*/.exec(told)?.[0].split(".") ?? []
  return wanted.every((part, at) => part === parts[at])
}

const megabytes = (bytes: number) => `${Math.ceil(bytes / 1024 ** 2)} MB`

interface Parts {
  readonly notes: GuestNotes["Service"]
  readonly runtime: DatabaseRuntimeShape
  readonly manager: DatastoreManager
  readonly room: VolumeRoom
  /** As its home was made, in the size that it has now. */
  readonly database: () => DatabaseSpec
  /** Tells how far it has come. */
  readonly tell: (text: string) => Effect.Effect<void>
  /** Tells that the server is stopped for it, and that it serves again. */
  readonly stopped: Effect.Effect<void>
  readonly serving: (text: string) => Effect.Effect<void>
  /** Nobody else starts, stops or looks at the server meanwhile. */
  readonly inTurn: <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export const make = Effect.fnUntraced(function* (parts: Parts) {
  const { database, inTurn, manager, notes, room, runtime, serving, stopped, tell } = parts
  /** Questions are answered one at a time. */
  const questions = yield* Semaphore.make(1)
  const scope = yield* Effect.scope
  let working: { readonly operation: string; readonly fiber: Fiber.Fiber<void> } | null = null
  let isCalledOff = false
  /** Nobody has looked yet, or there is something. */
  let mayBeKept = true
  /** What a disk may not take yet. */
  let verdict: { readonly operation: string; readonly reason: string | null } | null = null

  const isOver = (operation: string) =>
    Effect.map(notes.release, ({ ended, trying }) => {
      if (trying !== null) return null
      if (ended?.operation === operation) return ended
      return verdict?.operation === operation ? verdict : null
    })

  /** What serves: what lies beside its data is handled by its program, for the one that the home was made with may be gone. */
  const current = Effect.map(notes.release, ({ serves }): DatabaseSpec => ({ ...database(), ...serves }))

  /** What the server is to be now, after whatever an upgrade has left is put back. */
  const settled: Effect.Effect<DatabaseSpec, RuntimeError | DiskError> = Effect.gen(function* () {
    const release = yield* notes.release
    if (release.trying !== null) {
      // What is not there yet must not pass for one on which nothing lies.
      yield* room.ready
      const before = yield* current
      yield* runtime.stop(before)
      yield* runtime.kept.putBack(before)
      yield* notes.keepRelease({ ...release, trying: null, ended: verdict ?? release.ended })
    }
    return yield* current
  })

  const end = (operation: string, reason: string) =>
    Effect.gen(function* () {
      verdict = { operation, reason }
      const release = yield* notes.release
      // A disk that failed with the switch may have taken it.
      if (release.ended?.operation === operation) return
      // What is being tried goes back first, and is noted with it.
      if (release.trying === null) yield* Effect.ignore(notes.keepRelease({ ...release, ended: verdict }))
    })

  const check = Effect.fnUntraced(function* (target: DatabaseSpec) {
    yield* runtime.provide(target, tell)
    const { free, needed } = yield* runtime.kept.room(target)
    if (needed + spare > free)
      return yield* new OrderFailed({
        message: `The volume has no room for a copy of the data: it takes ${megabytes(needed + spare)}, and ${megabytes(free)} are free.`,
        final: true
      })
  })

  /** The new version has served the copy, and is stopped again. */
  const attempt = Effect.fnUntraced(function* (target: DatabaseSpec) {
    const endpoint = { address: target.address, port: target.port, adminPassword: target.adminPassword }
    const session = yield* manager.open(endpoint)
    const before = yield* current
    yield* runtime.stop(before)
    yield* tell("the data is being copied")
    yield* runtime.kept.keep(before)
    yield* tell("the new version is being tried on the copy")
    yield* runtime
      .start(target, tell)
      .pipe(
        Effect.retry({ while: ({ transient }) => transient, times: 2, schedule: Schedule.exponential("500 millis") })
      )
    yield* awaitLogin(target, runtime, session)
    yield* runtime.convert(target)
    const told = yield* session.version
    if (!isVersion(target.version, told))
      return yield* new OrderFailed({
        message: `The server is of version ${told}, and not ${target.version}.`,
        final: true
      })
    yield* runtime.stop(target)
  }, Effect.scoped)

  const upgrade = <E extends { readonly message: string }>(
    { datastore_version: version, image, operation }: UpgradeInfo,
    startServer: Effect.Effect<unknown, E>
  ) =>
    Effect.gen(function* () {
      const program: Program = { version, image }
      const before = yield* notes.release
      yield* room.ready
      if (before.kept) yield* runtime.kept.forget(yield* current)
      const { good } = yield* notes.overrides
      const target = { ...database(), ...program, port: trialPort(database().port), settings: good }
      yield* check(target)
      yield* inTurn(
        Effect.uninterruptibleMask((restore) =>
          Effect.gen(function* () {
            yield* notes.keepRelease({ ...before, kept: false, trying: { operation } })
            yield* stopped
            const exit = yield* Effect.exit(restore(attempt(target)))
            if (Exit.isSuccess(exit)) {
              const serves = { serves: program, trying: null, kept: true, ended: { operation, reason: null } }
              // The switch: from here on the new version is the one that serves.
              mayBeKept = true
              const switched = yield* Effect.exit(notes.keepRelease(serves))
              if (Exit.isFailure(switched)) yield* end(operation, "The disk of the guest takes no notes.")
            } else if (!Cause.hasInterrupts(exit.cause)) yield* end(operation, reasonOf(exit.cause))
            else if (isCalledOff) yield* end(operation, calledOff)
            // The agent ends: the next one goes back, and is asked again.
            else return
            yield* runtime.logs(database(), 20).pipe(
              Effect.flatMap((lines) =>
                Exit.isFailure(exit) ? Effect.logWarning(`the new version said: ${lines}`) : Effect.void
              ),
              Effect.ignore
            )
            yield* startServer.pipe(
              Effect.andThen(
                serving(Exit.isSuccess(exit) ? `version ${version} serves` : "the version of before serves again")
              ),
              // Who looks after the server starts it again.
              Effect.catch(({ message }) =>
                Effect.logError(`the database did not come up after the upgrade: ${message}`)
              )
            )
          })
        )
      )
    })

  /** To its end, whatever that is; before anything was touched it is over with a word. */
  const carryOut = <E extends { readonly message: string }>(
    info: UpgradeInfo,
    startServer: Effect.Effect<unknown, E>
  ) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(restore(upgrade(info, startServer)))
        if (Exit.isFailure(exit)) {
          const isCut = Cause.hasInterrupts(exit.cause)
          if (isCut && isCalledOff) yield* end(info.operation, calledOff)
          if (!isCut) yield* Effect.logError("the upgrade failed", exit.cause)
          if (!isCut) yield* end(info.operation, reasonOf(exit.cause))
        }
        working = null
      })
    )

  /** How the upgrade stands; begun where it was not, and called off where that is asked for. */
  const ask = <E extends { readonly message: string }>(info: UpgradeInfo, startServer: Effect.Effect<unknown, E>) =>
    questions.withPermits(1)(
      Effect.gen(function* () {
        const answer: UpgradeStanding = { state: "working" }
        if (working !== null) {
          if (info.called_off || working.operation !== info.operation) {
            isCalledOff = true
            yield* Effect.forkIn(Fiber.interrupt(working.fiber), scope)
          }
          return answer
        }
        if ((yield* notes.phase) !== "ready") return yield* new GuestRefusal({ message: "There is no database yet." })
        const over = yield* isOver(info.operation)
        if (over !== null) return over.reason === null ? { state: "done" as const } : failed(over.reason)
        // Of an agent before this one, or of a disk that takes no notes: it goes back with the next start of the server.
        if ((yield* notes.release).trying !== null) return answer
        if (info.called_off) {
          yield* end(info.operation, calledOff)
          return failed(calledOff)
        }
        isCalledOff = false
        verdict = null
        const fiber = yield* Effect.forkIn(Effect.andThen(Effect.yieldNow, carryOut(info, startServer)), scope)
        working = { operation: info.operation, fiber }
        return answer
      })
    )

  const forget = questions.withPermits(1)(
    Effect.gen(function* () {
      const release = yield* notes.release
      if (working !== null || release.trying !== null || !release.kept) return
      yield* Effect.andThen(room.ready, Effect.flatMap(current, runtime.kept.forget)).pipe(
        Effect.mapError(({ message }) => new GuestRefusal({ message }))
      )
      yield* notes.keepRelease({ ...release, kept: false })
      yield* tell("the data of the version before is removed")
    })
  )

  /** A client can log in: there is nothing to go back for. What a disk does not let go of now, it does the next time. */
  const tidy = Effect.gen(function* () {
    if (!mayBeKept || working !== null) return
    yield* forget
    mayBeKept = working !== null
  }).pipe(Effect.ignore)

  return { current, settled, ask, forget, tidy }
})

const failed = (message: string): UpgradeStanding => ({ state: "failed", message })

const reasonOf = (cause: Cause.Cause<{ readonly message: string }>) =>
  cause.reasons.find((reason) => reason._tag === "Fail")?.error.message ?? "The guest agent met an error."
