/**
 * Audits of a fleet: every taskmanager answers who asks for one, and one of them looks every while by itself. What that
 * one finds it tells to whoever measures; it never puts anything right, for that is an operator's to want.
 */
import { Context, Duration, Effect, Layer, Schedule } from "effect"
import { Singleton } from "effect/cluster"
import type { AuditReport } from "../services/Audit.ts"
import { AuditApi, auditTopic } from "../services/AuditApi.ts"
import { Fabric } from "../services/Fabric.ts"
import { Auditor } from "./Auditor.ts"
import { fixesOf } from "./Remedies.ts"

/** How often it is looked whether there is anything that nobody owns, or anything missing. */
export const AuditInterval = Context.Reference<Duration.Duration>("coffer/actors/AuditInterval", {
  defaultValue: () => Duration.hours(1)
})

/** Whoever measures what audits find; null when this process looks no more. */
export const AuditListener = Context.Reference<(report: AuditReport | null) => Effect.Effect<void>>(
  "coffer/actors/AuditListener",
  { defaultValue: () => () => Effect.void }
)

const serve = Effect.gen(function* () {
  const auditor = yield* Auditor
  yield* (yield* Fabric).serve(auditTopic, AuditApi, {
    audit: ({ fix, remove_data: removeData = false }) => auditor.audit(fixesOf({ fix, removeData }))
  })
})

const look = Effect.gen(function* () {
  const report = yield* (yield* Auditor).audit("nothing")
  yield* (yield* AuditListener)(report)
  const { total, unseen } = report
  if (total > 0) yield* Effect.logWarning(`an audit found ${total} things that no record owns, or that are missing`)
  for (const { place, reason } of unseen) yield* Effect.logWarning(`an audit could not look at ${place}: ${reason}`)
}).pipe(Effect.catchCause((cause) => Effect.logError("an audit failed", cause)))

const schedule = Layer.unwrap(
  Effect.gen(function* () {
    const interval = yield* AuditInterval
    const listener = yield* AuditListener
    const looks = Effect.repeat(Effect.delay(look, interval), Schedule.forever)
    return Singleton.make("audit", Effect.ensuring(looks, listener(null)))
  })
)

export const layer = Layer.merge(Layer.effectDiscard(serve), schedule)
