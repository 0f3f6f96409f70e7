/**
 * The care for a database that is there: it is looked at again and again, as a client would, and what has crashed is started
 * again, ever more patiently; on a volume that is full, once there is room.
 */
import { Clock, Duration, Effect, Ref, type Semaphore } from "effect"
import type { ServiceStatus } from "../services/ConductorApi.ts"
import type * as Switching from "./Switching.ts"

/** How often the agent looks at its database. */
const checkInterval = Duration.seconds(1)

/** A database that does not answer a login within this serves nobody, even if its process runs. */
const checkTimeout = Duration.seconds(5)

/** The pause before a crashed database is started again: 0.5 s, doubling, at most 30 s. */
const restartPause = (crashes: number) =>
  Duration.min(Duration.millis(500 * 2 ** Math.min(crashes, 16)), Duration.seconds(30))

/** A database that has served for this long has recovered: its next crash counts as the first. */
const recovery = Duration.seconds(60)

interface Parts {
  /** Starting, stopping and checking the server take turns. */
  readonly server: Semaphore.Semaphore
  readonly status: Ref.Ref<ServiceStatus>
  /** Fails where no client can log in. */
  readonly ping: Effect.Effect<unknown, unknown>
  readonly switching: Effect.Success<ReturnType<typeof Switching.make>>
  /** Why no server can come up on the volume; null where one can. */
  readonly whyFull: Effect.Effect<string | null>
  /** Done as long as a client can log in. */
  readonly whileServing: Effect.Effect<void>
  /** Done at each look at a database that is to run, while nobody else does anything to it. */
  readonly meanwhile: (isServing: boolean) => Effect.Effect<void>
  readonly beat: (text: string) => Effect.Effect<void>
}

export const make = ({
  beat,
  meanwhile,
  ping,
  server,
  status,
  switching,
  whileServing,
  whyFull: whyFullNow
}: Parts) => {
  const isServing = Effect.as(ping, true).pipe(
    Effect.timeoutOrElse({ duration: checkTimeout, orElse: () => Effect.succeed(false) }),
    Effect.orElseSucceed(() => false)
  )

  /** Looks at the database, and takes its state from that before anybody else has a turn; answers the one before. */
  const look = server.withPermits(1)(
    Effect.gen(function* () {
      if (switching.isStopped()) return null
      const now: ServiceStatus = (yield* isServing) ? "healthy" : "crashed"
      yield* meanwhile(now === "healthy")
      return { now, before: yield* Ref.getAndSet(status, now) }
    })
  )

  /** Until the volume has grown, or somebody who asked for a restart has had more luck, or for a stop. */
  const waitForRoom = Effect.fnUntraced(function* (whyFull: string) {
    yield* beat(`the database is down: ${whyFull}`)
    while ((yield* whyFullNow) !== null) {
      const seen = yield* look
      if (seen === null || seen.now === "healthy") return
      yield* Effect.sleep(checkInterval)
    }
    yield* beat("the volume has room again")
  })

  /** Looks at the database again and again; what has crashed is started again, ever more patiently. */
  const supervise = Effect.gen(function* () {
    let crashes = 0
    let servingSince: number | null = null
    while (true) {
      yield* switching.toRun
      const seen = yield* look
      if (seen === null) {
        servingSince = null
        crashes = 0
        continue
      }
      const at = yield* Clock.currentTimeMillis
      if (seen.now === "healthy") {
        servingSince ??= at
        if (at - servingSince > Duration.toMillis(recovery)) crashes = 0
        if (seen.before !== "healthy") yield* beat("a client can log in")
        yield* whileServing
      } else {
        servingSince = null
        const whyFull = yield* whyFullNow
        // One start is tried without room: it may make some. The next one waits until there is.
        if (whyFull !== null && crashes > 0) {
          yield* waitForRoom(whyFull)
          continue
        }
        const pause = restartPause(crashes)
        if (crashes === 0) yield* beat("the database has crashed; it is being started again")
        else yield* beat(`the database is down; try ${crashes + 1} follows in ${Duration.format(pause)}`)
        if (crashes > 0) yield* Effect.sleep(pause)
        crashes++
        yield* switching.bringUp.pipe(
          Effect.catch(({ message }) => Effect.logError(`the database could not be started again: ${message}`))
        )
        continue
      }
      yield* Effect.sleep(checkInterval)
    }
  })

  return { isServing, supervise }
}
