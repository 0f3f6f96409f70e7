/** A RabbitMQ of the bench's own, empty and on the same machine; gone with the scope. */
import { Effect, type Scope } from "effect"
import { type Figure, missing } from "./Row.ts"

/** What a broker is needed for, with its URL; where there is none, a figure that says what is missing. */
export const withBroker = <E>(
  title: string,
  target: string,
  measure: (url: string) => Effect.Effect<ReadonlyArray<Figure>, E, Scope.Scope>
) =>
  Effect.gen(function* () {
    // Looks for RabbitMQ as soon as it is loaded, which the other rows need not wait for.
    const { broker, missingBroker } = yield* Effect.promise(() => import("../test/support/rabbitmq.ts"))
    if (missingBroker !== null) return [missing(title, target, missingBroker)]
    const { url } = yield* broker({ management: false })
    return yield* measure(url)
  })
