/**
 * How a guest's server comes up: what an upgrade has left is put back, its guard and its volume are there, and then it is
 * started, with the settings that are wanted or else with those it last came up with, until a client can log in.
 */
import { Effect, Schedule } from "effect"
import type { Values } from "../services/configuration/Parameter.ts"
import type { DiskError } from "../services/Disk.ts"
import { awaitLogin, OrderFailed } from "./AwaitLogin.ts"
import type { DatabaseRuntimeShape, DatabaseSpec, Progress, RuntimeError } from "./DatabaseRuntime.ts"
import type { DatastoreSession } from "./DatastoreManager.ts"
import type { GuestNotes } from "./GuestNotes.ts"
import type { FirewallError } from "./HostFirewall.ts"
import type * as Logging from "./Logging.ts"
import * as Overriding from "./Overriding.ts"
import type { VolumeRoom } from "./VolumeRoom.ts"

interface Parts {
  readonly notes: GuestNotes["Service"]
  readonly runtime: DatabaseRuntimeShape
  readonly room: VolumeRoom
  readonly session: DatastoreSession
  readonly database: DatabaseSpec
  /** Nobody reaches the server who may not, from here on. */
  readonly enforce: Effect.Effect<void, FirewallError | DiskError>
  /** What the server is now, after whatever an upgrade has left is put back. */
  readonly settled: Effect.Effect<DatabaseSpec, RuntimeError | DiskError>
  readonly logging: ReturnType<typeof Logging.make>
  readonly tell: Progress
}

const asFinal = ({ message }: { readonly message: string }) => new OrderFailed({ message, final: true })

const patience = { times: 5, schedule: Schedule.exponential("500 millis") }

/** Starts the server; answers why the wanted settings were taken back, null where they were not. */
export const make = ({ database, enforce, logging, notes, room, runtime, session, settled, tell }: Parts) => {
  /** What a server that does not start may have failed of: noting what is noted already shows whether the disk takes it. */
  const explain = (failure: OrderFailed) =>
    Effect.flatMap(notes.phase, notes.setPhase).pipe(
      Effect.mapError(
        ({ message }) => new OrderFailed({ message: `${failure.message} ${message}`, final: failure.final })
      ),
      Effect.andThen(Effect.fail(failure))
    )

  /** The server runs and a client can log in, or the reason why not. */
  const startWith = Effect.fnUntraced(function* (settings: Values, times = patience.times) {
    const current = yield* Effect.mapError(settled, asFinal)
    yield* runtime.start({ ...current, settings: yield* logging.over(settings) }, tell).pipe(
      Effect.tapError(({ detail, message }) => Effect.logWarning(`${message} ${detail}`)),
      Effect.retry({ ...patience, while: (error) => error.transient, times }),
      Effect.mapError(asFinal)
    )
    yield* awaitLogin(database, runtime, session)
    yield* logging.started
  }, Effect.catch(explain))

  const startWanted = Overriding.start({
    notes,
    startWith,
    status: runtime.status(database),
    stop: runtime.stop(database),
    logs: runtime.logs(database, 40)
  })((reason) => tell(`the configuration was taken back: ${reason}`))

  // First what no settings are to blame for: what an upgrade has left is put back before anybody looks at what runs.
  const prepared = Effect.gen(function* () {
    yield* enforce
    yield* settled
    yield* Effect.retry(room.ready, { ...patience, while: ({ transient }) => transient })
  }).pipe(Effect.mapError(asFinal), Effect.catch(explain))

  return Effect.andThen(prepared, startWanted)
}
