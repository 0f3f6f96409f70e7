/**
 * What a guest tells of itself: its status, at intervals and when it changes, and why it failed. Each report is
 * stamped, later than any before it, whatever the clock does and however often the agent is started again: what is
 * not newer is dropped as a repeat.
 */
import { Clock, Duration, Effect, Ref, Semaphore } from "effect"
import { ConductorApi, conductorTopic, reportable, type ServiceStatus } from "../services/ConductorApi.ts"
import { classOf } from "../services/conductor/Notifications.ts"
import { makeTellOnce } from "../services/Disk.ts"
import { Fabric } from "../services/Fabric.ts"
import { GuestNotes } from "./GuestNotes.ts"

/** How soon a guest reports again when it was not heard. */
export const againInterval = Duration.seconds(1)

/** How far ahead stamps are reserved, in seconds: so seldom is one noted on the disk. */
const reserve = Duration.toSeconds("10 minutes")

/** Between the stamps of two reports of one moment, in seconds. */
const tick = 0.00001

/** Seconds since the epoch; later than the last one, and than all that an earlier start may have told. */
const makeStamp = Effect.gen(function* () {
  const notes = yield* GuestNotes
  const inTurn = (yield* Semaphore.make(1)).withPermits(1)
  let last = yield* notes.stamp
  let reserved = last
  const onDisk = makeTellOnce("the stamps of a guest's reports are not kept")
  return Effect.gen(function* () {
    last = Math.max((yield* Clock.currentTimeMillis) / 1000, last + tick)
    if (last <= reserved) return last
    const upTo = last + reserve
    yield* onDisk(notes.reserveStamps(upTo)).pipe(
      Effect.andThen(Effect.sync(() => (reserved = upTo))),
      // A disk that is full must not silence the guest, which has something to tell: it goes on with stamps that are not
      // kept. Only if it is started again meanwhile, with a clock that was set back, are its reports taken for old ones,
      // until the clock has passed what it told last. Each report tries the disk again.
      Effect.ignore
    )
    return last
  }).pipe(inTurn)
})

export const make = Effect.fnUntraced(function* (instanceId: string, first: ServiceStatus) {
  const conductor = (yield* Fabric).client(conductorTopic, ConductorApi)
  const status = yield* Ref.make(first)
  const stamp = yield* makeStamp
  /** Whether the last report did not get through. */
  let isUntold = false
  /** Why the order could not be carried out, until it is heard. */
  let reason: string | null = null

  /** Tells the status, and for the history what the guest is doing. */
  const beat = Effect.fnUntraced(function* (progress: string | null) {
    // First the stamp and then the status: the newest report tells the newest.
    const sent = yield* stamp
    const service_status = yield* Ref.get(status)
    yield* conductor
      .heartbeat({
        instance_id: instanceId,
        payload: { service_status, progress: progress === null ? null : reportable(progress) },
        sent
      })
      .pipe(
        Effect.tap(() =>
          Effect.sync(() => {
            isUntold = false
          })
        ),
        Effect.catch((error) => {
          isUntold = true
          return Effect.logDebug(`it will be told again: ${error.message}`)
        })
      )
  })

  /** Tells why the order could not be carried out, where that was not heard yet. In Trove's form, which asks for more. */
  const tellReason = Effect.gen(function* () {
    if (reason === null) return
    const serialized_notification = {
      notification_classname: classOf("InstanceCreate"),
      instance_id: instanceId,
      sent: yield* stamp,
      request_id: `req-${instanceId}`,
      server_type: "guest",
      client_ip: "",
      server_ip: "",
      tenant_id: ""
    }
    yield* conductor.notify_exc_info({ serialized_notification, message: reason, exception: [] }).pipe(
      Effect.tap(() =>
        Effect.sync(() => {
          reason = null
        })
      ),
      Effect.catch((error) => Effect.logDebug(`the reason will be told again: ${error.message}`))
    )
  })

  return {
    status,
    beat,
    /** Tells again what did not get through: the reason first, for with the status the build is over. */
    tellAgain: Effect.andThen(
      tellReason,
      Effect.suspend(() => (isUntold ? beat(null) : Effect.void))
    ),
    become: (next: ServiceStatus, progress: string | null = null) =>
      Effect.andThen(Ref.set(status, next), beat(progress)),
    /** The order could not be carried out. */
    failed: (message: string) =>
      Effect.suspend(() => {
        reason = reportable(message)
        return tellReason
      })
  }
})
