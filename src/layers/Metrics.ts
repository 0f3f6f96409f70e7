/**
 * Gauges of the control plane for `/metrics`: instances by state, operations under way and how long the oldest
 * has run. Read from the store at an interval, so that a scrape costs nothing. And what the last audit found.
 */
import { Clock, Duration, Effect, Layer, Metric, Schedule, Struct } from "effect"
import { SqlClient } from "effect/sql"
import { AuditListener } from "../actors/Audits.ts"
import { failedTurns, givenUp, leftTurns } from "../actors/Failing.ts"
import { overdueOperations } from "../actors/InstanceActor.ts"
import { type AuditReport, Resource } from "../services/Audit.ts"
import { OperationKind } from "../services/Ids.ts"
import { type StateTag, StoredState, stateNamed } from "../services/Status.ts"

const interval = Duration.seconds(5)

const instances = Metric.gauge("coffer_instances", { description: "Instances by state" })
const operations = Metric.gauge("coffer_operations_running", { description: "Operations under way, by kind" })
const oldest = Metric.gauge("coffer_operation_oldest_seconds", {
  description: "How long the oldest operation under way has run, by kind, in seconds"
})
const calledOff = Metric.gauge("coffer_operations_called_off", {
  description: "Operations that were called off and have not come to their end yet, by kind"
})
const oldestCalledOff = Metric.gauge("coffer_operation_called_off_oldest_seconds", {
  description: "How long ago the oldest of them was called off, by kind, in seconds"
})
const setAside = Metric.gauge("coffer_mailbox_set_aside", {
  description: "Commands that were set aside because no actor could handle them"
})
const mail = Metric.gauge("coffer_mailbox_waiting", { description: "Commands that no actor has handled yet" })
const silent = Metric.gauge("coffer_guests_silent", { description: "Guests whose heartbeats have stopped" })

const found = Metric.gauge("coffer_audit_findings", {
  description: "What the last audit found that no record owns, or that is missing"
})
const unseen = Metric.gauge("coffer_audit_places_unseen", {
  description: "Places that the last audit could not look at"
})
const audited = Metric.gauge("coffer_audit_last_seconds", {
  description: "When the last audit began, in seconds since the epoch; 0 in a process that audits nothing"
})

/** What an audit found; null where this process looks no more. */
const ofAudit = Effect.fnUntraced(function* (report: AuditReport | null) {
  for (const finding of ["orphan", "missing"]) {
    for (const resource of Resource.literals) {
      const same = report?.findings.filter((one) => one.finding === finding && one.resource === resource) ?? []
      yield* Metric.update(Metric.withAttributes(found, { finding, resource }), same.length)
    }
  }
  yield* Metric.update(unseen, report?.unseen.length ?? 0)
  yield* Metric.update(audited, (report?.at ?? 0) / 1000)
})

/** Whoever audits tells here what was found. */
export const ofAudits = Layer.succeed(AuditListener, ofAudit)

/** The state that an instance is in while the operation is under way. */
const stateDuring = {
  build: "Building",
  restart: "Restarting",
  configure: "Configuring",
  upgrade: "Upgrading",
  resize: "Resizing",
  stop: "Stopping",
  start: "Starting",
  rebuild: "Rebuilding",
  delete: "Deleting"
} as const satisfies Record<string, StateTag>

interface StateRow {
  readonly tag: string
  readonly n: bigint
  readonly since: Date
}

interface KindRow {
  readonly kind: string
  readonly n: bigint
  readonly since: Date
}

const collect = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const now = yield* Clock.currentTimeMillis
  const rows = yield* sql<StateRow>`SELECT tag, count(*) AS n, min(since) AS since FROM lifecycles GROUP BY tag`
  for (const state of StoredState.literals) {
    const of = rows.filter(({ tag }) => stateNamed(tag) === state)
    yield* Metric.update(
      Metric.withAttributes(instances, { state }),
      of.reduce((sum, { n }) => sum + Number(n), 0)
    )
  }
  for (const kind of Struct.keys(stateDuring)) {
    const row = rows.find(({ tag }) => tag === stateDuring[kind])
    yield* Metric.update(Metric.withAttributes(operations, { kind }), Number(row?.n ?? 0n))
    const age = row === undefined ? 0 : Math.max(0, now - row.since.getTime()) / 1000
    yield* Metric.update(Metric.withAttributes(oldest, { kind }), age)
  }
  // Also a takeback, which an operator has asked for and nothing calls off.
  const ending = yield* sql<KindRow>`
    SELECT split_part(state ->> 'previous', '-', 1) AS kind, count(*) AS n, min(since) AS since
    FROM lifecycles WHERE tag = 'Failed' AND state ->> 'previous' IS NOT NULL GROUP BY 1`
  for (const kind of OperationKind.literals) {
    const row = ending.find((row) => row.kind === kind)
    yield* Metric.update(Metric.withAttributes(calledOff, { kind }), Number(row?.n ?? 0n))
    const age = row === undefined ? 0 : Math.max(0, now - row.since.getTime()) / 1000
    yield* Metric.update(Metric.withAttributes(oldestCalledOff, { kind }), age)
  }
  const aside = yield* sql<{ readonly n: bigint }>`SELECT count(*) AS n FROM mailbox WHERE set_aside IS NOT NULL`
  yield* Metric.update(setAside, Number(aside[0]?.n ?? 0n))
  const waiting = yield* sql<{ readonly n: bigint }>`SELECT count(*) AS n FROM mailbox WHERE handled IS NULL`
  yield* Metric.update(mail, Number(waiting[0]?.n ?? 0n))
  const lost = yield* sql<{ readonly n: bigint }>`SELECT count(*) AS n FROM observations WHERE silent`
  yield* Metric.update(silent, Number(lost[0]?.n ?? 0n))
}).pipe(
  Effect.withTracerEnabled(false),
  Effect.catchCause((cause) => Effect.logWarning("metrics could not be read", cause))
)

/** An alarm on what grows needs something to grow from. */
const begin = Effect.all(
  [
    Metric.update(failedTurns, 0),
    Metric.update(givenUp, 0),
    Metric.update(leftTurns, 0),
    ...Struct.keys(stateDuring).map((kind) => Metric.update(Metric.withAttributes(overdueOperations, { kind }), 0))
  ],
  { discard: true }
)

export const layer = Layer.effectDiscard(
  Effect.andThen(begin, Effect.forkScoped(Effect.repeat(collect, Schedule.spaced(interval))))
)
