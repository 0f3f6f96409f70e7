/**
 * Identity by tokens that the configuration names: each stands for one user of one project, and an administrator's
 * for every project. For installations without Keystone.
 */
import { createHash, timingSafeEqual } from "node:crypto"
import { Effect, Layer, Option, Redacted } from "effect"
import { Identity, Unauthenticated, WrongProject } from "../../services/Identity.ts"

export interface KnownToken {
  readonly token: Redacted.Redacted
  readonly project: string
  readonly user: string
  readonly admin: boolean
}

/** Digests have one length, so that comparing them tells nothing of the length of a token. */
const digest = (token: Redacted.Redacted) => createHash("sha256").update(Redacted.value(token)).digest()

export const layer = (tokens: ReadonlyArray<KnownToken>): Layer.Layer<Identity> =>
  Layer.sync(Identity, () => {
    const known = tokens.map((token) => ({ ...token, digest: digest(token.token) }))
    return Identity.of({
      authenticate: Effect.fnUntraced(function* (project, presented) {
        if (Option.isNone(presented)) return yield* new Unauthenticated()
        const asked = digest(presented.value)
        const caller = known.find((token) => timingSafeEqual(token.digest, asked))
        if (caller === undefined) return yield* new Unauthenticated()
        if (!caller.admin && caller.project !== project) return yield* new WrongProject({ project: caller.project })
        return { project, user: caller.user, roles: [caller.admin ? "admin" : "member"] }
      })
    })
  })
