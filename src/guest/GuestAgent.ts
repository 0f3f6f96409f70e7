/**
 * The guest agent: operates one database and speaks to the rest by messages only. It carries out its order
 * once, then keeps the database running: it looks for itself whether a client can log in, restarts what has
 * crashed, and reports what it sees. It trusts and knows nothing of the control plane but its messages.
 */
import { Cause, Context, Duration, Effect, Fiber, type Redacted, Ref, Schedule, Semaphore, Tracer } from "effect"
import type { ServerSpec } from "../services/Compute.ts"
import type { ServiceStatus } from "../services/ConductorApi.ts"
import type { Values } from "../services/configuration/Parameter.ts"
import { makeTellOnce } from "../services/Disk.ts"
import { Fabric } from "../services/Fabric.ts"
import { GuestApi, guestTopic } from "../services/GuestApi.ts"
import * as CarryingOut from "./CarryingOut.ts"
import type { DatabaseRuntimeShape, DatabaseSpec } from "./DatabaseRuntime.ts"
import type { DatastoreManager } from "./DatastoreManager.ts"
import * as Guarding from "./Guarding.ts"
import { makeHandlers } from "./GuestHandlers.ts"
import { GuestNotes, type Phase } from "./GuestNotes.ts"
import * as GuestReports from "./GuestReports.ts"
import { HostFirewall } from "./HostFirewall.ts"
import * as Logging from "./Logging.ts"
import * as Overriding from "./Overriding.ts"
import * as Rebuilding from "./Rebuilding.ts"
import * as Sizing from "./Sizing.ts"
import * as Starting from "./Starting.ts"
import * as Supervising from "./Supervising.ts"
import * as Switching from "./Switching.ts"
import * as Telling from "./Telling.ts"
import * as Upgrading from "./Upgrading.ts"
import type { VolumeRoom } from "./VolumeRoom.ts"
import * as VolumeWatch from "./VolumeWatch.ts"

/** How often a guest reports when nothing changes (Trove's `report_interval`). */
const heartbeatInterval = Duration.seconds(30)

/** How long it may take until nobody else does anything to the server, for what can as well come at the next look at it. */
const soon = Duration.seconds(5)

/** The pause before an agent that met a bug begins again. */
const afterBug = Duration.seconds(5)

/**
 * Whether a clean end of the agents leaves their databases running, as on a machine of which they are the purpose:
 * the next agents adopt them.
 */
export const DatabasesOutliveAgents = Context.Reference<boolean>("coffer/guest/DatabasesOutliveAgents", {
  defaultValue: () => false
})

/** What an agent says that begins, by what it finds to have been. */
const firstStatus: Record<Phase, ServiceStatus> = {
  new: "new",
  preparing: "building",
  ready: "building",
  stopped: "shutdown",
  failed: "building"
}

/** What an agent needs to know of where it lives. */
export interface Home {
  readonly spec: ServerSpec
  /** The folder that is the instance's volume. */
  readonly volume: string
  readonly room: VolumeRoom
  readonly runtime: DatabaseRuntimeShape
  readonly manager: DatastoreManager
}

/** The database that the runtime is to run for this home. */
export const databaseOf = (
  { manager, spec, volume }: Pick<Home, "manager" | "spec" | "volume">,
  adminPassword: Redacted.Redacted,
  settings: Values
): DatabaseSpec => ({
  instanceId: spec.instanceId,
  datastore: spec.manager,
  version: spec.version,
  image: spec.image,
  address: spec.address,
  port: manager.port,
  volume,
  memoryMb: spec.memoryMb,
  vcpus: spec.vcpus,
  adminPassword,
  settings
})

/**
 * Runs the agent until the scope closes. The database goes on without it, and without a disk for the agent's notes. What
 * it answers is how it learns that its server has another size: the next start of the database has it, and what runs, when
 * it is told to apply it.
 */
