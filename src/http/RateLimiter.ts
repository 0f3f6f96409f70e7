/**
 * Trove's rate limits: for each project a leaky bucket a verb, in memory, by the service's clock. The number of
 * projects that are remembered is bounded; who is forgotten starts with empty buckets.
 */
import { Clock, Config, Context, Effect, Layer } from "effect"

const limitedVerbs = ["POST", "PUT", "DELETE", "GET"] as const
type LimitedVerb = (typeof limitedVerbs)[number]

/** Requests a minute and verb, if the configuration names no other (`http_get_rate` and the like). */
export const defaultRate = 200

/** How many projects are remembered; the least recently seen is forgotten. */
export const maxProjects = 10_000

const minute = 60_000

/** Filled by requests, emptied by time: `level` is in milliseconds, a full bucket holds a minute. */
interface Bucket {
  level: number
  at: number
}

/** What is left of one verb's limit, and since when or from when on a request is taken. */
export interface Allowance {
  readonly verb: LimitedVerb
  readonly limit: number
  readonly remaining: number
  readonly nextAvailable: number
}

const isLimited = (verb: string): verb is LimitedVerb => limitedVerbs.some((limited) => limited === verb)

export class RateLimiter extends Context.Service<
  RateLimiter,
  {
    readonly rate: number
    /** Takes one request, and gives 0; or, over the limit, the milliseconds until one is taken. */
    readonly take: (project: string, verb: string) => Effect.Effect<number>
    readonly allowances: (project: string) => Effect.Effect<ReadonlyArray<Allowance>>
  }
>()("coffer/http/RateLimiter") {
  static readonly layer = Layer.effect(
    RateLimiter,
    Effect.gen(function* () {
      const rate = yield* Config.withDefault(Config.Int("COFFER_RATE_LIMIT"), defaultRate)
      return make(Math.max(1, rate))
    })
  )
}

const make = (rate: number) => {
  const cost = minute / rate
  const projects = new Map<string, Map<LimitedVerb, Bucket>>()

  /** A map keeps the order of insertion, so that its first key is the one not seen for longest. */
  const bucketsOf = (project: string) => {
    const buckets = projects.get(project) ?? new Map<LimitedVerb, Bucket>()
    projects.delete(project)
    projects.set(project, buckets)
    if (projects.size > maxProjects) {
      const [oldest] = projects.keys()
      if (oldest !== undefined) projects.delete(oldest)
    }
    return buckets
  }

  const levelAt = (bucket: Bucket, now: number) => Math.max(0, bucket.level - Math.max(0, now - bucket.at))

  const take = (project: string, verb: string) =>
    Clock.currentTimeMillis.pipe(
      Effect.map((now) => {
        if (!isLimited(verb)) return 0
        const buckets = bucketsOf(project)
        const level = levelAt(buckets.get(verb) ?? { level: 0, at: now }, now)
        // The tolerance keeps a rounding error from refusing the last request of a full minute.
        const excess = level + cost - minute
        if (excess > 1e-6) return excess
        buckets.set(verb, { level: level + cost, at: now })
        return 0
      })
    )

  const allowances = (project: string) =>
    Clock.currentTimeMillis.pipe(
      Effect.map((now) => {
        const buckets = projects.get(project)
        return limitedVerbs.map((verb) => {
          const bucket = buckets?.get(verb)
          const level = bucket === undefined ? 0 : levelAt(bucket, now)
          const excess = level + cost - minute
          return {
            verb,
            limit: rate,
            remaining: Math.max(0, Math.floor((minute - level) / cost + 1e-6)),
            nextAvailable: excess > 1e-6 ? now + excess : (bucket?.at ?? now)
          }
        })
      })
    )

  return RateLimiter.of({ rate, take, allowances })
}
