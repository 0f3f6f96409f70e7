/** Runs a service until it is told to stop. One that cannot start says why, in words that tell what to do. */
import { Cause, Console, Effect, Layer, Option, type Redacted, Schema } from "effect"
import { databaseFailure } from "./databaseFailure.ts"
import { serving } from "./ending.ts"

const Detailed = Schema.Struct({ detail: Schema.String })
const Refused = Schema.Struct({ code: Schema.String, address: Schema.String, port: Schema.Int })

/** Where the system did not let us listen, and why; undefined when that was not it. */
const refusedPort = (error: unknown) =>
  [error, error instanceof Error ? error.cause : undefined].find((candidate) => Schema.is(Refused)(candidate))

/** What a failure to start is told by. */
interface Surroundings {
  /** Where another port can be named. */
  readonly setting: string
  /** Undefined where the service brings its own. */
  readonly database?: Redacted.Redacted | undefined
}

const explain = (cause: Cause.Cause<unknown>, { database, setting }: Surroundings): string => {
  const error = Cause.squash(cause)
  const refused = refusedPort(error)
  if (refused?.code === "EADDRINUSE") {
    return `Port ${refused.port} on ${refused.address} is taken. Stop what listens there, or name another with ${setting}.`
  }
  if (refused?.code === "EACCES") {
    return `Port ${refused.port} may not be used by this user. Name one above 1023 with ${setting}.`
  }
  const ofDatabase = database === undefined ? null : databaseFailure(error, database)
  if (ofDatabase !== null) return ofDatabase
  const message = error instanceof Error ? error.message : String(error)
  const detail = Schema.is(Detailed)(error) ? error.detail.trim() : ""
  return detail === "" ? message : `${message}\n${detail}`
}

export const launch = <A, E, R>(
  service: Layer.Layer<A, E, R>,
  surroundings: Surroundings
): Effect.Effect<never, E, R> =>
  serving(Layer.launch(service)).pipe(
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.failCause(cause)
        : Effect.andThen(
            Effect.andThen(Effect.logDebug(cause), Console.error(`coffer: ${explain(cause, surroundings)}`)),
            Effect.failCause(Cause.die(Option.none()))
          )
    )
  )
