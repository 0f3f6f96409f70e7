/**
 * Whether this machine could run one more database now, as a port: one that can run none is the emptiest of all, and
 * would be given every order if it went on asking for them.
 */
import { Context, Effect, Layer } from "effect"
import { LocalRuntimes } from "./LocalRuntimes.ts"
import { StorageProbe } from "./StorageProbe.ts"

export class HostFitness extends Context.Service<
  HostFitness,
  {
    /**
     * What keeps a new database from being run here, for an operator; null when nothing does. The same obstacle has
     * the same words.
     */
    readonly obstacle: Effect.Effect<string | null>
  }
>()("coffer/layers/embedded/HostFitness") {
  static readonly layer = Layer.effect(
    HostFitness,
    Effect.gen(function* () {
      const runtimes = yield* LocalRuntimes
      const storage = yield* StorageProbe
      return HostFitness.of({
        obstacle: Effect.flatMap(runtimes.obstacle, (found) => (found === null ? storage : Effect.succeed(found)))
      })
    })
  )
}
