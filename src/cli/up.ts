/** `coffer up`: the whole service in one process, until it is told to stop. */
import { Console, Effect, Layer, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { DataFolder } from "../layers/embedded/DataFolder.ts"
import * as Up from "../layers/Up.ts"
import { launch } from "./launch.ts"

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

const volumes = Flag.Literals("volumes", ["auto", "xfs", "ext4", "folder"]).pipe(
  Flag.withDescription(
    "What volumes are: a file system in a file, which is as large as was ordered, a folder, or the first that can be had"
  ),
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

export const up = Command.make(
  "up",
  { dataDir, port, runtime, volumes },
  Effect.fnUntraced(function* (options) {
    const announce = Layer.effectDiscard(
      Effect.flatMap(DataFolder, ({ note, root }) => Console.log(nextSteps(options.port, root, note)))
    )
    yield* launch(announce.pipe(Layer.provide(Up.layer(options))), { setting: "--port" })
  })
).pipe(
  Command.withDescription("Run the whole service in this process: api, taskmanager, conductor and guest agents"),
  Command.withExamples([
    { command: "coffer up", description: "Serve on 127.0.0.1:8779, with the data in .coffer/" },
    { command: "coffer up --data-dir /srv/coffer --port 9000", description: "Elsewhere" }
  ])
)