export const start = Effect.fn("GuestAgent.start")(function* (home: Home) {
  const { manager, room, runtime, spec } = home
  let size: Sizing.ServerSize = spec
  const fabric = yield* Fabric
  const notes = yield* GuestNotes
  const adminPassword = yield* notes.adminPassword
  const session = yield* manager.open({ address: spec.address, port: manager.port, adminPassword })
  const made = databaseOf(home, adminPassword, {})
  const sized = (): DatabaseSpec => ({ ...made, memoryMb: size.memoryMb, vcpus: size.vcpus })

  const reports = yield* GuestReports.make(spec.instanceId, firstStatus[yield* notes.phase])
  const { beat, become, status, tellAgain } = reports
  const volume = yield* VolumeWatch.make(room, beat)
  /** Starting, stopping and checking the server take turns. */
  const server = yield* Semaphore.make(1)

  // The agent's life is longer than the trace of whoever started it.
  const apart = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.updateContext(effect, (context: Context.Context<never>) => Context.omit(Tracer.ParentSpan)(context))

  // A clean end is told, lest the last report be taken for the present at the next start.
  const outlivesUs = yield* DatabasesOutliveAgents
  yield* Effect.addFinalizer(() =>
    apart(
      Effect.flatMap(Ref.get(status), (last) => (last === "healthy" && !outlivesUs ? become("shutdown") : Effect.void))
    )
  )

  const guarding = Guarding.make({
    notes,
    firewall: yield* HostFirewall,
    server: { instanceId: spec.instanceId, address: spec.address, port: manager.port }
  })

  const logging = Logging.make({
    notes,
    files: runtime.logFiles,
    owner: made,
    manager: spec.manager,
    session,
    configure: (overrides) => configure(overrides),
    soon: (work) =>
      server
        .withPermits(1)(Effect.suspend(() => Effect.flatMap(isServing, (isUp) => (isUp ? work : Effect.void))))
        .pipe(Effect.timeoutOption(soon))
  })
  const configure = (overrides: Values) =>
    Effect.flatMap(logging.over(overrides), (settings) => runtime.configure({ ...sized(), settings }))

  const onDisk = makeTellOnce("the guest agent keeps no notes")
  const upgrading = yield* Upgrading.make({
    notes,
    runtime,
    manager,
    room,
    database: sized,
    tell: beat,
    stopped: become("upgrading", "the database is stopped for an upgrade"),
    serving: (text) => become("healthy", text),
    inTurn: server.withPermits(1)
  })

  const startServer = Starting.make({
    notes,
    runtime,
    room,
    session,
    database: made,
    enforce: guarding.enforce,
    settled: upgrading.settled,
    logging,
    tell: beat
  })
  const switching = yield* Switching.make({
    notes,
    onDisk,
    server,
    become,
    startServer,
    stopServer: Effect.tapError(runtime.stop(made), ({ detail, message }) => Effect.logWarning(`${message} ${detail}`))
  })
  const { bringUp, hasDatabase } = switching
  const rebuilding = yield* Rebuilding.make({ runtime, ...upgrading, tell: beat })

  const order = yield* CarryingOut.make({ notes, onDisk, reports, room, session, spec, bringUp })

  const { isServing, supervise } = Supervising.make({
    server,
    status,
    ping: Effect.andThen(
      Effect.filterOrFail(runtime.status(made), (now) => now === "running"),
      session.ping
    ),
    switching,
    whyFull: volume.whyFull,
    whileServing: upgrading.tidy,
    meanwhile: logging.look,
    beat
  })

  /** Ends only where there is nothing to look after. */
  const life = Effect.gen(function* () {
    if ((yield* notes.phase) === "new") yield* order.given
    if ((yield* notes.phase) === "preparing") yield* order.carryOut
    if ((yield* notes.phase) === "failed") return yield* Ref.set(status, "failed to spawn")
    yield* switching.keepStopped
    // Adopted or started again after the agent was away: that is no crash.
    yield* bringUp.pipe(Effect.catch(({ message }) => Effect.logError(`the database did not come up: ${message}`)))
    yield* supervise
  }).pipe(
    // Nobody looks at the database while the agent is down with a bug: it must not go on saying "healthy".
    Effect.tapCause((cause) =>
      Cause.hasInterrupts(cause)
        ? Effect.void
        : Effect.andThen(Effect.logError("the guest agent met a bug; it begins again", cause), become("unknown"))
    ),
    Effect.sandbox,
    Effect.retry({ while: (cause) => !Cause.hasInterrupts(cause), schedule: Schedule.spaced(afterBug) }),
    Effect.annotateLogs({ instance: spec.instanceId })
  )

  /** The server and its file have no other turn meanwhile. */
  const ofReady = <A, E>(work: Effect.Effect<A, E>) => Effect.andThen(hasDatabase, server.withPermits(1)(work))
  const flavor = () => Sizing.settingsOf(spec, size)
  const overriding = Overriding.make({ notes, session, flavor, configure, held: logging.held })
  const applyFlavor = Sizing.make({ notes, runtime, session, spec, database: sized, configure, isServing })

  const telling = Telling.make({
    runtime,
    session,
    database: made,
    version: Effect.map(notes.release, ({ serves }) => serves?.version ?? made.version)
  })

  // Before anybody can ask for anything: a database comes up without a broker, and does not wait for one.
  const living = yield* Effect.forkScoped(apart(life))
  yield* fabric.serve(
    guestTopic(spec.instanceId),
    GuestApi,
    makeHandlers(
      session,
      {
        prepare: order.prepare,
        restart: switching.restart,
        rebuild: (program) => switching.rebuild(rebuilding(program)),
        stop: switching.stop,
        upgrade: (info) => upgrading.ask(info, startServer),
        forgetUpgraded: upgrading.forget,
        updateOverrides: (overrides) => ofReady(overriding.update(overrides)),
        applyOverrides: (overrides) => ofReady(overriding.apply(overrides)),
        applyFlavor: (wanted) => ofReady(applyFlavor(wanted)),
        updateAccess: guarding.update,
        ...telling,
        logs: { ...logging, action: (log, wanted) => Effect.andThen(hasDatabase, logging.action(log, wanted)) }
      },
      room
    )
  )
  // What is in hand at the end has the server to itself.
  yield* Effect.addFinalizer(() => Fiber.interrupt(living))
  if (room.unlimited === null)
    yield* Effect.forkScoped(apart(Effect.repeat(volume.look, Schedule.spaced(VolumeWatch.lookInterval))))
  yield* Effect.forkScoped(apart(Effect.repeat(beat(null), Schedule.spaced(heartbeatInterval))))
  yield* Effect.forkScoped(apart(Effect.repeat(tellAgain, Schedule.spaced(GuestReports.againInterval))))
  return (next: Sizing.ServerSize) =>
    Effect.sync(() => {
      size = next
    })
})
