/**
 * Whose tokens are, remembered for a moment: never past a token's own end, nor longer than it may take to hear that it was
 * revoked. They are known by their digests alone. Who asks for the same at once shares one question, so that a question
 * has to come to an end by itself.
 */
import { createHash } from "node:crypto"
import { Cache, Clock, Context, Duration, Effect, Exit, Redacted } from "effect"
import { type Holder, type KeystoneUnusable, TokenUnknown } from "./Keystone.ts"

/** How many are remembered; the one not asked for longest is forgotten. */
export const maxKnown = 10_000

/** How long a token that Keystone does not know is refused without asking again. */
export const refusedFor = Duration.seconds(2)

/** The token that is asked about, where a cache knows its digest alone. */
class Presented extends Context.Service<Presented, Redacted.Redacted>()("coffer/layers/identity/Presented") {}

const digestOf = (token: Redacted.Redacted) => createHash("sha256").update(Redacted.value(token)).digest("base64")

interface Known {
  readonly holder: Holder
  readonly fresh: Duration.Duration
}

export interface KnownTokens {
  readonly holderOf: (token: Redacted.Redacted) => Effect.Effect<Holder, KeystoneUnusable | TokenUnknown>
}

export const make = Effect.fnUntraced(function* (options: {
  readonly lifetime: Duration.Duration
  /** Ends within a time of its own. */
  readonly ask: (token: Redacted.Redacted) => Effect.Effect<Holder, KeystoneUnusable | TokenUnknown>
}): Effect.fn.Return<KnownTokens> {
  const look = Effect.gen(function* () {
    const token = yield* Presented
    const asked = yield* Clock.currentTimeMillis
    const holder = yield* options.ask(token)
    const now = yield* Clock.currentTimeMillis
    // It may be revoked from the moment on in which it was asked about.
    const end = Math.min(holder.expires, asked + Duration.toMillis(options.lifetime))
    return { holder, fresh: Duration.millis(Math.max(0, end - now)) } satisfies Known
  })

  const known = yield* Cache.makeWith((_digest: string) => look, {
    capacity: maxKnown,
    timeToLive: (exit) => (Exit.isSuccess(exit) ? exit.value.fresh : Duration.zero),
    requireServicesAt: "lookup"
  })
  // Of their own, so that however many are made up, none that is good is forgotten for them.
  const refused = yield* Cache.make({
    lookup: (_digest: string) => Effect.void,
    capacity: maxKnown,
    timeToLive: refusedFor
  })

  return {
    holderOf: Effect.fnUntraced(function* (token) {
      const digest = digestOf(token)
      if (yield* Cache.has(refused, digest)) return yield* new TokenUnknown()
      return yield* Cache.get(known, digest).pipe(
        Effect.provideService(Presented, token),
        Effect.map(({ holder }) => holder),
        Effect.tapError((error) =>
          error._tag === "TokenUnknown" ? Cache.set(refused, digest, undefined) : Effect.void
        )
      )
    })
  }
})
