/** Handlers of the routes of a project: limits and quotas. */
import { Effect, Schema } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { ProjectId } from "../../services/Ids.ts"
import { Resource } from "../../services/Instances.ts"
import { maxLimit, Quotas } from "../../services/Quotas.ts"
import { Api } from "../Api.ts"
import { badRequest, forbidden, itemNotFound } from "../Faults.ts"
import { CurrentCaller } from "../Gate.ts"
import { type Allowance, RateLimiter } from "../RateLimiter.ts"
import { stamp } from "../Wire.ts"
import type { QuotaChanges } from "./ProjectApi.ts"

const rateView = ({ verb, limit, remaining, nextAvailable }: Allowance) => ({
  // Unlike every other date, this one has its zone.
  nextAvailable: `${stamp(nextAvailable)}Z`,
  remaining,
  unit: "MINUTE" as const,
  value: limit,
  verb,
  uri: "*",
  regex: ".*"
})

const isResource = Schema.is(Resource)

/** Known resources with limits that can be kept, or the fault. */
const checkChanges = Effect.fnUntraced(function* (changes: typeof QuotaChanges.Type) {
  const limits: Partial<Record<Resource, number>> = {}
  for (const [resource, limit] of Object.entries(changes)) {
    if (!isResource(resource)) return yield* Effect.fail(itemNotFound(`Unknown quota resources: ['${resource}'].`))
    if (limit === null) continue
    if (limit < -1 || limit > maxLimit)
      return yield* Effect.fail(
        badRequest(`Quota limit must be -1 (no limit), or 0 to ${maxLimit}: '${resource}' ${limit}.`)
      )
    limits[resource] = limit
  }
  return limits
})

const project = (id: string) =>
  Schema.decodeEffect(ProjectId)(id).pipe(
    Effect.mapError(() => badRequest("A project's id is a well-formed text of 1 to 255 characters."))
  )

export const ProjectRoutes = HttpApiBuilder.group(
  Api,
  "project",
  Effect.fnUntraced(function* (handlers) {
    const quotas = yield* Quotas
    const limiter = yield* RateLimiter

    return handlers.handleAll({
      limits: () =>
        Effect.gen(function* () {
          const caller = yield* CurrentCaller
          const usage = yield* quotas.usage(caller.project)
          const limitOf = (resource: Resource) => usage.find((one) => one.resource === resource)?.limit ?? -1
          const rates = (yield* limiter.allowances(caller.project)).map(rateView)
          // Trove lists a limit of its own for /mgmt that never matches a request, so it is never used up.
          const mgmt = rates
            .slice(0, 1)
            .map((post) => ({ ...post, remaining: post.value, uri: "*/mgmt", regex: "^/mgmt" }))
          const absolute = {
            verb: "ABSOLUTE" as const,
            max_instances: limitOf("instances"),
            max_ram: limitOf("ram"),
            max_backups: limitOf("backups"),
            max_volumes: limitOf("volumes")
          }
          return { limits: [absolute, ...rates, ...mgmt] }
        }),

      quotas: ({ params }) =>
        Effect.gen(function* () {
          const caller = yield* CurrentCaller
          const target = yield* project(params.target)
          if (target !== caller.project && !caller.isAdmin)
            return yield* Effect.fail(forbidden(`Operation not allowed for tenant ${caller.project}.`))
          const usage = yield* quotas.usage(target)
          return {
            quotas: usage.map(({ resource, inUse, reserved, limit }) => ({ resource, in_use: inUse, reserved, limit }))
          }
        }),

      setQuotas: ({ params, payload }) =>
        Effect.gen(function* () {
          const limits = yield* checkChanges(payload.quotas)
          yield* quotas.setLimits(yield* project(params.target), limits)
          return { quotas: { ...limits } }
        }),

      // The OpenStack client resolves projects through keystone; without one it asks here.
      identify: ({ params }) => Effect.succeed({ project: { id: params.target, name: params.target } })
    })
  })
)
