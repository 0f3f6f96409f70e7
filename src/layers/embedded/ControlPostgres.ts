/**
 * The control plane's own PostgreSQL, on a loopback port of its choice, below the data folder. It is ours alone:
 * stopped when our scope closes, left running when we are killed, and then adopted by our successor.
 */
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { PgClient } from "@effect/sql-pg"
import { Cause, Context, Effect, Layer, Redacted, Schedule, Schema } from "effect"
import { Reactivity } from "effect/reactivity"
import { DataFolder } from "./DataFolder.ts"
import { endProcessOn, HostProcessError } from "./HostProcess.ts"
import { attempt } from "./OwnedFiles.ts"
import { PostgresBinaries } from "./PostgresBinaries.ts"
import {
  findServer,
  gracefulStop,
  initialise,
  isInitialised,
  launch,
  type PostgresServer,
  portWasTaken
} from "./PostgresServer.ts"
import { serverIdentity } from "./ServerIdentity.ts"

export class ControlPostgresError extends Schema.TaggedError<ControlPostgresError>()("ControlPostgresError", {
  message: Schema.String,
  /** The end of the server's log, for an operator. */
  detail: Schema.String
}) {}

export class ControlPostgres extends Context.Service<
  ControlPostgres,
  {
    /** For `PgClient.layer({ url })`. */
    readonly url: Redacted.Redacted
    /** Whether a killed predecessor's server was taken over. */
    readonly adopted: boolean
  }
>()("coffer/layers/embedded/ControlPostgres") {
  static readonly layer = Layer.effect(
    ControlPostgres,
    Effect.suspend(() => acquire)
  )
}

const address = "127.0.0.1"
/** Readiness includes recovery after a crash, which reads back what was written since the last checkpoint. */
const readyWithin = "60 seconds"
const portAttempts = 5
const watchInterval = "1 second"
const passwordFile = "coffer-password"
const portFile = "coffer-port"

const acquire = Effect.gen(function* () {
  const binaries = yield* PostgresBinaries
  const folder = yield* DataFolder
  const data = join(folder.control, "data")
  const describe = (port: number): PostgresServer => ({
    data,
    log: join(folder.logs, "control-postgres.log"),
    address,
    port,
    password: Redacted.make(randomBytes(24).toString("base64url")),
    identity: binaries.owner === null ? null : serverIdentity(address),
    clients: `${address}/32`,
    // Dead rows are looked for every 10 s instead of every minute, in which a busy service leaves many.
    settings: { max_connections: 100, autovacuum_naptime: 10 },
    config: null,
    extra: {}
  })

  const adopted = findServer(data) !== null
  // Registered first, so that an interrupted start is cleaned up as well.
  yield* Effect.addFinalizer(() => Effect.ignore(endProcessOn(data, gracefulStop)))
  if (!adopted) {
    if (!isInitialised(data)) {
      const server = describe(0)
      yield* initialise(binaries, { ...server, extra: { [passwordFile]: Redacted.value(server.password) } })
    }
    const remembered = Number(readOr(join(data, portFile), ""))
    yield* launchOnFreePort(remembered || (yield* freePort), (port) => launch(binaries, describe(port)))
  }
  const port = yield* portOf(data)
  yield* attempt("cannot remember the port", () => fs.writeFileSync(join(data, portFile), `${port}\n`))
  const password = readOr(join(data, passwordFile), "").trim()
  const url = Redacted.make(`postgres://postgres:${password}@${address}:${port}/postgres`)
  yield* answers(url)
  yield* Effect.forkScoped(keepUp(data, Effect.andThen(launch(binaries, describe(port)), answers(url))))
  return ControlPostgres.of({ url, adopted })
}).pipe(
  Effect.mapError(
    ({ message, detail }) =>
      new ControlPostgresError({ message: `The control plane's own PostgreSQL does not start: ${message}`, detail })
  )
)

/** Whoever kills the store finds it started again, at the same place: clients come back by themselves. */
const keepUp = (data: string, start: Effect.Effect<void, HostProcessError>) =>
  Effect.gen(function* () {
    if (findServer(data) !== null) return
    yield* Effect.logError("the control plane's PostgreSQL has ended; it is being started again")
    yield* start
    yield* Effect.logInfo("the control plane's PostgreSQL serves again")
  }).pipe(
    Effect.catchCause((cause) =>
      Cause.hasInterrupts(cause)
        ? Effect.failCause(cause)
        : Effect.logError("the control plane's PostgreSQL does not start", cause)
    ),
    Effect.repeat(Schedule.spaced(watchInterval))
  )

/** Somebody may have taken the port that we used last time, or the free one between our look and our start. */
const launchOnFreePort = (
  first: number,
  start: (port: number) => Effect.Effect<void, HostProcessError>,
  attempts = portAttempts
): Effect.Effect<void, HostProcessError> =>
  start(first).pipe(
    Effect.catch((error) =>
      portWasTaken(error) && attempts > 1
        ? Effect.flatMap(freePort, (port) => launchOnFreePort(port, start, attempts - 1))
        : Effect.fail(error)
    )
  )

const freePort = Effect.callback<number, HostProcessError>((resume) => {
  const probe = createServer()
  probe.on("error", (error) =>
    resume(Effect.fail(new HostProcessError({ message: `no free port on ${address}: ${error.message}`, detail: "" })))
  )
  probe.listen(0, address, () => {
    const bound = probe.address()
    const port = typeof bound === "object" && bound !== null ? bound.port : 0
    probe.close(() => resume(Effect.succeed(port)))
  })
})

/** A server that was adopted the moment it started may yet have to write its port down. */
const portOf = (data: string) =>
  Effect.suspend(() => {
    const port = findServer(data)?.port
    return port ? Effect.succeed(port) : Effect.fail(new HostProcessError({ message: "it ended again", detail: "" }))
  }).pipe(Effect.retry({ schedule: Schedule.spaced("10 millis"), times: 100 }))

/** Logs in, as often as it takes until recovery is over. A wrong password does not get better by waiting. */
const answers = (url: Redacted.Redacted) =>
  Effect.scoped(Effect.flatMap(PgClient.makeClient({ url, connectTimeout: "5 seconds" }), (sql) => sql`SELECT 1`)).pipe(
    Effect.provide(Reactivity.layer),
    Effect.retry({
      while: (error) => error.reason._tag !== "AuthenticationError",
      schedule: Schedule.spaced("10 millis")
    }),
    Effect.timeout(readyWithin),
    Effect.mapError(
      (error) =>
        new HostProcessError({
          message:
            "reason" in error && error.reason._tag === "AuthenticationError"
              ? `it does not accept the password in ${passwordFile}`
              : `it does not answer (${error.message})`,
          detail: ""
        })
    )
  )

const readOr = (path: string, otherwise: string) => {
  try {
    return fs.readFileSync(path, "utf8")
  } catch {
    return otherwise
  }
}
