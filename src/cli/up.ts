/** `coffer up`: the whole service in one process, until it is told to stop. */
import { Cause, Console, Effect, Layer, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { DataFolder } from "../layers/embedded/DataFolder.ts"
import * as Up from "../layers/Up.ts"

const dataDir = Flag.String("data-dir").pipe(
  Flag.withDescription("The folder that holds everything; made if it is not there"),
  Flag.withDefault(".coffer")
)

const port = Flag.Int("port").pipe(
  Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65535 }))),
  Flag.withDescription("The port of the REST API on 127.0.0.1"),
  Flag.withDefault(8779)
)

const runtime = Flag.Literals("runtime", ["auto", "docker", "process"]).pipe(
  Flag.withDescription("What databases run in: Docker containers, processes, or containers where an engine answers"),
  Flag.withDefault("auto" as const)
)

const nextSteps = (port: number, dataDir: string, note: string | null) => {
  const url = `http://${Up.host}:${port}/v1.0/demo`
  return `
Coffer serves at http://${Up.host}:${port}  (data in ${dataDir})${note === null ? "" : `\n${note}`}

Create a PostgreSQL database:

  curl -s ${url}/instances -H 'Content-Type: application/json' -d '{"instance": {
    "name": "first", "flavorRef": "1", "volume": {"size": 1}, "datastore": {"type": "postgresql"},
    "databases": [{"name": "shop"}],
    "users": [{"name": "ann", "password": "secret-1", "databases": [{"name": "shop"}]}]}}'

See how it comes up, until its status is ACTIVE and an address is shown:

  curl -s ${url}/instances
  ./coffer instance show --watch first --url http://${Up.host}:${port}

Then connect, with the address from its "ip":

  psql postgresql://ann:secret-1@ADDRESS:5432/shop

API reference: http://${Up.host}:${port}/docs   Metrics: http://${Up.host}:${port}/metrics
Ctrl-C stops the service and its databases; the next start brings them back.
`
}

/** What went wrong at the start, in words that say what to do. */
const explain = (port: number, cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (inner instanceof Error && "code" in inner && inner.code === "EADDRINUSE") {
    return `Port ${port} on ${Up.host} is taken. Stop what listens there, or name another with --port.`
  }
  if (inner instanceof Error && "code" in inner && inner.code === "EACCES") {
    return `Port ${port} may not be used by this user. Name one above 1023 with --port.`
  }
  const message = error instanceof Error ? error.message : String(error)
  const detail = Schema.is(Schema.Struct({ detail: Schema.String }))(error) ? error.detail.trim() : ""
  return detail === "" ? message : `${message}\n${detail}`
}

export const up = Command.make(
  "up",
  { dataDir, port, runtime },
  Effect.fnUntraced(function* (options) {
    const announce = Layer.effectDiscard(
      Effect.flatMap(DataFolder, ({ note, root }) => Console.log(nextSteps(options.port, root, note)))
    )
    yield* Layer.launch(announce.pipe(Layer.provide(Up.layer(options)))).pipe(
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.failCause(cause)
          : Effect.andThen(
              Effect.andThen(Effect.logDebug(cause), Console.error(`coffer: ${explain(options.port, cause)}`)),
              Effect.failCause(Cause.die(Option.none()))
            )
      )
    )
  })
).pipe(
  Command.withDescription("Run the whole service in this process: api, taskmanager, conductor and guest agents"),
  Command.withExamples([
    { command: "coffer up", description: "Serve on 127.0.0.1:8779, with the data in .coffer/" },
    { command: "coffer up --data-dir /srv/coffer --port 9000", description: "Elsewhere" }
  ])
)
