/**
 * Which reports are heard: those about their sender itself, and no more of them than one guest or host has reason to
 * send. The rest is dropped and counted, and an operator reads of it once a minute and sender at the most.
 *
 * Counts live in memory, each conductor's for itself, and begin anew with each window.
 */
import { Clock, Duration, Effect, Metric } from "effect"
import { Sender } from "../Fabric.ts"

/** By the service's clock. */
const window = Duration.toMillis(Duration.seconds(60))

/**
 * How many reports of a kind one guest may send in a window: a heartbeat or two a minute are usual, and at the start
 * of a database, or while it crashes again and again, a few dozen that tell its progress.
 */
export const maxReports = 60

/** How many counts of a kind are kept; whoever comes later in a window is not counted. */
const maxCounted = 100_000

/** Heartbeats are counted apart: whoever floods with other reports is alive all the same. */
export type ReportKind = "heartbeat" | "other"

const explanations = {
  foreign: (who: string) => `a report of ${who} about somebody else was dropped`,
  rate: (who: string) => `${who} reports more often than it may; for now the rest is dropped`,
  invalid: () => "a report about no valid instance was dropped",
  old: (who: string) => `a report of ${who} was dropped: it is older than such a report counts`
}
type Reason = keyof typeof explanations

const refused = Metric.counter("coffer_reports_refused", {
  description:
    "Reports of guests and hosts that were dropped: about somebody else, too many, too old, about no instance",
  incremental: true
})

export interface Admission {
  /** Whether a report about `subject`, the id of an instance or `host:<name>`, is heard. Counts it. */
  readonly admits: (subject: string, kind: ReportKind) => Effect.Effect<boolean>
  /** Counts a report that cannot be heard, and says so. */
  readonly refuse: (who: string, reason: Reason) => Effect.Effect<void>
}

export const make: Effect.Effect<Admission> = Effect.sync(() => {
  let began = Number.NEGATIVE_INFINITY
  const counts = { heartbeat: new Map<string, number>(), other: new Map<string, number>() } satisfies Record<
    ReportKind,
    unknown
  >
  const told = new Set<string>()

  const look = Effect.map(Clock.currentTimeMillis, (now) => {
    // A clock that was set back ends the window as well.
    if (now >= began && now < began + window) return
    began = now
    for (const count of Object.values(counts)) count.clear()
    told.clear()
  })

  const refuse = Effect.fnUntraced(function* (who: string, reason: Reason) {
    yield* look
    yield* Metric.update(Metric.withAttributes(refused, { reason }), 1)
    const line = `${reason} ${who}`
    if (told.has(line) || told.size >= maxCounted) return
    told.add(line)
    yield* Effect.logWarning(explanations[reason](who))
  })

  /** Whether there is room for one more of it in this window. */
  const counted = (subject: string, kind: ReportKind) => {
    const ofKind = counts[kind]
    const count = (ofKind.get(subject) ?? 0) + 1
    if (count > maxReports) return false
    if (count > 1 || ofKind.size < maxCounted) ofKind.set(subject, count)
    return true
  }

  const admits: Admission["admits"] = (subject, kind) =>
    Effect.flatMap(Sender, (sender) =>
      sender !== null && sender !== subject
        ? Effect.as(refuse(sender, "foreign"), false)
        : Effect.flatMap(look, () =>
            counted(subject, kind) ? Effect.succeed(true) : Effect.as(refuse(subject, "rate"), false)
          )
    )

  return { admits, refuse }
})
