/**
 * The conductor: takes what guests report, so that no guest ever touches the store. Each report is believed about
 * its sender alone; heartbeats are written in batches, each message done with after its write; only what changed is
 * told to the taskmanager.
 */
import { Clock, Duration, Effect, Metric, Option, Schema } from "effect"
import { ConductorApi, conductorTopic } from "./ConductorApi.ts"
import * as Admission from "./conductor/Admission.ts"
import { type GuestOperation, inWords, operationOf } from "./conductor/Notifications.ts"
import * as ReportPump from "./conductor/ReportPump.ts"
import * as Silence from "./conductor/Silence.ts"
import { Fabric, Sender } from "./Fabric.ts"
import { GuestHostDirectory, hostExpiry } from "./GuestHostDirectory.ts"
import { guestSays, History } from "./History.ts"
import { InstanceId as Id, type InstanceId, type Millis } from "./Ids.ts"
import { Instances } from "./Instances.ts"
import { Observations } from "./Observations.ts"
import { defaultZone } from "./Zones.ts"

const operations = Metric.counter("coffer_guest_operations", {
  description: "Operations that guests told the end of, by operation and outcome",
  incremental: true
})
const count = (operation: GuestOperation, outcome: "done" | "failed") =>
  Metric.update(Metric.withAttributes(operations, { operation, outcome }), 1)

const isInstanceId = Schema.is(Id)

const millisOf = (sent: number | null | undefined): Millis | null => (sent == null ? null : sent * 1000)

/** Serves the conductor's topic until the scope closes. */
export const serve = Effect.gen(function* () {
  const fabric = yield* Fabric
  const observations = yield* Observations
  const history = yield* History
  const instances = yield* Instances
  const hosts = yield* GuestHostDirectory
  const admission = yield* Admission.make
  const silence = yield* Silence.make
  const handOver = yield* ReportPump.make(silence.storeAway)

  /** Makes a report of what a guest said of `subject`, if it may, and waits until it is written. */
  const hear = Effect.fnUntraced(function* (
    subject: string | null,
    kind: Admission.ReportKind,
    make: (instance: InstanceId) => ReportPump.Report
  ) {
    if (subject === null || !isInstanceId(subject)) {
      return yield* admission.refuse((yield* Sender) ?? "somebody", "invalid")
    }
    if (!(yield* admission.admits(subject, kind))) return
    yield* silence.heard
    yield* handOver(make(subject))
  })

  const hearOther = (subject: string | null, write: (instance: InstanceId) => Effect.Effect<void>) =>
    hear(subject, "other", (instance) => ({ _tag: "Other", instance, write: write(instance) }))

  yield* fabric.serve(
    conductorTopic,
    ConductorApi,
    {
      heartbeat: Effect.fnUntraced(function* ({ instance_id, payload, sent }) {
        const receivedAt = yield* Clock.currentTimeMillis
        const { progress = null, service_status: status } = payload
        yield* hear(instance_id, "heartbeat", (instance) => ({
          _tag: "Beat",
          beat: { instance, status, progress, sent: millisOf(sent), receivedAt }
        }))
      }),

      update_backup: ({ backup_id, instance_id, sent, ...report }) =>
        hearOther(
          instance_id,
          Effect.fnUntraced(function* (instance) {
            const state = yield* observations.recordBackup(instance, backup_id, { report, sent: millisOf(sent) })
            if (Option.isNone(state)) return
            yield* history.report(instance, `${guestSays}backup ${backup_id} is ${state.value}`)
          })
        ),

      report_root: ({ instance_id }) =>
        hearOther(
          instance_id,
          Effect.fnUntraced(function* (instance) {
            if (!(yield* observations.takeNote(instance, "report_root", null))) return
            yield* instances.setRootEnabled(instance, true, "the guest")
          })
        ),

      notify_end: Effect.fnUntraced(function* ({ serialized_notification: { instance_id, notification_classname } }) {
        // Trove's agents seldom say whose it is; it changes nothing.
        const subject = instance_id ?? (yield* Sender)
        if (subject !== null && !(yield* admission.admits(subject, "other"))) return
        const operation = operationOf(notification_classname)
        yield* count(operation, "done")
        yield* Effect.logDebug(`the guest has done: ${inWords(operation)}`).pipe(
          Effect.annotateLogs({ instance: subject })
        )
      }),

      notify_exc_info: Effect.fnUntraced(function* ({ exception, message, serialized_notification: notification }) {
        const operation = operationOf(notification.notification_classname)
        const sent = millisOf(notification.sent)
        yield* hearOther(
          notification.instance_id ?? (yield* Sender),
          Effect.fnUntraced(function* (instance) {
            const isNews =
              operation === "InstanceCreate"
                ? yield* observations.recordFailure(instance, message, sent)
                : yield* observations.takeNote(instance, "notify_exc_info", sent)
            if (!isNews) return
            yield* history.report(instance, `${guestSays}${inWords(operation)} failed: ${message}`)
            yield* count(operation, "failed")
            yield* Effect.logDebug("the guest's traceback", exception ?? []).pipe(Effect.annotateLogs({ instance }))
          })
        )
      }),

      host_report: Effect.fnUntraced(function* ({ addresses, guards, memory_mb: memoryMb, name, sent, zone }) {
        const at = yield* Clock.currentTimeMillis
        // One that waited too long, or was sent again, does not make a machine alive that is not.
        if (at - sent * 1000 > Duration.toMillis(hostExpiry)) return yield* admission.refuse(`host:${name}`, "old")
        if (!(yield* admission.admits(`host:${name}`, "other"))) return
        const report = { name, addresses, memoryMb, guards: guards ?? null, zone: zone ?? defaultZone, at }
        yield* handOver({ _tag: "Other", instance: null, write: hosts.report(report) })
      })
    },
    { concurrency: ReportPump.reportsInHand }
  )

  yield* silence.watch
})
