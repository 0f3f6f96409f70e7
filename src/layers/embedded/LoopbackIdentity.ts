/**
 * Identity for a server that only its own machine can reach: the project is the one in the path, whoever asks
 * is a member of it, and who presents the admin token is an administrator.
 */
import { createHash, timingSafeEqual } from "node:crypto"
import { Effect, Layer, Option, Redacted } from "effect"
import { Identity } from "../../services/Identity.ts"

/** Digests have one length, so that comparing them tells nothing of the length of a token. */
const digest = (token: Redacted.Redacted) => createHash("sha256").update(Redacted.value(token)).digest()

export const layer = (adminToken: Redacted.Redacted): Layer.Layer<Identity> =>
  Layer.sync(Identity, () => {
    const admin = digest(adminToken)
    return Identity.of({
      authenticate: (project, token) =>
        Effect.sync(() => {
          const isAdmin = Option.isSome(token) && timingSafeEqual(digest(token.value), admin)
          const role = isAdmin ? "admin" : "member"
          return { project, user: role, roles: [role] }
        })
    })
  })
