/** For commands whose answer is all that is asked for: of what they do on the way only trouble is told, unless `--log-level` asks for more. */
import { Effect, Option, References } from "effect"
import { GlobalFlag } from "effect/cli"

export const quietly = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.flatMap(GlobalFlag.LogLevel, (asked) =>
    Option.isSome(asked) ? work : Effect.provideService(work, References.MinimumLogLevel, "Warn")
  )
