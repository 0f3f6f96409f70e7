/** Runs a service until it is told to stop. One that cannot start says why, in words that tell what to do. */
import { Cause, Console, Effect, Layer, Option, Schema } from "effect"

const Detailed = Schema.Struct({ detail: Schema.String })
const Refused = Schema.Struct({ code: Schema.String, address: Schema.String, port: Schema.Int })

/** Where the system did not let us listen, and why; undefined when that was not it. */
const refusedPort = (error: unknown) =>
  [error, error instanceof Error ? error.cause : undefined].find((candidate) => Schema.is(Refused)(candidate))

/** `setting`: where another port can be named. */
const explain = (cause: Cause.Cause<unknown>, setting: string): string => {
  const error = Cause.squash(cause)
  const refused = refusedPort(error)
  if (refused?.code === "EADDRINUSE") {
    return `Port ${refused.port} on ${refused.address} is taken. Stop what listens there, or name another with ${setting}.`
  }
  if (refused?.code === "EACCES") {
    return `Port ${refused.port} may not be used by this user. Name one above 1023 with ${setting}.`
  }
  const message = error instanceof Error ? error.message : String(error)
  const detail = Schema.is(Detailed)(error) ? error.detail.trim() : ""
  return detail === "" ? message : `${message}\n${detail}`
}

export const launch = <A, E, R>(service: Layer.Layer<A, E, R>, setting: string): Effect.Effect<never, E, R> =>
  Layer.launch(service).pipe(
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.failCause(cause)
        : Effect.andThen(
            Effect.andThen(Effect.logDebug(cause), Console.error(`coffer: ${explain(cause, setting)}`)),
            Effect.failCause(Cause.die(Option.none()))
          )
    )
  )
