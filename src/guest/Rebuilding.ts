/**
 * A guest's server that is taken apart, so that the start which follows makes it anew over its data: from the program that
 * it works with, and no other. Another program on the same data is an upgrade, which has a way back.
 */
import { Duration, Effect, Fiber } from "effect"
import type { DiskError } from "../services/Disk.ts"
import { GuestRefusal } from "../services/GuestApi.ts"
import {
  type DatabaseRuntimeShape,
  type DatabaseSpec,
  otherProgram,
  type Progress,
  type RuntimeError
} from "./DatabaseRuntime.ts"
import type { Program } from "./GuestNotes.ts"

/**
 * How long an image is waited for in one answer. What is left of the time for an answer is for the stop and the start; and
 * as often as an attempt of the operation asks (see AskGuest), it comes to its own end, and not to its deadline.
 */
const fetchWait = Duration.seconds(30)

interface Parts {
  readonly runtime: DatabaseRuntimeShape
  /** What serves. */
  readonly current: Effect.Effect<DatabaseSpec, DiskError>
  /** What the server is now, after whatever an upgrade has left is put back. */
  readonly settled: Effect.Effect<DatabaseSpec, RuntimeError | DiskError>
  readonly tell: Progress
}

const logged = <A>(work: Effect.Effect<A, RuntimeError>) =>
  Effect.tapError(work, ({ detail, message }) => Effect.logWarning(`${message} ${detail}`))

/** Refused, and nothing touched, where the server works with another program than who asks takes it for. */
const insistOn = (asked: Program, works: DatabaseSpec) =>
  works.version === asked.version && works.image === asked.image
    ? Effect.void
    : Effect.fail(new GuestRefusal({ message: otherProgram }))

export const make = Effect.fnUntraced(function* ({ current, runtime, settled, tell }: Parts) {
  const scope = yield* Effect.scope
  let fetching: { readonly image: string; readonly fiber: Fiber.Fiber<void, RuntimeError> } | null = null

  /** It goes on when nobody waits for it any more; who asks the next time finds it done, or waits for the rest of it. */
  const fetched = Effect.fnUntraced(function* (spec: DatabaseSpec) {
    if (fetching === null || fetching.image !== spec.image || fetching.fiber.pollUnsafe() !== undefined)
      fetching = { image: spec.image, fiber: yield* Effect.forkIn(logged(runtime.provide(spec, tell)), scope) }
    yield* Fiber.join(fetching.fiber).pipe(
      Effect.mapError(({ message, transient }) => new GuestRefusal({ message, transient })),
      Effect.timeoutOrElse({
        duration: fetchWait,
        orElse: () =>
          Effect.fail(new GuestRefusal({ message: "The image of the database is being fetched.", transient: true }))
      })
    )
  })

  return (program: Program) => ({
    /** All that it takes to start it anew is there after this; the server goes on. */
    provided: Effect.gen(function* () {
      const works = yield* current
      yield* insistOn(program, works)
      yield* fetched(works)
    }),
    takeApart: Effect.gen(function* () {
      const works = yield* settled
      yield* insistOn(program, works)
      yield* logged(runtime.takeApart(works, tell))
    }).pipe(Effect.mapError(({ message }) => new GuestRefusal({ message })))
  })
})
