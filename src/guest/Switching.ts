/**
 * A guest's server that is restarted, stopped and started as its tenant asks for it. Whether it is to run stands on the
 * disk before anything is done, so an agent that is started anew, on a machine that was, goes on with that.
 */
import { Duration, Effect, Latch, Schedule, type Semaphore } from "effect"
import type { ServiceStatus } from "../services/ConductorApi.ts"
import type { DiskError } from "../services/Disk.ts"
import { GuestRefusal } from "../services/GuestApi.ts"
import type { OrderFailed } from "./AwaitLogin.ts"
import type { RuntimeError } from "./DatabaseRuntime.ts"
import type { GuestNotes } from "./GuestNotes.ts"

/** How long a restart, or a stop, may take: whoever asked waits for 180 s (Trove's `agent_call_high_timeout`). */
const deadline = Duration.seconds(170)

/** How often an agent that begins tries to stop what is to be stopped, and how long it pauses in between. */
const stopRetries = 10
const stopPause = Duration.seconds(5)

interface Parts {
  readonly notes: GuestNotes["Service"]
  /** A write to the disk whose trouble is logged. */
  readonly onDisk: (writing: Effect.Effect<void, DiskError>) => Effect.Effect<void, DiskError>
  /** Whoever starts, stops or checks the server has it alone. */
  readonly server: Semaphore.Semaphore
  readonly become: (status: ServiceStatus, progress: string) => Effect.Effect<void>
  /** Answers why the wanted settings were taken back; null where they were not. */
  readonly startServer: Effect.Effect<string | null, OrderFailed>
  readonly stopServer: Effect.Effect<void, RuntimeError>
}

/** An answer that whoever asked can wait for. */
const answered = <A>(
  work: Effect.Effect<A, RuntimeError | OrderFailed | GuestRefusal | DiskError>,
  what: string
): Effect.Effect<A, GuestRefusal | DiskError> =>
  work.pipe(
    Effect.mapError((error) =>
      error._tag === "DiskError" || error._tag === "GuestRefusal" ? error : new GuestRefusal({ message: error.message })
    ),
    Effect.timeoutOrElse({
      duration: deadline,
      orElse: () => {
        const message = `The database was not ${what} within ${Duration.format(deadline)}.`
        return Effect.fail(new GuestRefusal({ message }))
      }
    })
  )

export const make = Effect.fnUntraced(function* ({ become, notes, onDisk, server, startServer, stopServer }: Parts) {
  let isStopped = (yield* notes.phase) === "stopped"
  /** Closed while the database is to be stopped. */
  const running = yield* Latch.make(!isStopped)

  /** From now on the database is to run, or is not. */
  const want = (isToRun: boolean) =>
    Effect.suspend(() => {
      isStopped = !isToRun
      return isToRun ? running.open : running.close
    })

  const hasDatabase = Effect.gen(function* () {
    const phase = yield* notes.phase
    if (phase !== "ready" && phase !== "stopped")
      return yield* new GuestRefusal({ message: "There is no database yet." })
  })

  /** What did not start is stopped again, and stays so. */
  const backToStopped = Effect.gen(function* () {
    yield* Effect.ignore(onDisk(notes.setPhase("stopped")))
    yield* want(false)
    yield* Effect.ignore(stopServer)
    yield* become("shutdown", "the database did not start; it is stopped")
  })

  const startAnew = Effect.fnUntraced(function* (
    done: "started" | "restarted" | "rebuilt",
    bringDown: Effect.Effect<void, RuntimeError | OrderFailed | GuestRefusal>
  ) {
    yield* become("restarting", `the database is being ${done}`)
    yield* bringDown
    const takenBack = yield* startServer
    yield* become("healthy", `the database was ${done}`)
    return takenBack
  })

  /** Whoever looks meanwhile waits, and takes the stop for no crash. What is stopped is started by it, or stays stopped. */
  const downAndUp = Effect.fnUntraced(function* (
    done: "restarted" | "rebuilt",
    bringDown: Effect.Effect<void, RuntimeError | OrderFailed | GuestRefusal>
  ) {
    yield* hasDatabase
    return yield* server.withPermits(1)(
      Effect.gen(function* () {
        const wasStopped = isStopped
        // What is stopped now would not come up again. Noting what it is to be shows whether the disk takes it.
        yield* onDisk(notes.setPhase("ready"))
        yield* want(true)
        if (!wasStopped) return yield* startAnew(done, bringDown)
        return yield* Effect.onError(startAnew(done === "restarted" ? "started" : done, bringDown), () => backToStopped)
      })
    )
  })

  /** What cannot be stopped is kept running, as before. */
  const stop = Effect.gen(function* () {
    yield* hasDatabase
    yield* server.withPermits(1)(
      Effect.gen(function* () {
        // Kept before it is done: nobody starts it again in between.
        yield* onDisk(notes.setPhase("stopped"))
        yield* want(false)
        yield* Effect.onError(stopServer, () =>
          Effect.andThen(Effect.ignore(onDisk(notes.setPhase("ready"))), want(true))
        )
        yield* become("shutdown", "the database was stopped")
      })
    )
  })

  return {
    hasDatabase,
    restart: answered(downAndUp("restarted", stopServer), "restarted"),
    /** `takeApart` is what a rebuild does in place of a stop, after `provided`, during which the server goes on and is looked after. */
    rebuild: ({
      provided,
      takeApart
    }: {
      readonly provided: Effect.Effect<void, GuestRefusal | DiskError>
      readonly takeApart: Effect.Effect<void, GuestRefusal>
    }) => answered(Effect.andThen(Effect.andThen(hasDatabase, provided), downAndUp("rebuilt", takeApart)), "rebuilt"),
    stop: answered(stop, "stopped"),
    isStopped: () => isStopped,
    /** Waits until the database is to run. */
    toRun: running.await,
    /** The server runs, unless it is to be stopped. */
    bringUp: server.withPermits(1)(Effect.suspend(() => (isStopped ? Effect.void : Effect.asVoid(startServer)))),
    /** What is to be stopped is: the agent before may have died while its server came to its end. */
    keepStopped: server
      .withPermits(1)(Effect.suspend(() => (isStopped ? stopServer : Effect.void)))
      .pipe(Effect.retry({ times: stopRetries, schedule: Schedule.spaced(stopPause) }), Effect.ignore)
  }
})
