/**
 * From POST to ACTIVE through the real entry point, beside the same database made by hand: the same programs with
 * the same options as the same users, until somebody can log in. Once as processes, once as containers.
 */
import { execFileSync } from "node:child_process"
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Layer, Schema } from "effect"
import { DataFolder } from "../../src/layers/embedded/DataFolder.ts"
import { PostgresBinaries } from "../../src/layers/embedded/PostgresBinaries.ts"
import * as Bare from "../Bare.ts"
import { timed } from "../Programs.ts"
import { type Figure, median, missing, type Row, seconds, spread } from "../Row.ts"
import * as Service from "../Service.ts"
import { temporaryFolder } from "../Store.ts"

const order = { name: "first", flavorRef: "1", volume: { size: 1 }, datastore: { type: "postgresql" } }

const Dated = Schema.Union([
  Schema.Struct({
    kind: Schema.Literal("step"),
    step: Schema.String,
    started_at: Schema.String,
    ended_at: Schema.NullOr(Schema.String)
  }),
  Schema.Struct({ kind: Schema.Literal("transition"), at: Schema.String, to: Schema.String }),
  Schema.Struct({ kind: Schema.Literal("report"), at: Schema.String, text: Schema.String })
])

/** When each entry of a history was, in milliseconds after the request. */
const timeline = Effect.fnUntraced(function* (entries: ReadonlyArray<unknown>, requested: number) {
  const known = yield* Schema.decodeUnknownEffect(Schema.Array(Dated))(entries)
  const after = (at: string) => Math.round(Date.parse(`${at.replace(/Z$/, "")}Z`) - requested)
  return known.map((entry) =>
    entry.kind === "step"
      ? `${entry.step} ${after(entry.started_at)}…${entry.ended_at === null ? "" : after(entry.ended_at)}`
      : entry.kind === "transition"
        ? `${entry.to} ${after(entry.at)}`
        : `"${entry.text}" ${after(entry.at)}`
  )
})

const compare = Effect.fnUntraced(function* (
  name: string,
  rounds: number,
  service: Effect.Success<ReturnType<typeof Service.start>>,
  bare: (round: number) => Effect.Effect<number, unknown>
) {
  const ours: number[] = []
  const limit: number[] = []
  let line: ReadonlyArray<string> = []
  for (let round = 0; round < rounds; round++) {
    limit.push(yield* bare(round))
    const requested = Date.now()
    let id = ""
    ours.push(
      yield* timed(
        Effect.flatMap(service.create(order), (created) => {
          id = created
          return service.becomes(id, "ACTIVE")
        })
      )
    )
    line = yield* timeline(yield* service.history(id), requested)
    yield* service.remove(id)
  }
  const bound = 1.2 * median(limit) + 300
  const figure: Figure = {
    name,
    ours: seconds(median(ours)),
    limit: seconds(median(limit)),
    ratio: (median(ours) / median(limit)).toFixed(2),
    target: `<= 1.2 x + 0.3 s = ${seconds(bound)}`,
    met: median(ours) <= bound,
    notes: [
      `ours: ${spread(ours, seconds)}; bare: ${spread(limit, seconds)}`,
      `the last one, ms after the request: ${line.join(", ")}`
    ]
  }
  return figure
})

const processName = "POST to ACTIVE, process runtime, beside initdb + postgres + login"
const processes = Effect.fnUntraced(function* (rounds: number) {
  const folder = yield* temporaryFolder
  const layer = PostgresBinaries.layer.pipe(Layer.provide(DataFolder.layer(join(folder, "bare"))))
  const binaries = yield* Effect.provideContext(PostgresBinaries, yield* Layer.build(layer))
  const service = yield* Service.start(join(folder, "coffer"), "process")
  return yield* compare(processName, rounds, service, (round) => {
    const home = join(folder, "bare", `instance-${round}`)
    mkdirSync(home)
    chmodSync(home, 0o711)
    return Effect.scoped(timed(Bare.processServer(binaries, home, `127.98.7.${round + 1}`))).pipe(
      Effect.ensuring(Effect.sync(() => rmSync(home, { recursive: true, force: true })))
    )
  })
})

const lacking = () => {
  try {
    execFileSync("docker", ["image", "inspect", Bare.image], { stdio: ["ignore", "ignore", "pipe"] })
    return null
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    return /No such image/i.test(said)
      ? `the image ${Bare.image}; make it: node test/images/build.ts`
      : `a Docker engine`
  }
}

const containerName = `POST to ACTIVE, docker runtime, beside docker run + login (${Bare.image})`
const containers = Effect.fnUntraced(function* (rounds: number) {
  const missingPart = lacking()
  if (missingPart !== null) return missing(containerName, "<= 1.2 x + 0.3 s", missingPart)
  const folder = yield* temporaryFolder
  const catalog = join(folder, "catalog.json")
  const version = { id: "v-1", name: "15", version: "15", manager: "postgresql", image: Bare.image, active: true }
  const datastore = { id: "ds-1", name: "postgresql", defaultVersion: "v-1", versions: [version] }
  const flavor = { id: "1", name: "db.tiny", ram: 512, vcpus: 1, disk: 5, ephemeral: 0 }
  writeFileSync(catalog, JSON.stringify({ flavors: [flavor], datastores: [datastore], defaultDatastore: "postgresql" }))
  const service = yield* Service.start(join(folder, "coffer"), "docker", { COFFER_CATALOG: catalog })
  return yield* compare(containerName, rounds, service, (round) => {
    const home = join(folder, `bare-${round}`)
    mkdirSync(home)
    return Effect.scoped(timed(Bare.container(home, `127.98.8.${round + 1}`, `coffer-bench-${process.pid}-${round}`)))
  })
})

export const active: Row = {
  key: "active",
  title: "time from POST to ACTIVE",
  measure: ({ quick }) =>
    Effect.gen(function* () {
      const rounds = quick ? 1 : 7
      return [yield* Effect.scoped(processes(rounds)), yield* Effect.scoped(containers(rounds))]
    })
}
