/** From `npm start` to serving, everything set up already, beside a bare server and a bare PostgreSQL. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { Effect, Layer } from "effect"
import { DataFolder } from "../../src/layers/embedded/DataFolder.ts"
import { giveTree } from "../../src/layers/embedded/OwnedFiles.ts"
import { PostgresBinaries } from "../../src/layers/embedded/PostgresBinaries.ts"
import { answers, freePort, login, plainEnvironment, root, running, timed, toEnd, until } from "../Programs.ts"
import { type Figure, median, type Row, seconds, spread } from "../Row.ts"
import { temporaryFolder } from "../Store.ts"

const target = 3000
/** Listening is measured within the scope, stopping is not. */
const startToServing = Effect.fnUntraced(function* (command: string, args: ReadonlyArray<string>, dataDir: string) {
  const port = yield* freePort
  const all = [...args, "--data-dir", dataDir, "--port", `${port}`, "--runtime", "process"]
  return yield* timed(
    Effect.andThen(running(command, all, { cwd: root, env: process.env }), until("npm start", answers(port)))
  )
}, Effect.scoped)

const hello = 'require("node:http").createServer((_, r) => r.end("hello")).listen(process.argv[1], "127.0.0.1")'

const bareStart = Effect.fnUntraced(function* (binaries: PostgresBinaries["Service"], data: string) {
  const [http, port] = [yield* freePort, yield* freePort]
  const user = binaries.owner === null ? {} : { uid: binaries.owner.uid, gid: binaries.owner.gid }
  const flags = ["-c", `port=${port}`, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
  return yield* timed(
    Effect.all(
      [
        Effect.andThen(running(process.execPath, ["-e", hello, `${http}`]), until("node:http", answers(http))),
        Effect.andThen(
          running(binaries.postgres, ["-D", data, ...flags], { ...user, env: plainEnvironment, signal: "SIGINT" }),
          until("postgres", login({ host: "127.0.0.1", port, password: "" }))
        )
      ],
      { concurrency: "unbounded" }
    )
  )
}, Effect.scoped)

export const start: Row = {
  key: "start",
  title: "npm start to serving, already set up",
  measure: Effect.fnUntraced(function* ({ quick }) {
    const folder = yield* temporaryFolder
    const layer = PostgresBinaries.layer.pipe(Layer.provide(DataFolder.layer(join(folder, "bare"))))
    const binaries = yield* Effect.provideContext(PostgresBinaries, yield* Layer.build(layer))
    const data = join(folder, "bare", "data")
    mkdirSync(data, { mode: 0o700 })
    if (binaries.owner !== null) giveTree(data, binaries.owner)
    const user = binaries.owner === null ? {} : { uid: binaries.owner.uid, gid: binaries.owner.gid }
    const initialisation = ["-D", data, "--username=postgres", "--auth=trust", "--locale=C", "--no-instructions"]
    yield* toEnd(binaries.initdb, initialisation, { ...user, env: plainEnvironment })

    const dataDir = join(folder, "coffer")
    const command = join(root, "coffer")
    yield* startToServing(command, ["up"], dataDir)
    const npm: number[] = []
    const direct: number[] = []
    const bare: number[] = []
    for (let round = 0; round < (quick ? 1 : 7); round++) {
      npm.push(yield* startToServing("npm", ["start", "--"], dataDir))
      direct.push(yield* startToServing(command, ["up"], dataDir))
      bare.push(yield* bareStart(binaries, data))
    }
    const figure: Figure = {
      name: start.title,
      ours: seconds(median(npm)),
      limit: `${seconds(median(bare))} (node:http and postgres)`,
      ratio: (median(npm) / median(bare)).toFixed(2),
      target: `<= ${seconds(target)}`,
      met: median(npm) <= target,
      notes: [
        `npm start: ${spread(npm, seconds)}; ./coffer up: median ${seconds(median(direct))}, ${spread(direct, seconds)}`,
        `bare, both at once: ${spread(bare, seconds)}`
      ]
    }
    return [figure]
  })
}
