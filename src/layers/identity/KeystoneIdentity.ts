/**
 * Identity by a Keystone: a caller is who its token's holder is, with the roles that they have in the token's project, and
 * only there. While Keystone is away, who was known a moment ago still is; everybody else is told to come again.
 */
import { readFile } from "node:fs/promises"
import { NodeHttpClient } from "@effect/platform-node"
import { Duration, Effect, Layer, Metric, Option, type Redacted } from "effect"
import type { HttpClient } from "effect/http"
import { Identity, IdentityUnavailable, Unauthenticated, WrongProject } from "../../services/Identity.ts"
import * as Keystone from "./Keystone.ts"
import * as KnownTokens from "./KnownTokens.ts"
import * as OwnToken from "./OwnToken.ts"
import * as Turnstile from "./Turnstile.ts"

export interface Settings extends Keystone.Access {
  /** Where callers are told to get a token. */
  readonly publicUrl: string
  /** For how long an answer of Keystone's is good. */
  readonly cacheLifetime: Duration.Duration
  /** How long one caller waits for it. */
  readonly timeout: Duration.Duration
}

/** How many tokens are asked about at once, and how many more wait for that. */
const maxAsked = 16
const maxWaiting = 1000

const tooMany = new Keystone.KeystoneUnusable({ message: `More than ${maxWaiting} tokens wait to be asked about.` })

/** Whether the last question was answered; nothing before the first. */
export const answers = Metric.gauge("coffer_keystone_up", {
  description: "Whether Keystone answered the last question: 1, or 0 while no new token can be checked"
})
export const unanswered = Metric.counter("coffer_keystone_unanswered", {
  description: "Questions that Keystone did not answer, or not so that it could be used",
  incremental: true
})

/** Tells the operator when it begins and ends, and not with every request in between. The metrics know of each. */
const watching = () => {
  let trouble: string | null = null
  const went = (now: string | null) => {
    const before = trouble
    trouble = now
    return before
  }
  return {
    isWell: Effect.suspend(() =>
      went(null) === null ? Effect.void : Effect.logInfo("Keystone answers again: all tokens can be checked")
    ).pipe(Effect.andThen(Metric.update(answers, 1))),
    fails: ({ message }: Keystone.KeystoneUnusable) =>
      Effect.suspend(() =>
        went(message) === message ? Effect.void : Effect.logWarning(`no new token can be checked: ${message}`)
      ).pipe(Effect.andThen(Metric.update(answers, 0)), Effect.andThen(Metric.update(unanswered, 1)))
  }
}

/** The identity, asking through the client in its context. */
export const make = Effect.fnUntraced(function* (settings: Settings) {
  const keystone = yield* Keystone.make(settings)
  const tooLate = new Keystone.KeystoneUnusable({
    message: `Keystone at ${settings.url} did not answer within ${Duration.format(settings.timeout)}.`
  })
  const inTime = Effect.timeoutOrElse({ duration: settings.timeout, orElse: () => Effect.fail(tooLate) })
  const own = yield* OwnToken.make(inTime(keystone.enter))
  const turnstile = yield* Turnstile.make({ atOnce: maxAsked, waiting: maxWaiting, full: tooMany })
  const watch = watching()

  const ask = (token: Redacted.Redacted) =>
    Effect.gen(function* () {
      const ours = yield* own.current
      return yield* keystone.holderOf(token, ours).pipe(
        Effect.catchTag("OwnTokenRefused", () =>
          Effect.flatMap(own.instead(ours), (next) => keystone.holderOf(token, next))
        ),
        Effect.catchTag("OwnTokenRefused", () => {
          const message = `Keystone at ${settings.url} refuses a token that it has just given us.`
          return Effect.fail(new Keystone.KeystoneUnusable({ message }))
        })
      )
    }).pipe(
      turnstile.through,
      inTime,
      Effect.tap(watch.isWell),
      Effect.tapError((error) => (error._tag === "TokenUnknown" ? watch.isWell : watch.fails(error)))
    )

  const tokens = yield* KnownTokens.make({ lifetime: settings.cacheLifetime, ask })

  const stranger = new Unauthenticated({ challenge: `Keystone uri="${settings.publicUrl}"` })

  // What is wrong with our own login is better told now than to the first caller.
  yield* Effect.forkScoped(Effect.matchEffect(own.current, { onFailure: watch.fails, onSuccess: () => watch.isWell }))

  return Identity.of({
    authenticate: Effect.fnUntraced(function* (project, presented) {
      if (Option.isNone(presented)) return yield* stranger
      const holder = yield* tokens
        .holderOf(presented.value)
        .pipe(Effect.catchTags({ TokenUnknown: () => stranger, KeystoneUnusable: () => new IdentityUnavailable() }))
      // Administrators, too, are who they are in the project of their token alone.
      if (!Option.contains(holder.project, project))
        // Trove is in Python: a token of no project is of None.
        return yield* new WrongProject({ project: Option.getOrElse(holder.project, () => "None") })
      return { project, user: holder.user, roles: holder.roles }
    })
  })
})

/** Connections that are kept; of https, those that `caFile` vouches for, else the usual authorities. */
const client = (caFile: string | undefined): Layer.Layer<HttpClient.HttpClient> =>
  Layer.unwrap(
    Effect.map(caFile === undefined ? Effect.undefined : Effect.promise(() => readFile(caFile)), (ca) =>
      NodeHttpClient.layerNodeHttpOptions({
        keepAlive: true,
        maxSockets: maxAsked,
        ...(ca === undefined ? {} : { ca })
      })
    )
  )

export const layer = (settings: Settings, caFile?: string): Layer.Layer<Identity> =>
  Layer.effect(Identity, make(settings)).pipe(Layer.provide(client(caFile)))
