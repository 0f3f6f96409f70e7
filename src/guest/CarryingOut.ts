/**
 * The first order of a guest: kept before it is confirmed, carried out once, however often its agent begins, and told to have
 * failed where it cannot be.
 */
import { Effect, Latch, Option, Ref, type Tracer } from "effect"
import type { ServerSpec } from "../services/Compute.ts"
import type { ServiceStatus } from "../services/ConductorApi.ts"
import type { DiskError } from "../services/Disk.ts"
import type { Provisioning } from "../services/Provisioning.ts"
import type { OrderFailed } from "./AwaitLogin.ts"
import type { DatastoreSession } from "./DatastoreManager.ts"
import type { GuestNotes } from "./GuestNotes.ts"
import * as GuestReports from "./GuestReports.ts"
import type { VolumeRoom } from "./VolumeRoom.ts"

interface Parts {
  readonly notes: GuestNotes["Service"]
  readonly spec: ServerSpec
  readonly room: VolumeRoom
  readonly session: DatastoreSession
  readonly reports: Effect.Success<ReturnType<typeof GuestReports.make>>
  readonly bringUp: Effect.Effect<void, OrderFailed>
  readonly onDisk: (writing: Effect.Effect<void, DiskError>) => Effect.Effect<void, DiskError>
}

export const make = Effect.fnUntraced(function* ({ bringUp, notes, onDisk, reports, room, session, spec }: Parts) {
  const { beat, become, failed, status } = reports
  const ordered = yield* Latch.make(false)
  /** The trace of the order goes on in the work that it causes, and ends with it. */
  let orderedIn: Tracer.AnySpan | undefined

  /** Tries until the disk takes it. `meanwhile`, once: whoever waits for the guest is told what it waits for. */
  const insist = (writing: Effect.Effect<void, DiskError>, meanwhile: (error: DiskError) => Effect.Effect<void>) =>
    Effect.catch(onDisk(writing), (error) =>
      Effect.andThen(meanwhile(error), Effect.eventually(Effect.delay(onDisk(writing), GuestReports.againInterval)))
    )
  const tellDisk = ({ message }: DiskError) => beat(message)

  const carryOut = Effect.gen(function* () {
    const order = Option.getOrElse(yield* notes.order, () => ({ databases: [], users: [] }))
    yield* become("building")
    if (room.unlimited !== null)
      yield* beat(`the volume: ${spec.volumeSize} GB asked for; this machine does not limit it: ${room.unlimited}`)
    yield* bringUp
    yield* session.createDatabases(order.databases)
    yield* session.createUsers(order.users)
    yield* session.ping
    // Before anybody has it: an order that is carried out again brings back what its tenant has changed since.
    yield* insist(notes.setPhase("ready"), tellDisk)
    yield* become("healthy", "the database is ready")
  }).pipe(
    Effect.catch(({ message }) =>
      Effect.gen(function* () {
        yield* Effect.logError(`the order could not be carried out: ${message}`)
        // Told first: one that dies here carries the order out again, and one that has failed for good knows no reason.
        yield* failed(message)
        // The disk may be what has failed it: then nobody waits for it to be well.
        yield* insist(notes.setPhase("failed"), () => become("failed to spawn"))
        yield* become("failed to spawn")
      })
    ),
    (work) =>
      Effect.suspend(() =>
        Effect.withSpan(work, "GuestAgent.prepare", {
          attributes: { "coffer.instance": spec.instanceId },
          ...(orderedIn === undefined ? { root: true } : { parent: orderedIn })
        })
      )
  )

  const prepare = Effect.fnUntraced(function* (order: Provisioning) {
    // Kept before it is confirmed: from here on the order survives the agent.
    if ((yield* notes.phase) === "new") {
      yield* insist(notes.keepOrder(order), tellDisk)
      yield* insist(notes.setPhase("preparing"), tellDisk)
      yield* Ref.set(status, "building" satisfies ServiceStatus)
      orderedIn = Option.getOrUndefined(yield* Effect.option(Effect.currentSpan))
      yield* ordered.open
    }
    yield* beat(null)
  })

  return {
    /** Waits until there is an order. */
    given: ordered.await,
    prepare,
    carryOut
  }
})
